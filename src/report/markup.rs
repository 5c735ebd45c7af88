//! Filters of the page template: they escape text and add markup that no text can carry itself.
//!
//! `terms` links the first occurrence of a term in a section to its meaning at the end of the page; `breakable` lets long
//! ids wrap where their parts meet. Text between backticks is code. Meanings are those of `docs/glossary.md`, so that page and docs say the same.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::{Environment, HtmlEscape, Value};
use serde::Serialize;

const GLOSSARY: &str = include_str!("../../docs/glossary.md");

/// Terms that pages explain: each as in the glossary's first column, with its spellings in the text of a page.
const TERMS: [(&str, &[&str]); 26] = [
    ("AUC", &["AUC", "area under the ROC curve"]),
    ("centroid", &["centroid", "centroids"]),
    ("d′", &["d′"]),
    ("DET", &["DET"]),
    ("DIR", &["DIR"]),
    ("EER", &["EER", "equal error rate"]),
    ("FAR, VAL", &["FAR", "VAL"]),
    ("FMR", &["FMR", "false match rate"]),
    ("FMR100, FMR1000, ZeroFMR", &["FMR100", "FMR1000", "ZeroFMR"]),
    ("FNMR", &["FNMR", "false non-match rate"]),
    ("FPIR", &["FPIR"]),
    ("genuine pair", &["genuine pair", "genuine pairs"]),
    ("goat", &["goat", "goats", "Goats"]),
    ("identity bootstrap", &["identity bootstrap", "bootstrap"]),
    ("impostor pair", &["impostor pair", "impostor pairs"]),
    ("interval", &["95% interval", "interval", "intervals", "Intervals"]),
    ("lamb", &["lamb", "lambs", "Lambs"]),
    ("operating threshold", &["operating threshold", "Operating threshold"]),
    ("paired interval", &["paired interval"]),
    ("plug-in variance", &["plug-in variance"]),
    ("ROC", &["ROC"]),
    ("slice", &["slice", "slices"]),
    ("suspect", &["suspect", "suspects"]),
    ("TAR at an FMR", &["TAR", "true accept rate"]),
    ("Wilson interval", &["Wilson interval", "Wilson intervals"]),
    ("wolf", &["wolf", "wolves"]),
];

/// A term that a page links to.
#[derive(Debug, Serialize)]
struct Entry {
    id: String,
    term: &'static str,
    meaning: &'static str,
}

/// Adds the filters, and `glossary()`, the terms linked so far.
pub(super) fn register(environment: &mut Environment<'_>) {
    let linked: Arc<Mutex<BTreeSet<(String, usize)>>> = Arc::default();
    let seen = Arc::clone(&linked);
    environment.add_filter("terms", move |text: String, section: String| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = |term: usize| seen.insert((section.clone(), term));
        Value::from_safe_string(with_links(&text, first))
    });
    environment.add_filter("breakable", |text: String| Value::from_safe_string(breakable(&text)));
    environment.add_function("glossary", move || {
        let linked = linked.lock().unwrap_or_else(PoisonError::into_inner);
        let used: BTreeSet<usize> = linked.iter().map(|(_, term)| *term).collect();
        let entries = used.into_iter().filter_map(|term| {
            let name = TERMS[term].0;
            Some(Entry { id: id(name), term: name, meaning: meaning(name)? })
        });
        minijinja::value::Serde(entries.collect::<Vec<_>>())
    });
}

/// The escaped text, with a link at each term for which `first` holds, and text between backticks as code.
fn with_links(text: &str, mut first: impl FnMut(usize) -> bool) -> String {
    let pieces: Vec<&str> = text.split('`').collect();
    // A single backtick is only that.
    if pieces.len().is_multiple_of(2) {
        return linked(text, &mut first);
    }
    let piece = |(i, piece): (usize, &&str)| {
        if i % 2 == 0 { linked(piece, &mut first) } else { format!("<code>{}</code>", HtmlEscape(piece)) }
    };
    pieces.iter().enumerate().map(piece).collect()
}

fn linked(text: &str, first: &mut impl FnMut(usize) -> bool) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((at, spelling, term)) = next_term(rest) {
        let (before, after) = rest.split_at(at);
        let _ = write!(out, "{}", HtmlEscape(before));
        if first(term) {
            let _ = write!(out, "<a class=\"term\" href=\"#{}\">{}</a>", id(TERMS[term].0), HtmlEscape(spelling));
        } else {
            let _ = write!(out, "{}", HtmlEscape(spelling));
        }
        rest = &after[spelling.len()..];
    }
    let _ = write!(out, "{}", HtmlEscape(rest));
    out
}

/// The first whole word or words of the text that are a term, the longest of those that start there.
fn next_term(text: &str) -> Option<(usize, &'static str, usize)> {
    let in_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    let spellings = TERMS.iter().enumerate().flat_map(|(term, (_, all))| all.iter().map(move |one| (term, *one)));
    let found = spellings.filter_map(|(term, spelling)| {
        let whole = |at: &usize| {
            !in_word(text[..*at].chars().next_back()) && !in_word(text[at + spelling.len()..].chars().next())
        };
        let at = text.match_indices(spelling).map(|(at, _)| at).find(whole)?;
        Some((at, spelling, term))
    });
    found.min_by_key(|(at, spelling, _)| (*at, std::cmp::Reverse(spelling.len())))
}

fn id(term: &str) -> String {
    let letters = term.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' });
    format!("term-{}", letters.collect::<String>().trim_matches('-'))
}

/// What the glossary says of a term.
fn meaning(term: &str) -> Option<&'static str> {
    GLOSSARY.lines().find_map(|line| {
        let (name, meaning) = line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | ")?;
        (name == term).then_some(meaning)
    })
}

/// The escaped text, which may wrap after each `/` and `_`.
fn breakable(text: &str) -> String {
    let parts = text.split_inclusive(['/', '_']);
    let parts: Vec<String> = parts.map(|part| HtmlEscape(part).to_string()).collect();
    parts.join("<wbr>")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn every_term_has_a_meaning_and_an_id_of_its_own() {
        for (term, _) in TERMS {
            assert!(meaning(term).is_some(), "docs/glossary.md lacks `{term}`");
        }
        let ids: BTreeSet<String> = TERMS.iter().map(|(term, _)| id(term)).collect();
        assert_eq!(ids.len(), TERMS.len());
    }

    #[test]
    fn the_first_occurrence_is_linked_and_text_stays_text() {
        let mut seen = BTreeSet::new();
        let text = with_links("FMR & FMR100; no FMRx. <b> goats, goats", |term| seen.insert(term));
        assert_snapshot!(text, @r##"<a class="term" href="#term-fmr">FMR</a> &amp; <a class="term" href="#term-fmr100--fmr1000--zerofmr">FMR100</a>; no FMRx. &lt;b&gt; <a class="term" href="#term-goat">goats</a>, goats"##);
        assert_eq!(with_links("", |_| true), "");
        assert_eq!(
            with_links("set `a<b.goat`, not `", |_| true),
            "set `a&lt;b.<a class=\"term\" href=\"#term-goat\">goat</a>`, not `"
        );
        assert_eq!(with_links("set `a<b.goat`", |_| true), "set <code>a&lt;b.goat</code>");
        assert_eq!(with_links("naïve d′", |_| true), "naïve <a class=\"term\" href=\"#term-d\">d′</a>");
    }

    #[test]
    fn ids_wrap_between_their_parts() {
        assert_snapshot!(breakable("Some_Name/a<b.jpg"), @"Some_<wbr>Name&#x2f;<wbr>a&lt;b.jpg");
    }
}

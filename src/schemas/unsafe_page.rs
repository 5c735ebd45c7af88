//! `docs/unsafe.md`: every file with `unsafe`, the reasons that stand in it, and the tests that run it.
//!
//! A file with `unsafe` names them in lines of the form ``// Tested by: `test` in path/of/the/test.rs``, and says in a line
//! `// Not yet: …` what has not been done.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::generated::{between_markers, is_current, path};

/// How `unsafe` is used; the word alone may stand in a text or a name.
const USES: [(&str, &str); 4] = [
    ("unsafe {", "block"),
    ("unsafe fn", "function"),
    ("unsafe impl", "implementation"),
    ("unsafe extern", "declaration"),
];

/// A file with `unsafe`.
struct UnsafeFile {
    name: String,
    /// How often each of [`USES`] is there.
    uses: [usize; USES.len()],
    reasons: Vec<String>,
    /// Test and file.
    tests: Vec<(String, String)>,
    not_yet: Option<String>,
}

impl UnsafeFile {
    /// `None` for a file without `unsafe`.
    fn of(name: &str, text: &str) -> Option<Self> {
        let code = |line: &&str| !line.trim_start().starts_with("//");
        let uses = USES.map(|(word, _)| text.lines().filter(code).filter(|line| line.contains(word)).count());
        if uses == [0; USES.len()] {
            return None;
        }
        let after = |start: &str| {
            let of = |line: &str| line.trim_start().strip_prefix(start).map(str::to_owned);
            text.lines().filter_map(of).collect::<Vec<_>>()
        };
        let test = |line: String| {
            let found = line.strip_prefix('`').and_then(|rest| rest.split_once("` in "));
            let (test, file) = found.unwrap_or_else(|| panic!("{name}: `Tested by: {line}` has another form"));
            (test.to_owned(), file.to_owned())
        };
        Some(Self {
            name: name.to_owned(),
            uses,
            reasons: reasons(text),
            tests: after("// Tested by: ").into_iter().map(test).collect(),
            not_yet: after("// Not yet: ").pop(),
        })
    }

    /// A file of tests runs itself.
    fn is_test(&self) -> bool {
        self.name.contains("/tests/") || self.name.starts_with("tests/") || self.name.ends_with("/tests.rs")
    }

    fn section(&self) -> String {
        let mut uses = Vec::new();
        for (count, (_, what)) in self.uses.iter().zip(USES).filter(|(count, _)| **count > 0) {
            uses.push(format!("{count} {what}{}", if *count == 1 { "" } else { "s" }));
        }
        let mut section = format!("### `{}`\n\n{}.", self.name, uses.join(", "));
        if self.is_test() {
            section += " It is a test.";
        }
        if let Some((_, first)) = self.tests.first() {
            let mut file = first;
            for (i, (test, of)) in self.tests.iter().enumerate() {
                let begin = if i == 0 { " Tested by" } else { "," };
                let place = if i > 0 && of == file { String::new() } else { format!(" (`{of}`)") };
                let _ = write!(section, "{begin} `{test}`{place}");
                file = of;
            }
            section += ".";
        }
        section.extend(self.not_yet.iter().map(|text| format!(" Not yet: {text}")));
        section += "\n";
        for (i, reason) in self.reasons.iter().enumerate() {
            section += if i == 0 { "\n" } else { "" };
            let _ = writeln!(section, "- {reason}");
        }
        section
    }
}

/// The comments `SAFETY: …`, each once, but for those that only refer to others.
fn reasons(text: &str) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    let mut going_on = false;
    for line in text.lines() {
        let comment = line.trim_start().strip_prefix("// ");
        let begun = comment.and_then(|comment| comment.strip_prefix("SAFETY").and_then(|rest| rest.split_once(": ")));
        match (begun, comment) {
            (Some((_, reason)), _) => reasons.push(reason.to_owned()),
            (None, Some(more)) if going_on => {
                if let Some(last) = reasons.last_mut() {
                    let _ = write!(last, " {more}");
                }
                continue;
            }
            _ => {}
        }
        going_on = begun.is_some();
    }
    let mut seen = BTreeSet::new();
    reasons.retain(|reason| {
        let refers = ["as above", "as in", "handed on", "the caller's."].iter().any(|start| reason.starts_with(start));
        !refers && seen.insert(reason.clone())
    });
    reasons
}

/// All sources of the repository below a folder, `/`-separated.
fn sources(folder: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(path(folder)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let below = format!("{folder}/{name}");
        if entry.file_type().unwrap().is_dir() {
            sources(&below, found);
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "rs") {
            found.push(below);
        }
    }
}

fn files() -> Vec<UnsafeFile> {
    let mut names = Vec::new();
    for folder in ["benches", "crates", "examples", "fuzz/fuzz_targets", "fuzz/src", "src", "tests"] {
        sources(folder, &mut names);
    }
    names.sort();
    // This file has the words in its texts.
    names.retain(|name| name != "src/schemas/unsafe_page.rs");
    names.iter().filter_map(|name| UnsafeFile::of(name, &fs::read_to_string(path(name)).unwrap())).collect()
}

#[test]
fn every_use_of_unsafe_is_listed_with_its_reasons() {
    is_current("docs/unsafe.md", |document| {
        let files = files();
        let total = |at: usize| files.iter().map(|file| file.uses[at]).sum::<usize>();
        let mut content = format!(
            "{} files: {} blocks, {} functions, {} implementations.\n",
            files.len(),
            total(0),
            total(1),
            total(2)
        );
        content.extend(files.iter().map(|file| format!("\n{}", file.section())));
        between_markers(document, "unsafe", &content)
    });
}

#[test]
fn every_file_with_unsafe_names_tests_that_exist() {
    for file in files() {
        assert!(file.is_test() || !file.tests.is_empty(), "{}: add a line `// Tested by: `…` in …`", file.name);
        for (test, of) in &file.tests {
            let text = fs::read_to_string(path(of)).unwrap_or_else(|error| panic!("{}: {of}: {error}", file.name));
            let at = text.find(&format!("fn {test}(")).unwrap_or_else(|| panic!("{}: no `{test}` in {of}", file.name));
            let before = text[..at].trim_end();
            let last = before.lines().next_back().unwrap_or_default().trim();
            assert!(last.starts_with("#["), "{}: `{test}` in {of} is no test", file.name);
        }
    }
}

#[test]
fn a_file_is_read_as_it_is_written() {
    let text = "// Tested by: `a` in b.rs\n// Not yet: c.\n// SAFETY: long\n// reason.\nunsafe { f() }\n// SAFETY: as above.\n\
                unsafe fn g() {}\n// unsafe { }\n";
    let file = UnsafeFile::of("x.rs", text).unwrap();
    assert_eq!((file.uses, &file.reasons[..]), ([1, 1, 0, 0], &["long reason.".to_owned()][..]));
    assert_eq!((&file.tests[..], file.not_yet.as_deref()), (&[("a".to_owned(), "b.rs".to_owned())][..], Some("c.")));
    assert!(UnsafeFile::of("x.rs", "let unsafe_page = \"unsafe\";").is_none());
}

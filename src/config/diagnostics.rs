//! What is wrong with a config, in the manner of rustc: the rule, the file with line and column, the offending line
//! with a caret, and what to do.

use std::fmt;

use super::place::Place;
use crate::text;

/// Characters of a line that are shown; longer lines are cut around the caret.
const SHOWN: usize = 120;

/// Why a config was refused. Its text is the whole message, starting with `error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub(super) Box<Diagnostic>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for ConfigError {}

impl From<Diagnostic> for ConfigError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self(Box::new(diagnostic))
    }
}

/// A text that places point into: the config file, one `--set`, or a key that a step of the ablation sets.
#[derive(Debug, Clone)]
pub(super) struct Source {
    index: usize,
    label: String,
    text: String,
}

impl Source {
    /// The config file.
    pub fn file(label: String, text: String) -> Self {
        Self { index: 0, label, text }
    }

    /// The n-th override, counted from 1.
    pub fn set(index: usize, text: String) -> Self {
        Self { index, label: "--set".into(), text }
    }

    /// A key that a step of the ablation sets; `label` says which step and where it is written.
    pub fn step(index: usize, text: String, label: String) -> Self {
        Self { index, label, text }
    }

    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn index(&self) -> usize {
        self.index
    }

    /// A parser's location in this source; `offset` characters stand before the parsed text in the first line.
    pub fn place(&self, location: &serde_yaml::Location, offset: usize) -> Place {
        let line = usize::try_from(location.line()).unwrap_or(usize::MAX).max(1);
        let column = usize::try_from(location.column()).unwrap_or(usize::MAX).max(1);
        let width = usize::try_from(location.span().len()).unwrap_or(usize::MAX).max(1);
        Place {
            source: self.index,
            line,
            column: if line == 1 { column.saturating_add(offset) } else { column },
            width,
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Diagnostic {
    rule: String,
    origin: Option<String>,
    snippet: Option<Box<Snippet>>,
    helps: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Snippet {
    /// Number in the margin; none for an override.
    line: Option<usize>,
    text: String,
    indent: usize,
    width: usize,
}

impl Diagnostic {
    /// A problem, in one sentence without a full stop.
    pub fn new(rule: impl Into<String>) -> Self {
        Self { rule: rule.into(), origin: None, snippet: None, helps: Vec::new() }
    }

    /// Says where: the source alone, or a place in it.
    pub fn at(mut self, source: &Source, place: Option<Place>) -> Self {
        let Some(place) = place else {
            self.origin = Some(if source.index == 0 {
                source.label.clone()
            } else {
                format!("in {} {}", source.label, source.text)
            });
            return self;
        };
        let line = source.text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
        self.origin = Some(match source.index {
            0 => format!("{}:{}:{}", source.label, place.line, place.column),
            _ => format!("in {}", source.label),
        });
        let number = (source.index == 0).then_some(place.line);
        self.snippet = Some(Box::new(Snippet::new(number, line, place.column.saturating_sub(1), place.width)));
        self
    }

    /// A place in whichever source it belongs to.
    pub fn at_one_of(self, sources: &[Source], place: Place) -> Self {
        match sources.get(place.source) {
            Some(source) => self.at(source, Some(place)),
            None => self,
        }
    }

    /// Names a file that could not be read.
    pub fn of_file(mut self, label: String) -> Self {
        self.origin = Some(label);
        self
    }

    /// Adds a line that says what to do.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.helps.push(text.into());
        self
    }

    /// Adds a help when there is one.
    pub fn maybe_help(self, text: Option<String>) -> Self {
        match text {
            Some(text) => self.help(text),
            None => self,
        }
    }
}

impl Snippet {
    fn new(line: Option<usize>, text: &str, column: usize, width: usize) -> Self {
        // One character, one cell: a tab or a control character would move the caret, or the terminal. The caret moves with
        // the escapes before it.
        let mut characters = Vec::new();
        let mut places = Vec::new();
        for c in text::masked(text).chars() {
            places.push(characters.len());
            match c {
                '\t' => characters.push(' '),
                c if text::drives_a_terminal(c) => characters.extend(text::quoted(c.encode_utf8(&mut [0; 4])).chars()),
                c => characters.push(c),
            }
        }
        let place = |at: usize| places.get(at).copied().unwrap_or(characters.len());
        let (column, width) = (place(column), place(column.saturating_add(width)).saturating_sub(place(column)).max(1));
        let start = if characters.len() <= SHOWN { 0 } else { column.saturating_sub(SHOWN / 2) };
        let end = characters.len().min(start + SHOWN);
        let width = width.min(end.saturating_sub(column)).max(1);
        let mut text: String = characters[start..end].iter().collect();
        let mut indent = column - start;
        if start > 0 {
            text.insert_str(0, "… ");
            indent += 2;
        }
        if end < characters.len() {
            text += " …";
        }
        Self { line, text: text.trim_end().to_owned(), indent, width }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clean = |text: &str| text::whole(&text::masked(text)).into_owned();
        let number = self.snippet.as_ref().and_then(|snippet| snippet.line).map_or_else(String::new, |n| n.to_string());
        let margin = number.len().max(1);
        write!(f, "error: {}", clean(&self.rule))?;
        if let Some(origin) = &self.origin {
            write!(f, "\n{:margin$}--> {}", "", clean(origin))?;
        }
        if let Some(Snippet { text, indent, width, .. }) = self.snippet.as_deref() {
            write!(f, "\n{:margin$} |\n{number:>margin$} | {text}\n", "")?;
            write!(f, "{:margin$} | {:indent$}{}", "", "", "^".repeat(*width))?;
        }
        for help in &self.helps {
            write!(f, "\n{:margin$} = help: {}", "", clean(help))?;
        }
        Ok(())
    }
}

/// A text of a person, short enough for a sentence.
pub(super) fn quoted(text: &str) -> String {
    // Before it is cut: what is left of a password would not look like one.
    let text = &*text::masked(text);
    let text = &*text::quoted_to(text, usize::MAX);
    if text.chars().count() > 60 {
        format!("`{}…`", text.chars().take(57).collect::<String>())
    } else {
        format!("`{text}`")
    }
}

/// `a`, `b` and `c`, with this conjunction.
pub(super) fn listed(words: &[&str], conjunction: &str) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {conjunction} {last}", rest.join(", ")),
        None => "none".into(),
    }
}

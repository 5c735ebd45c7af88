//! `docs/faults.md`: what each fault or hostile input leads to, with the test that shows it.
//!
//! A row is a line above a test, so that none is without one:
//!
//! ```text
//! /// Fault (archives): a tar entry that leads out of the folder → refused with the entry's name
//! #[test]
//! fn an_entry_that_leads_out_is_refused() {
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use crate::generated;

/// The kinds, in the order of the page, and what each is about.
const KINDS: [(&str, &str); 12] = [
    ("disk", "Disks that fail, fill up, stall or lose power"),
    ("processes", "Processes that are killed, interrupted, or denied what they need"),
    ("runs", "Run directories that are damaged, incomplete, or from somebody else"),
    ("config", "Configs"),
    ("tables", "Tables, pair lists and boxes"),
    ("pictures", "Pictures"),
    ("archives", "Archives and containers"),
    ("weights", "Checkpoints"),
    ("hub", "The Hub, mirrors, proxies and URLs"),
    ("object stores", "Object stores"),
    ("texts", "Texts that quote input"),
    ("privacy", "Personal data"),
];

/// One line above a test.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    kind: String,
    fault: String,
    outcome: String,
    test: String,
}

/// The rows of a source file. Panics, with the place, on a line that is no row.
fn rows(place: &str, text: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if let Some(note) = line.strip_prefix("/// ") {
            match notes.last_mut() {
                Some(last) if !note.starts_with("Fault (") => *last = format!("{last} {note}"),
                _ if note.starts_with("Fault (") => notes.push(note.to_owned()),
                _ => {}
            }
        } else if line.starts_with("#[") || line == "///" {
            is_test |= line == "#[test]";
        } else {
            let name = line.strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            for note in notes.drain(..) {
                let name = name.filter(|_| is_test).unwrap_or_else(|| panic!("{place}: no test below `{note}`"));
                rows.push(
                    row(&note, name)
                        .unwrap_or_else(|| panic!("{place}: `{note}` is not `Fault (kind): fault → outcome`")),
                );
            }
            is_test = false;
        }
    }
    rows
}

fn row(note: &str, test: &str) -> Option<Row> {
    let (kind, rest) = note.strip_prefix("Fault (")?.split_once("): ")?;
    let (fault, outcome) = rest.split_once(" → ")?;
    KINDS.iter().any(|(known, _)| *known == kind).then_some(())?;
    let [kind, fault, outcome, test] = [kind, fault, outcome.trim_end_matches('.'), test].map(str::to_owned);
    Some(Row { kind, fault, outcome, test })
}

/// Every source file of the repository, by its relative path.
fn sources() -> Vec<(String, String)> {
    let root = generated::path("");
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["src", "crates", "tests"].map(generated::path).into();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).unwrap().components();
                let name: Vec<_> = name.map(|part| part.as_os_str().to_str().unwrap()).collect();
                found.push((name.join("/"), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}

fn page(rows: &BTreeMap<&str, Vec<(String, Row)>>) -> String {
    let of = |kind: &str| rows.get(kind).map_or(&[][..], Vec::as_slice);
    let total: usize = rows.values().map(Vec::len).sum();
    let mut page = format!(
        "# Faults and hostile input\n\n\
         Each row is a fault or an input, what happens, and the test that shows it.\n\n\
         *Refused* means: an error that names the input, exit code 1 or 2, and no run or result is changed. A refused \
         picture of a dataset is a *failure* of its face instead: a row of `failures.csv`, and the other faces are \
         embedded.\n\n\
         The rows are written above the tests: `just schema` collects them here, and a test fails if this page differs \
         from them. [Threats](threats.md) says what is promised to whom, [Biases and limits](limits.md) has the \
         limits.\n\n\
         {total} rows:\n\n| kind | rows |\n|---|---:|\n"
    );
    for (kind, title) in KINDS {
        let _ = writeln!(page, "| [{title}](#{}) | {} |", anchor(title), of(kind).len());
    }
    for (kind, title) in KINDS {
        let _ = write!(page, "\n## {title}\n\n| fault or input | what happens | test |\n|---|---|---|\n");
        for (file, Row { fault, outcome, test, .. }) in of(kind) {
            let cell = |text: &str| text.replace('|', "\\|");
            let _ = writeln!(page, "| {} | {} | [{test}](../{file}) |", cell(fault), cell(outcome));
        }
    }
    page
}

/// The fragment that a heading is linked by.
fn anchor(title: &str) -> String {
    title.to_lowercase().replace(',', "").replace(' ', "-")
}

#[test]
fn the_page_of_faults_is_current() {
    let mut all: BTreeMap<&str, Vec<(String, Row)>> = BTreeMap::new();
    for (file, text) in sources().into_iter().filter(|(file, _)| !file.ends_with(file_name())) {
        for row in rows(&file, &text) {
            let (kind, _) = KINDS.iter().find(|(kind, _)| *kind == row.kind).unwrap();
            all.entry(kind).or_default().push((file.clone(), row));
        }
    }
    generated::is_current("docs/faults.md", |_| page(&all));
}

fn file_name() -> &'static str {
    Path::new(file!()).file_name().unwrap().to_str().unwrap()
}

#[test]
fn a_row_needs_a_test_and_both_halves() {
    let found =
        rows("a.rs", "/// Fault (disk): a\n/// b → c.\n/// Fault (hub): d → e\n#[test]\n#[cfg(unix)]\nfn x() {");
    let row = |kind: &str, fault: &str, outcome: &str| {
        let [kind, fault, outcome, test] = [kind, fault, outcome, "x"].map(str::to_owned);
        Row { kind, fault, outcome, test }
    };
    assert_eq!(found, [row("disk", "a b", "c"), row("hub", "d", "e")]);
    for wrong in [
        "/// Fault (disk): a → b\nfn x() {",
        "/// Fault (disk): a → b\n\n#[test]\nfn x() {",
        "/// Fault (disk): a, b\n#[test]\nfn x() {",
        "/// Fault (fire): a → b\n#[test]\nfn x() {",
    ] {
        assert!(std::panic::catch_unwind(|| rows("a.rs", wrong)).is_err(), "{wrong}");
    }
}

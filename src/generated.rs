//! Files of the repository that are generated from the source: tests compare them, and write them with `UPDATE_SCHEMA=1`.

use std::path::{Path, PathBuf};

/// A path in the repository.
pub(crate) fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Fails if a committed file is not what `current` makes of its content; `UPDATE_SCHEMA=1` writes that instead.
pub(crate) fn is_current(name: &str, current: impl Fn(&str) -> String) {
    let update = std::env::var_os("UPDATE_SCHEMA").is_some();
    let committed = match std::fs::read_to_string(path(name)) {
        Err(_) if update => String::new(),
        read => read.unwrap(),
    };
    let current = current(&committed);
    if update {
        std::fs::write(path(name), &current).unwrap();
    } else {
        assert!(committed == current, "run `UPDATE_SCHEMA=1 cargo test --lib schema` and commit {name}");
    }
}

/// The document with `content` between the lines `<!-- <name>: begin -->` and `<!-- <name>: end -->`.
pub(crate) fn between_markers(document: &str, name: &str, content: &str) -> String {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let (before, rest) = document.split_once(&begin).expect("a marker before the generated part");
    let (_, after) = rest.split_once(&end).expect("a marker after the generated part");
    format!("{before}{begin}\n\n{content}\n{end}{after}")
}

//! How a repository, a revision and a path in a repository are written in a config: rules of the JSON schema.

use schemars::Schema;

/// A part of a repository's, a branch's or a tag's name.
macro_rules! name {
    () => {
        "[A-Za-z0-9_-][A-Za-z0-9._-]*"
    };
}

/// A part of a path in a repository: neither empty nor `.` nor `..`.
macro_rules! part {
    () => {
        r"(?:[^/\\\x00.][^/\\\x00]*|\.[^/\\\x00.][^/\\\x00]*|\.\.[^/\\\x00]+)"
    };
}

/// Parts of a path in a repository, each with its `/`.
pub(crate) const FOLDERS: &str = concat!("(?:", part!(), "/)*");

fn rule(schema: &mut Schema, pattern: &str, values: &str, help: Option<&str>) {
    schema.insert("pattern".into(), pattern.into());
    schema.insert("x-values".into(), values.into());
    if let Some(help) = help {
        schema.insert("x-help".into(), help.into());
    }
}

/// A repository.
pub(crate) fn repository(schema: &mut Schema) {
    let help = "use the last two parts of its address on the Hub, for example `py-feat/facenet`";
    rule(schema, concat!("^", name!(), "/", name!(), "$"), "`owner/name`", Some(help));
}

/// A commit.
pub(crate) fn commit(schema: &mut Schema) {
    let help = "a branch or tag can move, and the same config would then give other numbers";
    rule(schema, "^[0-9A-Fa-f]{40}$", "a commit hash of 40 hexadecimal characters", Some(help));
}

/// A commit, or a name that points to one: hexadecimal digits alone are a hash.
pub(crate) fn revision(schema: &mut Schema) {
    let pattern = concat!(
        "^(?:[0-9A-Fa-f]{7,40}|[0-9A-Fa-f]*[G-Zg-z_-][A-Za-z0-9._-]*|[0-9A-Fa-f]+\\.[A-Za-z0-9._-]*|",
        name!(),
        "(?:/",
        name!(),
        ")+)$"
    );
    let values = "a commit hash of 7 to 40 hexadecimal characters, or the name of a branch or tag";
    rule(schema, pattern, values, Some("a name of hexadecimal characters alone is taken for a commit hash"));
}

/// A file in a repository.
pub(crate) fn file(schema: &mut Schema) {
    let values = "a path in the repository, without `.`, `..` or empty parts";
    rule(schema, concat!("^(?:", part!(), "/)*", part!(), "$"), values, None);
}

/// Files in a repository.
pub(crate) fn files(schema: &mut Schema) {
    if let Some(items) = schema.get_mut("items").and_then(|items| <&mut Schema>::try_from(items).ok()) {
        file(items);
    }
}

/// Names of folders.
pub(crate) fn parts(schema: &mut Schema) {
    if let Some(items) = schema.get_mut("items").and_then(|items| <&mut Schema>::try_from(items).ok()) {
        rule(items, concat!("^", part!(), "$"), "the name of a folder in the root", None);
    }
}

/// A folder in a repository; `""` is its root.
pub(crate) fn folder(schema: &mut Schema) {
    let values = "a folder in the repository (`\"\"` for its root), without `.`, `..` or empty parts";
    rule(schema, concat!("^(?:(?:", part!(), "/)*", part!(), ")?/*$"), values, None);
}

/// A file beside a dataset's pictures, or a local one.
pub(crate) fn table(schema: &mut Schema) {
    let values = "a file name in the folder or the one above, a local path that starts with `./`, `../` or `/`, or an address such as `s3://bucket/pairs.csv`";
    let pattern = concat!("^(?:\\.{0,2}/[^\\x00]*|[a-z0-9]+://[^\\x00]+|(?:", part!(), "/)*", part!(), ")$");
    rule(schema, pattern, values, None);
}

//! Container files: each is on the Hub or on this machine, and at most pinned in one place.

use std::path::{Path, PathBuf};

use super::{Context, PathKind, in_lower_case};
use crate::config::diagnostics::Diagnostic;
use crate::dataset::{Container, braces};

/// Validates the container under a path of keys; on this machine it is what `kind` says. Which keys were written is asked
/// of the tree.
pub(super) fn validate(
    at: &[&str],
    container: &mut Container,
    kind: PathKind,
    context: &Context<'_>,
) -> Result<(), Diagnostic> {
    let name = at.join(".");
    let key = |key| [at, &[key]].concat();
    let written = context.tree.deepest(at);
    let has = |key: &str| written.get(key).is_some_and(|(_, node)| !node.is_null());
    match (has("hub"), has("path")) {
        (true, true) => {
            let rule = format!("`{name}` has both `hub` and `path`: it needs exactly one of them");
            return Err(context.problem(&key("path"), rule));
        }
        (false, false) => {
            return Err(context
                .problem(at, format!("`{name}` needs one of the keys `hub` and `path`"))
                .help("`hub: {repo: owner/name, revision: …, file: …}`, or `path:` of a copy on this machine"));
        }
        (true, false) if has("sha256") => {
            return Err(context
                .problem(&key("sha256"), "`sha256` next to `hub` would pin nothing")
                .help("move it into `hub`"));
        }
        _ => {}
    }
    match container {
        Container::Hub { revision, .. } => {
            in_lower_case(revision);
            which_files(&name, &key("hub"), context)
        }
        Container::Local { path, sha256 } => {
            *path = context.place(&key("path"), path, kind)?;
            if sha256.is_some() && path.is_dir() {
                let rule = format!("`sha256` pins one file, but {} is a folder", path.display());
                return Err(context.problem(&key("sha256"), rule));
            }
            Ok(())
        }
    }
}

/// The shards under a path of keys: a file, a folder, or a pattern of files that are all there.
pub(super) fn shards(at: &[&str], text: &Path, context: &Context<'_>) -> Result<PathBuf, Diagnostic> {
    let resolved = context.resolved(at, text);
    let pattern = text.to_string_lossy();
    if !pattern.contains('{') || resolved.exists() {
        return context.place(at, text, PathKind::Either);
    }
    let files = braces::expand(&pattern).map_err(|rule| {
        let rule = format!("`{}` cannot be used: {rule}", at.join("."));
        context.problem(at, rule).help("for example `faces-{000000..000009}.tar` or `{train,val}.tar`")
    })?;
    files.iter().try_for_each(|file| context.place(at, Path::new(file), PathKind::File).map(drop))?;
    Ok(resolved)
}

/// Exactly one of the keys that say which files, and a digest only of one file.
fn which_files(name: &str, hub: &[&str], context: &Context<'_>) -> Result<(), Diagnostic> {
    let written = context.tree.deepest(hub);
    let has = |key: &str| written.get(key).is_some_and(|(_, node)| !node.is_null());
    if ["file", "files", "folder"].into_iter().filter(|key| has(key)).count() != 1 {
        let rule = format!("`{name}.hub` needs exactly one of `file`, `files` and `folder`");
        return Err(context
            .problem(hub, rule)
            .help("`folder` takes every `.parquet` below it; `folder: \"\"` is the whole repository"));
    }
    if has("sha256") && !has("file") {
        let rule = "`sha256` pins one file: it goes with `file`, not with `files` or `folder`";
        return Err(context
            .problem(&[hub, &["sha256"]].concat(), rule)
            .help("a commit hash as `revision` pins all of them"));
    }
    Ok(())
}

//! Container files: each is on the Hub or on this machine, and at most pinned in one place.

use super::{Context, Kind, digest, inside_repository, movable, repository};
use crate::config::diagnostics::Diagnostic;
use crate::config::types::{Container, HubFiles};
use crate::config::wire;
use crate::digest::Digest;

/// A container that is one file (or, locally, what `kind` says).
pub(super) fn one_file(
    at: &[&str],
    wire: wire::Container,
    kind: Kind,
    context: &Context<'_>,
) -> Result<Container, Diagnostic> {
    let wire::Container { hub, path, sha256 } = wire;
    let Some(hub) = either(at, hub, path.as_ref(), sha256.as_ref(), context)? else {
        return local(at, path, sha256, kind, context);
    };
    let key = |key| [at, &["hub", key]].concat();
    inside(&key("file"), &hub.file, context)?;
    Ok(Container::Hub {
        repo: repository(&key("repo"), hub.repo, context)?,
        revision: movable(&key("revision"), hub.revision, context)?,
        files: HubFiles::Named(vec![hub.file]),
        sha256: pinned(&key("sha256"), hub.sha256, context)?,
    })
}

/// Parquet files.
pub(super) fn shards(
    hub: Option<wire::HubShards>,
    path: Option<String>,
    sha256: Option<String>,
    context: &Context<'_>,
) -> Result<Container, Diagnostic> {
    let at = ["dataset"];
    let Some(hub) = either(&at, hub, path.as_ref(), sha256.as_ref(), context)? else {
        return local(&at, path, sha256, Kind::Either, context);
    };
    let key = |key| ["dataset", "hub", key];
    let one = hub.file.is_some();
    let files = match (hub.file, hub.files, hub.folder) {
        (Some(file), None, None) => {
            inside(&key("file"), &file, context)?;
            HubFiles::Named(vec![file])
        }
        (None, Some(files), None) if files.is_empty() => {
            return Err(context.problem(&key("files"), "`dataset.hub.files` names no file"));
        }
        (None, Some(files), None) => {
            for (index, file) in files.iter().enumerate() {
                inside(&["dataset", "hub", "files", &index.to_string()], file, context)?;
            }
            HubFiles::Named(files)
        }
        (None, None, Some(folder)) => {
            let folder = folder.trim_end_matches('/').to_owned();
            inside_repository(&key("folder"), &folder, context)?;
            HubFiles::Below(folder)
        }
        _ => {
            let rule = "`dataset.hub` needs exactly one of `file`, `files` and `folder`";
            return Err(context
                .problem(&["dataset", "hub"], rule)
                .help("`folder` takes every `.parquet` below it; `folder: \"\"` is the whole repository"));
        }
    };
    if hub.sha256.is_some() && !one {
        let rule = "`sha256` pins one file: it goes with `file`, not with `files` or `folder`";
        return Err(context.problem(&key("sha256"), rule).help("a commit hash as `revision` pins all of them"));
    }
    Ok(Container::Hub {
        repo: repository(&key("repo"), hub.repo, context)?,
        revision: movable(&key("revision"), hub.revision, context)?,
        files,
        sha256: pinned(&key("sha256"), hub.sha256, context)?,
    })
}

/// The Hub's part, if that is where the container is; `None`: it is local.
fn either<T>(
    at: &[&str],
    hub: Option<T>,
    path: Option<&String>,
    sha256: Option<&String>,
    context: &Context<'_>,
) -> Result<Option<T>, Diagnostic> {
    let name = at.join(".");
    match (&hub, path) {
        (Some(_), Some(_)) => Err(context.problem(
            &[at, &["path"]].concat(),
            format!("`{name}` has `hub` and `path`, it needs exactly one of them"),
        )),
        (None, None) => Err(context
            .problem(at, format!("`{name}` needs one of the keys `hub` and `path`"))
            .help("`hub: {repo: owner/name, revision: …, file: …}`, or `path:` of a copy on this machine")),
        (Some(_), None) if sha256.is_some() => Err(context
            .problem(&[at, &["sha256"]].concat(), "`sha256` beside `hub` would pin nothing")
            .help("write it inside of `hub`")),
        _ => Ok(hub),
    }
}

fn local(
    at: &[&str],
    path: Option<String>,
    sha256: Option<String>,
    kind: Kind,
    context: &Context<'_>,
) -> Result<Container, Diagnostic> {
    let path = context.path(&[at, &["path"]].concat(), &path.unwrap_or_default(), kind)?;
    let key = [at, &["sha256"]].concat();
    if sha256.is_some() && path.is_dir() {
        let rule = format!("`sha256` pins one file, and {} is a folder", path.display());
        return Err(context.problem(&key, rule));
    }
    Ok(Container::Local { path, sha256: pinned(&key, sha256, context)? })
}

fn pinned(path: &[&str], sha256: Option<String>, context: &Context<'_>) -> Result<Option<Digest>, Diagnostic> {
    sha256.map(|sha256| digest(path, &sha256, context)).transpose()
}

/// A file's path inside a repository, not empty.
fn inside(path: &[&str], file: &str, context: &Context<'_>) -> Result<(), Diagnostic> {
    if file.is_empty() {
        return Err(context.problem(path, format!("`{}` must be the path of a file in the repository", path.join("."))));
    }
    inside_repository(path, file, context)
}

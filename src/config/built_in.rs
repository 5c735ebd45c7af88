//! Configs inside the program, for those who have nothing else.

use std::path::Path;

/// Names and texts.
const ALL: &[(&str, &str)] = &[("demo", include_str!("../../configs/demo.yaml"))];

/// The text of the config that `path` names, unless there is a file of that name.
pub(super) fn find(path: &Path) -> Option<&'static str> {
    let named = ALL.iter().find(|(name, _)| path.as_os_str() == *name).map(|(_, text)| *text);
    named.filter(|_| !path.exists() || path.is_dir())
}

/// Whether `path` names a config inside the program, and no file.
#[must_use]
pub fn is_built_in(path: &Path) -> bool {
    find(path).is_some()
}

/// What there is, as help for somebody whose config is not there.
pub(super) fn help() -> String {
    let names: Vec<_> = ALL.iter().map(|(name, _)| format!("`{name}`")).collect();
    format!("built in, without a file: {}", names.join(", "))
}

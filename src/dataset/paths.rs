//! Recorded paths → paths inside the dataset's root. Pure, except that the root is canonicalised once.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::objects;
use crate::dataset::PathRewrite;

/// The path without `.`, `..` and empty parts and without a slash at either end; `None` if it climbs above its start.
pub(super) fn normalise(path: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// How recorded paths are interpreted.
pub(super) struct PathRules {
    /// The root as configured and its canonical path, both normalised.
    roots: Vec<String>,
    /// Prefix → replacement, separators unified.
    rewrite: Vec<(String, String)>,
    /// Whether the root is in an object store.
    remote: bool,
}

impl PathRules {
    /// Rules for paths relative to `root` or below it.
    pub fn new(root: &Path, rewrite: &[PathRewrite]) -> Self {
        let remote = objects::is_remote(root);
        let roots = if remote {
            vec![root.into()]
        } else {
            [std::path::absolute(root), fs::canonicalize(root)].into_iter().flatten().collect()
        };
        let roots = roots.iter().filter_map(|path: &PathBuf| normalise(&unify(path.to_str()?))).collect();
        let rewrite = rewrite.iter().map(|rule| (unify(&rule.from), unify(&rule.to))).collect();
        Self { roots, rewrite, remote }
    }

    /// The path after its prefix was replaced; `None` if no rule fits.
    pub fn rewritten(&self, recorded: &str) -> Option<String> {
        let path = unify(recorded);
        self.rewrite.iter().find_map(|(from, to)| Some(to.clone() + path.strip_prefix(from.as_str())?))
    }

    /// The path relative to the root; `None` if it is outside.
    pub fn relative(&self, recorded: &str) -> Option<String> {
        let path = self.rewritten(recorded).unwrap_or_else(|| unify(recorded));
        if !(is_absolute(&path) || self.remote && crate::objects::is_address(&path)) {
            return normalise(&path);
        }
        let path = normalise(&path)?;
        let below = |root: &String| match path.strip_prefix(root.as_str())? {
            rest if root.is_empty() || rest.is_empty() => Some(rest.to_owned()),
            rest => rest.strip_prefix('/').map(str::to_owned),
        };
        self.roots.iter().find_map(below)
    }
}

/// Windows separators become `/`.
pub(super) fn unify(path: &str) -> String {
    path.replace('\\', "/")
}

/// Whether a path, relative to a root, was recorded as the address of a web server.
pub(super) fn is_url(path: &str) -> bool {
    ["http:/", "https:/"].iter().any(|scheme| path.starts_with(scheme))
}

fn is_absolute(path: &str) -> bool {
    let drive = || matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    path.starts_with('/') || drive()
}

/// Detects links that lead out of a root. Folders, not files, are looked up.
pub(super) struct Fence {
    root: PathBuf,
    /// Canonical paths of folders below the root, if outside.
    outside: HashMap<String, Option<PathBuf>>,
}

impl Fence {
    /// A fence around `root` for the folders of `paths` (relative to `root`).
    ///
    /// # Errors
    /// If the root cannot be found.
    pub fn new<'a>(root: &Path, paths: impl Iterator<Item = &'a str>) -> std::io::Result<Self> {
        let mut fence = Self { root: fs::canonicalize(root)?, outside: HashMap::new() };
        for path in paths {
            let folder = parent(path);
            if !fence.outside.contains_key(folder) {
                // A missing folder does not lead out: its files are reported as missing.
                fence.outside.insert(folder.to_owned(), fence.target_outside(&root.join(folder)));
            }
        }
        Ok(fence)
    }

    /// The canonical path of the file at `path`, found at `full`, if outside the root.
    pub fn escape(&self, path: &str, full: &Path, is_link: bool) -> Option<PathBuf> {
        self.outside
            .get(parent(path))
            .cloned()
            .flatten()
            .or_else(|| is_link.then(|| self.target_outside(full)).flatten())
    }

    fn target_outside(&self, path: &Path) -> Option<PathBuf> {
        fs::canonicalize(path).ok().filter(|target| !target.starts_with(&self.root))
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_resolved_and_climbing_out_is_detected() {
        assert_eq!(normalise("./a//b/../c.jpg").as_deref(), Some("a/c.jpg"));
        assert_eq!(normalise("/a/b/").as_deref(), Some("a/b"));
        assert_eq!(normalise("a/../..").as_deref(), None);
    }

    fn rules(rewrite: &[(&str, &str)]) -> PathRules {
        let rewrite: Vec<_> =
            rewrite.iter().map(|&(from, to)| PathRewrite { from: from.into(), to: to.into() }).collect();
        PathRules::new(Path::new("/data/set"), &rewrite)
    }

    #[test]
    fn relative_and_absolute_paths_end_below_the_root() {
        let rules = rules(&[]);
        for path in ["crops/a.jpg", "./crops/x/../a.jpg", "/data/set/crops/a.jpg", "crops\\a.jpg"] {
            assert_eq!(rules.relative(path).as_deref(), Some("crops/a.jpg"), "{path}");
        }
        for path in ["../a.jpg", "/data/settle/a.jpg", "/data/set/../a.jpg", "/a.jpg", "C:\\faces\\a.jpg"] {
            assert_eq!(rules.relative(path), None, "{path}");
        }
    }

    /// Fault (object stores): a table's path leads out of the root in the store → refused as one of a folder is
    #[test]
    fn addresses_end_below_the_root_that_is_one() {
        let rules = PathRules::new(Path::new("s3://faces/set"), &[]);
        for path in ["crops/a.jpg", "./crops//x/../a.jpg", "s3://faces/set/crops/a.jpg"] {
            assert_eq!(rules.relative(path).as_deref(), Some("crops/a.jpg"), "{path}");
        }
        for path in ["../a.jpg", "s3://faces/settle/a.jpg", "s3://other/set/crops/a.jpg", "/crops/a.jpg"] {
            assert_eq!(rules.relative(path), None, "{path}");
        }
    }

    #[test]
    fn the_first_matching_prefix_is_replaced() {
        let rules =
            rules(&[("/kaggle/working/", "w/"), ("/kaggle/", "k/"), ("C:\\out\\", "/data/set/"), ("old", "../set")]);
        assert_eq!(rules.relative("/kaggle/working/a.jpg").as_deref(), Some("w/a.jpg"));
        assert_eq!(rules.relative("/kaggle/input/a.jpg").as_deref(), Some("k/input/a.jpg"));
        assert_eq!(rules.relative("C:\\out\\b\\a.jpg").as_deref(), Some("b/a.jpg"));
        assert_eq!(rules.relative("old/a.jpg"), None, "a replacement may not leave the root either");
    }
}

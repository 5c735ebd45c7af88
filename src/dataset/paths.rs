//! Recorded paths → paths inside the dataset's root. Pure, apart from asking once where the root really is.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::dataset::PathRewrite;

/// Without `.`, `..` and empty parts, `/`-separated, no slash at either end; `None` when it climbs above its start.
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

/// How recorded paths are understood.
pub(super) struct PathRules {
    /// The root as configured and as the file system knows it, both normalised.
    roots: Vec<String>,
    /// Prefix → replacement, separators unified.
    rewrite: Vec<(String, String)>,
}

impl PathRules {
    /// Rules for paths that are relative to `root` or lie below it.
    pub fn new(root: &Path, rewrite: &[PathRewrite]) -> Self {
        let roots = [std::path::absolute(root), fs::canonicalize(root)];
        let roots = roots.into_iter().flatten().filter_map(|path| normalise(&unify(path.to_str()?))).collect();
        let rewrite = rewrite.iter().map(|rule| (unify(&rule.from), unify(&rule.to))).collect();
        Self { roots, rewrite }
    }

    /// The path relative to the root; `None` when it is outside.
    pub fn relative(&self, recorded: &str) -> Option<String> {
        let mut path = unify(recorded);
        if let Some((from, to)) = self.rewrite.iter().find(|(from, _)| path.starts_with(from)) {
            path.replace_range(..from.len(), to);
        }
        if !is_absolute(&path) {
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

fn is_absolute(path: &str) -> bool {
    let drive = || matches!(path.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic());
    path.starts_with('/') || drive()
}

/// Keeps links from leading out of a root. Each folder is looked up once, not each file.
pub(super) struct Fence {
    root: PathBuf,
    /// Where folders below the root really are, if that is outside.
    outside: HashMap<String, Option<PathBuf>>,
}

impl Fence {
    /// A fence around `root`, knowing the folders of `paths` (relative to `root`).
    ///
    /// # Errors
    /// When the root cannot be found.
    pub fn new<'a>(root: &Path, paths: impl Iterator<Item = &'a str>) -> std::io::Result<Self> {
        let mut fence = Self { root: fs::canonicalize(root)?, outside: HashMap::new() };
        for path in paths {
            let folder = parent(path);
            if !fence.outside.contains_key(folder) {
                // A folder that is not there is no escape: its files will turn out to be missing.
                fence.outside.insert(folder.to_owned(), fence.target_outside(&root.join(folder)));
            }
        }
        Ok(fence)
    }

    /// Where the file at `path`, found at `full`, really is if that is outside of the root.
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
    fn dots_are_resolved_and_climbing_out_is_noticed() {
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

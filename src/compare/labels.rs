//! Names for runs of the same name in different folders.

use std::path::{Path, PathBuf};

/// A name for each run: that of its directory; of several with the same name, with the nearest folder that tells them
/// apart. `paths` are canonical and all different.
pub fn labels(paths: &[PathBuf]) -> Vec<String> {
    let label = |path: &PathBuf| {
        let name = component(path, 0);
        let namesakes: Vec<&PathBuf> = paths.iter().filter(|other| component(other, 0) == name).collect();
        if namesakes.len() < 2 { name } else { format!("{name} ({})", folder(path, &namesakes)) }
    };
    paths.iter().map(label).collect()
}

/// The nearest folder of `path` whose name none of the other `namesakes` has at the same depth; where there is none, the
/// whole path of its folder.
fn folder(path: &Path, namesakes: &[&PathBuf]) -> String {
    let depth = path.components().count();
    let differs = |at: &usize| {
        let here = component(path, *at);
        namesakes.iter().filter(|other| other.as_path() != path).all(|other| component(other, *at) != here)
    };
    let nearest = (1..depth).find(differs).map(|at| component(path, at)).filter(|name| !name.is_empty());
    nearest.unwrap_or_else(|| path.parent().unwrap_or(path).display().to_string())
}

/// The name of a path's last component, or of one further up.
fn component(path: &Path, up: usize) -> String {
    let found = path.ancestors().nth(up).and_then(Path::file_name);
    found.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&str]) -> Vec<String> {
        labels(&paths.iter().map(PathBuf::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_nearest_folder_that_differs_tells_namesakes_apart() {
        assert_eq!(of(&["/w/experiments/a-1", "/w/experiments/b-2"]), ["a-1", "b-2"]);
        let found = of(&["/w/old/experiments/a-1", "/w/new/experiments/a-1", "/w/new/experiments/b-2"]);
        assert_eq!(found, ["a-1 (old)", "a-1 (new)", "b-2"]);
        assert_eq!(of(&["/w/a-1", "/w/x/a-1"]), ["a-1 (w)", "a-1 (x)"]);
        assert_eq!(of(&["/a-1", "/x/a-1"]), ["a-1 (/)", "a-1 (x)"]);
        // No folder of the second is its own at any depth.
        let found = of(&["/p/x/a-1", "/p/y/a-1", "/q/y/a-1"]);
        assert_eq!(found, ["a-1 (x)", "a-1 (/p/y)", "a-1 (q)"]);
    }
}

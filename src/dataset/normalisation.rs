//! Unicode normalisation of names: macOS writes `é` as two code points, other systems as one, and a table and its files
//! may come from either. Names that look the same are the same.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::Face;
use crate::progress::Progress;

/// The composed form.
pub(super) fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// The names in folders by their composed form; each folder is listed once, however many of its files are looked for.
#[derive(Default)]
pub(super) struct Spellings(Mutex<HashMap<PathBuf, HashMap<String, String>>>);

impl Spellings {
    /// The existing path below `root` that equals `path` up to normalisation, folder by folder.
    pub fn resolve(&self, root: &Path, path: &str) -> Option<String> {
        let mut found = String::new();
        for part in path.split('/') {
            let folder = root.join(&found);
            let name = if folder.join(part).symlink_metadata().is_ok() {
                part.to_owned()
            } else {
                let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let names = known.entry(folder).or_insert_with_key(|folder| by_composed(folder));
                names.get(&composed(part))?.clone()
            };
            if !found.is_empty() {
                found.push('/');
            }
            found.push_str(&name);
        }
        Some(found)
    }
}

/// The names in a folder by their composed form, the first of several; none if it cannot be listed.
fn by_composed(folder: &Path) -> HashMap<String, String> {
    let mut names = HashMap::<String, String>::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let first = names.entry(composed(&name)).or_insert_with(|| name.clone());
        if name < *first {
            *first = name;
        }
    }
    names
}

/// Reports how many pictures were found this way.
pub(super) fn say(count: usize, progress: &dyn Progress) {
    if count > 0 {
        progress.say(&format!(
            "{count} {} spelled in a different Unicode normalisation than in the table",
            if count == 1 { "picture's path is" } else { "pictures' paths are" }
        ));
    }
}

/// Merges identities that differ in normalisation only, and reports them.
pub(super) fn unite_identities(faces: &mut [Face], progress: &dyn Progress) {
    let mut spelling = HashMap::<String, String>::new();
    let (mut united, mut known) = (Vec::<String>::new(), HashSet::new());
    for identity in faces.iter_mut().filter_map(|face| face.identity_id.as_mut()).filter(|name| !name.is_ascii()) {
        let name = if is_nfc(identity) { identity.clone() } else { composed(identity) };
        let first = spelling.entry(name.clone()).or_insert_with(|| identity.clone());
        if first != identity {
            identity.clone_from(first);
            if known.insert(name.clone()) {
                united.push(name);
            }
        }
    }
    if let [first, rest @ ..] = &united[..] {
        progress.say(&match rest.len() {
            0 => format!("`{first}` is spelled in two Unicode normalisations and treated as one identity"),
            more => {
                format!(
                    "`{first}` and {more} more are spelled in two Unicode normalisations; each is treated as one identity"
                )
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (tables): 5,000 pictures with names of another normalisation in a folder of 5,000 → the folder is listed once
    #[test]
    fn a_folder_is_listed_once_however_many_names_are_looked_for() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("e\u{301}.png"), "x").unwrap();
        let spellings = Spellings::default();
        assert!(spellings.resolve(root.path(), "\u{e9}.png").is_some());
        // What is gone is still known.
        fs::remove_file(root.path().join("e\u{301}.png")).unwrap();
        assert!(spellings.resolve(root.path(), "\u{e9}.png").is_some());
    }

    #[test]
    fn paths_are_found_in_the_other_normalisation() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("Rene\u{301}e")).unwrap();
        fs::write(root.path().join("Rene\u{301}e/\u{e9}.png"), "x").unwrap();
        let resolve = |path| Spellings::default().resolve(root.path(), path);
        let found = Some("Rene\u{301}e/\u{e9}.png".to_owned());
        assert_eq!(resolve("Ren\u{e9}e/e\u{301}.png"), found);
        assert_eq!(resolve("Rene\u{301}e/\u{e9}.png"), found);
        assert_eq!(resolve("Renee/\u{e9}.png"), None);
    }
}

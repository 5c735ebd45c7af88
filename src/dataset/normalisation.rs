//! Unicode normalisation of names: macOS writes `é` as two code points, other systems as one, and a table and its files
//! may come from either. Names that look the same are the same.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use super::Face;
use crate::progress::Progress;

/// The composed form.
pub(super) fn composed(name: &str) -> String {
    name.nfc().collect()
}

/// The existing path below `root` that equals `path` up to normalisation, folder by folder.
pub(super) fn resolve(root: &Path, path: &str) -> Option<String> {
    let mut found = String::new();
    for part in path.split('/') {
        let folder = root.join(&found);
        let name = if folder.join(part).symlink_metadata().is_ok() {
            part.to_owned()
        } else {
            let wanted = composed(part);
            let names = fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            names.filter(|name| composed(name) == wanted).min()?
        };
        if !found.is_empty() {
            found.push('/');
        }
        found.push_str(&name);
    }
    Some(found)
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
    let mut united = Vec::<String>::new();
    for identity in faces.iter_mut().filter_map(|face| face.identity_id.as_mut()).filter(|name| !name.is_ascii()) {
        let name = if is_nfc(identity) { identity.clone() } else { composed(identity) };
        let first = spelling.entry(name.clone()).or_insert_with(|| identity.clone());
        if first != identity {
            identity.clone_from(first);
            if !united.contains(&name) {
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

    #[test]
    fn paths_are_found_in_the_other_normalisation() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("Rene\u{301}e")).unwrap();
        fs::write(root.path().join("Rene\u{301}e/\u{e9}.png"), "x").unwrap();
        let found = Some("Rene\u{301}e/\u{e9}.png".to_owned());
        assert_eq!(resolve(root.path(), "Ren\u{e9}e/e\u{301}.png"), found);
        assert_eq!(resolve(root.path(), "Rene\u{301}e/\u{e9}.png"), found);
        assert_eq!(resolve(root.path(), "Renee/\u{e9}.png"), None);
    }
}

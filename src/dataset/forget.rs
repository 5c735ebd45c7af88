//! Takes faces out of a manifest, and what names them out of the caches.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use aho_corasick::AhoCorasick;

use super::container::forget_unpacked;
use super::objects::forget_fetched;
use super::scan_cache::forget_scanned;
use super::{Face, Manifest, PixelSource, SourceTable};
use crate::digest::Digest;
use crate::files::{self, FileError};
use crate::identification::{RoleEntry, RoleTable};
use crate::protocol::{ABSENT, AbsentPair, ListedPair, PairList};

/// Shortest name by which a page or a file of another run is taken to be about a face.
const TELLING: usize = 5;

/// How pages write these characters; `&` first, because the others' escapes have it.
const ESCAPES: [(char, &str); 6] =
    [('&', "&amp;"), ('<', "&lt;"), ('>', "&gt;"), ('"', "&quot;"), ('\'', "&#x27;"), ('/', "&#x2f;")];

/// Where a page lets a long name break.
const BREAK: &str = "<wbr>";

/// What identifies faces that are being forgotten; names and contents that other faces of the manifest have as well do not.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    /// Face ids, paths, photos and identities.
    names: BTreeSet<String>,
    in_text: OnceLock<Words>,
    in_page: OnceLock<Words>,
    /// Digests of their pictures.
    pub contents: BTreeSet<Digest>,
    /// Digests of the photos that they are in, perhaps beside others.
    pub photos: BTreeSet<Digest>,
    /// Folder of the manifest's pictures.
    root: PathBuf,
}

impl Traces {
    /// Of the faces for which `gone` is true.
    pub fn of(manifest: &Manifest, gone: &[bool]) -> Self {
        let named = |wanted: bool| {
            let faces = manifest.faces.iter().zip(gone).filter(move |(_, gone)| **gone == wanted);
            faces.flat_map(|(face, _)| names(face)).map(str::to_owned).collect::<BTreeSet<String>>()
        };
        let contents = |wanted: bool| {
            let faces = manifest.faces.iter().zip(gone).filter(move |(_, gone)| **gone == wanted);
            faces.filter_map(|(face, _)| face.content).collect::<BTreeSet<Digest>>()
        };
        let (kept, mut lost) = (named(false), named(true));
        lost.retain(|name| !name.is_empty() && !kept.contains(name));
        let photos = contents(true);
        let contents = &photos - &contents(false);
        Self { names: lost, contents, photos, root: manifest.root.clone(), ..Self::default() }
    }

    /// Whether a text names one of the faces: with nothing before and behind the name that could be part of it.
    pub fn name_in(&self, text: &str) -> bool {
        self.in_text.get_or_init(|| Words::new(self.names.iter().cloned())).one_in(text)
    }

    /// Whether a folder is the one that the manifest's pictures are in.
    pub fn is_root(&self, folder: &Path) -> bool {
        let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
        self.root == folder || same(&self.root, folder)
    }

    /// Whether the faces are, or may be, in a copy of a file of an object store: the manifest's folder is in the cache, or the
    /// manifest has none.
    pub fn may_be_fetched(&self, cache: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().ok();
        let inside = |cache: &PathBuf| real(&self.root).is_some_and(|root| root.starts_with(cache));
        self.root.as_os_str().is_empty() || real(cache).as_ref().is_some_and(inside)
    }

    /// [`Self::name_in`] for the text of a page, in which short names mean nothing.
    pub fn name_in_page(&self, text: &str) -> bool {
        let words = self.in_page.get_or_init(|| {
            let telling = |name: &&String| name.chars().count() >= TELLING;
            Words::new(self.names.iter().filter(telling).flat_map(|name| {
                let escaped = ESCAPES.iter().fold((*name).clone(), |text, (c, escape)| text.replace(*c, escape));
                let in_json = serde_json::to_string(name).unwrap_or_default();
                [name.clone(), escaped, in_json.trim_matches('"').to_owned()]
            }))
        });
        // Where pages let long names break.
        if text.contains(BREAK) { words.one_in(&text.replace(BREAK, "")) } else { words.one_in(text) }
    }

    /// Whether a manifest has one of the faces, by id, identity or picture.
    pub fn face_in(&self, manifest: &Manifest) -> bool {
        let known = |face: &Face| {
            let named = [Some(face.face_id.as_str()), face.identity_id.as_deref()];
            named.into_iter().flatten().any(|name| self.names.contains(name))
                || face.content.is_some_and(|content| self.contents.contains(&content))
        };
        manifest.faces.iter().any(known)
    }
}

/// Words that are looked for together: the time it takes does not depend on how many they are.
#[derive(Debug)]
struct Words(Option<AhoCorasick>);

impl Words {
    fn new(words: impl Iterator<Item = String>) -> Self {
        Self(AhoCorasick::new(words).ok())
    }

    /// Whether one of them stands in `text` by itself. More than can be looked for are taken to be there.
    fn one_in(&self, text: &str) -> bool {
        let Some(words) = &self.0 else { return true };
        let is_part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        words.find_overlapping_iter(text).any(|found| {
            !is_part(text[..found.start()].chars().next_back()) && !is_part(text[found.end()..].chars().next())
        })
    }
}

fn names(face: &Face) -> impl Iterator<Item = &str> {
    let path = match &face.pixels {
        PixelSource::File { path, .. } => Some(path.as_str()),
        // The file is of others, too.
        PixelSource::Part(_) | PixelSource::Synthetic { .. } | PixelSource::Given { .. } => None,
    };
    let identity = face.identity_id.as_deref();
    [Some(face.face_id.as_str()), Some(face.image_id.as_str()), path, identity].into_iter().flatten()
}

/// The files of a cache that hold traces; removes them, or what they hold, if `act`.
pub(crate) fn forget_cached(cache: &Path, traces: &Traces, act: bool) -> Result<Vec<PathBuf>, FileError> {
    let mut found = forget_scanned(cache, traces, act)?;
    found.extend(forget_unpacked(cache, traces, act)?);
    found.extend(forget_fetched(cache, traces, act)?);
    Ok(found)
}

/// [`entries`] of a folder inside one that is ours: none of a link, which could lead anywhere.
pub(crate) fn entries_inside(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    if fs::symlink_metadata(folder).is_ok_and(|found| !found.is_dir()) { Ok(Vec::new()) } else { entries(folder) }
}

/// The entries of a folder, sorted; none if there is no folder.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let mut paths: Vec<_> = files::list_if_there(folder)?.iter().map(fs::DirEntry::path).collect();
    paths.sort();
    Ok(paths)
}

impl Manifest {
    /// The manifest as if it had never had the faces for which `gone` is true. Pairs with one of them leave the lists, and
    /// so do pairs with a face that the dataset lacks and that the list calls by one of their names.
    pub(crate) fn without(&self, gone: &[bool], traces: &Traces) -> Self {
        let kept = |row: &usize| !gone[*row];
        let mut now = vec![ABSENT; gone.len()];
        (0..gone.len()).filter(kept).zip(0..).for_each(|(before, after)| now[before] = after);
        let columns = self
            .table
            .columns
            .iter()
            .map(|column| (0..column.len()).filter(kept).map(|row| column.get(row).unwrap_or_default()).collect());
        Self {
            faces: (0..self.len()).filter(kept).map(|row| self.faces[row].clone()).collect(),
            root: self.root.clone(),
            table: SourceTable { headers: self.table.headers.clone(), columns: columns.collect() },
            lists: self.lists.iter().map(|list| without(list, &now, traces)).collect(),
            templates: self.templates.as_ref().map(|set| set.without(gone)),
            roles: self.roles.iter().filter_map(|table| roles_without(table, &now, traces)).collect(),
            commit: self.commit.clone(),
            containers: self.containers.clone(),
            left_out: self.left_out.clone(),
        }
    }
}

/// A list without the pairs of faces that have no row any more; `now` is the row of each.
fn without(list: &PairList, now: &[u32], traces: &Traces) -> PairList {
    let absent: BTreeMap<u32, &AbsentPair> = list.absent.iter().map(|absent| (absent.pair, absent)).collect();
    let mut kept = PairList { name: list.name.clone(), ..PairList::default() };
    for (number, pair) in (0..).zip(&list.pairs) {
        let moved = |row: u32| if row == ABSENT { ABSENT } else { now[row as usize] };
        let (a, b) = (moved(pair.a), moved(pair.b));
        let known = absent.get(&number);
        let named = known.is_some_and(|absent| absent.names.iter().any(|name| traces.name_in(name)));
        if named || (a == ABSENT && pair.a != ABSENT) || (b == ABSENT && pair.b != ABSENT) {
            continue;
        }
        if let Some(absent) = known {
            kept.absent.push(AbsentPair { pair: kept.pairs.len() as u32, names: absent.names.clone() });
        }
        kept.pairs.push(ListedPair { a, b, ..*pair });
    }
    kept
}

/// A table of roles without the faces that have no row any more, and without those that the dataset lacks of the same people;
/// `None` if nothing is left.
fn roles_without(table: &RoleTable, now: &[u32], traces: &Traces) -> Option<RoleTable> {
    let kept = |entry: &RoleEntry| {
        let Some(row) = entry.row else {
            let named = entry.identity.as_ref().is_some_and(|identity| traces.name_in(identity));
            return (!named).then(|| entry.clone());
        };
        let row = now[row as usize];
        (row != ABSENT).then(|| RoleEntry { row: Some(row), ..entry.clone() })
    };
    let entries: Vec<RoleEntry> = table.entries.iter().filter_map(kept).collect();
    (!entries.is_empty()).then(|| RoleTable { protocol: table.protocol.clone(), entries })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_a_page_however_it_is_escaped_unless_it_is_too_short_to_tell() {
        let traces = Traces { names: ["O'Hara/\"1\".png".to_owned(), "Bo".to_owned()].into(), ..Traces::default() };
        for page in ["<td>O&#x27;Hara&#x2f;&quot;1&quot;.png</td>", r#"["O'Hara/\"1\".png"]"#, "O'Hara/\"1\".png"] {
            assert!(traces.name_in_page(page), "{page}");
        }
        let traces = Traces { names: ["Ada_Lovelace/0.png".to_owned(), "Bo".to_owned()].into(), ..Traces::default() };
        assert!(traces.name_in_page("<td>Ada_<wbr>Lovelace&#x2f;<wbr>0.png</td>"), "long names may break");
        assert!(!traces.name_in_page("<td>Bo</td>") && traces.name_in("Bo/1.png"));
    }

    #[test]
    fn a_name_is_found_only_as_a_word_of_its_own() {
        let stands_in = |text: &str, names: &[&str]| Words::new(names.iter().map(ToString::to_string)).one_in(text);
        for text in ["a/Ada_L/0.jpg", "Ada_L", "x Ada_L,", "Ada_Lovelace and Ada_L"] {
            assert!(stands_in(text, &["Ada_L", "Lovelace"]), "{text}");
        }
        assert!(!stands_in("Ada_Lovelace", &["Ada_L"]) && !stands_in("12", &["1"]) && !stands_in("éa", &["a"]));
        assert!(stands_in("no-no-name", &["no-name", "no-no"]) && !stands_in("x", &[]));
    }

    #[test]
    fn pairs_of_forgotten_faces_leave_a_list_and_the_others_keep_their_order() {
        let pair = |a, b| ListedPair { a, b, same: true, fold: Some(a) };
        let absent = |pair, name: &str| AbsentPair { pair, names: [name.into(), "Ben 1".into()] };
        let list = PairList {
            name: "dataset".into(),
            pairs: vec![pair(0, 1), pair(1, 2), pair(ABSENT, 2), pair(ABSENT, 2), pair(2, 3)],
            absent: vec![absent(2, "Ada 9"), absent(3, "Cem 9")],
        };
        let traces = Traces { names: ["Ada".to_owned()].into(), ..Traces::default() };
        let kept = without(&list, &[ABSENT, 0, 1, 2], &traces);
        let rows: Vec<_> = kept.pairs.iter().map(|pair| (pair.a, pair.b, pair.fold)).collect();
        assert_eq!(rows, [(0, 1, Some(1)), (ABSENT, 1, Some(ABSENT)), (1, 2, Some(2))]);
        assert_eq!(kept.absent, [absent(1, "Cem 9")]);
    }
}

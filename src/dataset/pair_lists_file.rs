//! `pair_lists.parquet`: the pair lists of a dataset, one after the other.

use std::path::Path;

use polars::prelude::Column;

use super::table_file::{TableFile, write};
use super::{DatasetError, Manifest};
use crate::protocol::{ABSENT, AbsentPair, ListedPair, PairList};
use crate::table::{Kind, Table, TableColumn};

pub(crate) const PAIR_LISTS: Table = Table {
    file: "pair_lists.parquet",
    about: "The published lists of pairs, of the dataset and of protocols. One row per pair, list by list, in each list's \
            order; no file without lists.",
    columns: &[&[
        TableColumn::new("list", Kind::Text, "The list: `dataset`, or the protocol that brings it"),
        TableColumn::new("row_a", Kind::U32, "Row of the first face in the manifest").missing(ABSENT_FACE),
        TableColumn::new("row_b", Kind::U32, "Row of the second face").missing(ABSENT_FACE),
        TableColumn::new("same", Kind::Bool, "Whether the list says that both are one person"),
        TableColumn::new("fold", Kind::U32, "The pair's fold in the list").missing("where the list has no folds"),
        TableColumn::new("name_a", Kind::Text, "The list's name for the first face")
            .missing(BOTH_THERE)
            .only("if the dataset lacks a listed face"),
        TableColumn::new("name_b", Kind::Text, "The list's name for the second face")
            .missing(BOTH_THERE)
            .only("if the dataset lacks a listed face"),
    ]],
    others: None,
};

const ABSENT_FACE: &str = "where the dataset lacks that face";
const BOTH_THERE: &str = "where the dataset has both faces";

impl Manifest {
    /// Writes the lists atomically. Equal lists give equal bytes; without lists there is no file.
    pub(crate) fn write_pair_lists(&self, path: &Path) -> Result<(), DatasetError> {
        if self.lists.is_empty() {
            return Ok(());
        }
        let named = || self.lists.iter().flat_map(|list| list.pairs.iter().map(|pair| (list.name.as_str(), pair)));
        let there = |row: u32| (row != ABSENT).then_some(row);
        let rows = |of: fn(&ListedPair) -> u32| named().map(|(_, pair)| there(of(pair))).collect::<Vec<Option<u32>>>();
        let mut columns = vec![
            Column::new("list".into(), named().map(|(name, _)| name).collect::<Vec<&str>>()),
            Column::new("row_a".into(), rows(|pair| pair.a)),
            Column::new("row_b".into(), rows(|pair| pair.b)),
            Column::new("same".into(), named().map(|(_, pair)| pair.same).collect::<Vec<bool>>()),
            Column::new("fold".into(), named().map(|(_, pair)| pair.fold).collect::<Vec<Option<u32>>>()),
        ];
        if self.lists.iter().any(|list| !list.absent.is_empty()) {
            for (side, name) in ["name_a", "name_b"].into_iter().enumerate() {
                let mut names = Vec::new();
                for list in &self.lists {
                    let start = names.len();
                    names.resize(start + list.pairs.len(), None);
                    for absent in &list.absent {
                        names[start + absent.pair as usize] = Some(absent.names[side].as_str());
                    }
                }
                columns.push(Column::new(name.into(), names));
            }
        }
        write(path, &PAIR_LISTS, columns)
    }

    /// Reads the lists; without a file there are none.
    pub(crate) fn read_pair_lists(&mut self, path: &Path) -> Result<(), DatasetError> {
        let Some(file) = TableFile::read(path)? else { return Ok(()) };
        let (names, same, fold) = (file.texts("list")?, file.flags("same")?, file.numbers("fold")?);
        let (a, b) = (file.numbers("row_a")?, file.numbers("row_b")?);
        // The columns exist only if faces are missing.
        let absent = if file.has("name_a") { Some((file.texts("name_a")?, file.texts("name_b")?)) } else { None };
        for row in 0..file.rows() {
            let (Some(name), Some(same)) = (names.get(row), same.get(row)) else {
                return Err(file.wrong(format!("row {row} has a missing value")));
            };
            let (first, second) = (a.get(row), b.get(row));
            if let Some(face) = first.max(second).filter(|face| *face as usize >= self.len()) {
                return Err(file.wrong(format!("row {row} refers to face {face}, but the manifest has {}", self.len())));
            }
            let called = absent.and_then(|(a, b)| Some([a.get(row)?.to_owned(), b.get(row)?.to_owned()]));
            if called.is_some() != (first.is_none() || second.is_none()) {
                return Err(file.wrong(format!("row {row} has a missing value")));
            }
            if self.lists.last().is_none_or(|list| list.name != name) {
                self.lists.push(PairList { name: name.into(), ..PairList::default() });
            }
            let [a, b] = [first, second].map(|row| row.unwrap_or(ABSENT));
            let Some(list) = self.lists.last_mut() else { continue };
            list.absent.extend(called.map(|names| AbsentPair { pair: list.pairs.len() as u32, names }));
            list.pairs.push(ListedPair { a, b, same, fold: fold.get(row) });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{DatasetSource, open};
    use crate::progress::{Cancel, Silent};

    #[test]
    fn lists_survive_a_round_trip_and_unknown_rows_are_refused() {
        let source = DatasetSource::Synthetic { seed: 1, identities: 2, samples: 2, size: 32 };
        let manifest = open(&source, None, &Silent, &Cancel::default()).unwrap();
        let pair = |a, b, same, fold| ListedPair { a, b, same, fold };
        let first = PairList {
            name: "dataset".into(),
            pairs: vec![pair(0, 1, true, None), pair(3, 1, false, Some(4))],
            absent: vec![],
        };
        let absent = AbsentPair { pair: 1, names: ["Ann_0009".into(), "the third".into()] };
        let pairs = vec![pair(2, 3, true, Some(0)), pair(ABSENT, 2, false, Some(0))];
        let second = PairList { name: "own".into(), pairs, absent: vec![absent] };
        let (bare, digest) = (manifest.clone(), manifest.digest());
        let manifest = Manifest { lists: vec![first, second], ..manifest };
        assert_ne!(manifest.digest(), digest);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pair_lists.parquet");
        let mut read = bare.clone();
        read.read_pair_lists(&path).unwrap();
        assert_eq!(read.digest(), digest, "no file, no lists");
        bare.write_pair_lists(&path).unwrap();
        assert!(!path.exists());
        manifest.write_pair_lists(&path).unwrap();
        read.read_pair_lists(&path).unwrap();
        assert_eq!((read.digest(), &read), (manifest.digest(), &manifest));
        let mut short = Manifest { faces: bare.faces[..3].to_vec(), ..bare };
        let error = short.read_pair_lists(&path).unwrap_err().to_string();
        assert!(error.contains("row 1 refers to face 3, but the manifest has 3"), "{error}");
    }
}

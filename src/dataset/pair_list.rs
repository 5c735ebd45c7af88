//! Which faces a verification protocol compares: pairs of manifest rows, as a benchmark publishes them.

use std::path::Path;

use super::csv_lines::{CsvError, utf8};
use super::face_names::FaceNames;
use super::{CsvProblem, DatasetError, Face, Manifest, pair_plain, pair_table, pair_text};
use crate::files;
use crate::protocol::{ABSENT, AbsentPair, ListedPair, PairList};

/// How many pairs of a list contradict the faces' identities, where both are known. A published list is the truth of its
/// protocol, so it is followed all the same; a reader should be told.
#[must_use]
pub fn contradictions(list: &PairList, faces: &[Face]) -> usize {
    let identity = |row: u32| faces.get(row as usize)?.identity_id.as_deref();
    let contradicts = |pair: &&ListedPair| {
        identity(pair.a).zip(identity(pair.b)).is_some_and(|(first, second)| (first == second) != pair.same)
    };
    list.pairs.iter().filter(contradicts).count()
}

/// Reads a list of pairs of the manifest's faces: a table with a header, one of LFW's own texts (`pairs.txt`,
/// `pairsDevTrain.txt`, `pairsDevTest.txt`; <http://vis-www.cs.umass.edu/lfw/README.txt>), or lines without a header (`a b
/// 1`, `1 a b`, LFW's without its counts), told apart by content. A pair of a face that the dataset does not have stays in
/// the list, so that the borders of folds stay where they are.
///
/// A table has a column that says whether a pair is one person (`is_same`, `issame`, `same`, `target`, `label`, `pair`;
/// 1 or 0, true or false, yes or no), two columns for the faces (`face_a` and `face_b`, `image_a_path` and
/// `image_b_path`, `img_0` and `img_1`, …), and perhaps one for the fold (`fold_id`, `fold`, or `split` with `train` and
/// `test`, which are 0 and 1). LFW's texts name pictures by person and number, `<name>_%04d`; their folds are numbered
/// from 1, and of View 1 the training pairs are fold 0 and the test pairs fold 1.
///
/// # Errors
/// [`DatasetError::File`], or [`DatasetError::Csv`] with the line: a value that means more than one face of the
/// manifest, not one pair whose faces it has, a face with itself, what is no number or no answer, an empty list.
pub fn read_pair_list(name: &str, file: &Path, manifest: &Manifest) -> Result<PairList, DatasetError> {
    let bytes = files::read(file)?;
    let read = || {
        let text = utf8(&bytes)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(CsvError { offset: 0, problem: CsvProblem::NoPairs });
        }
        let names = FaceNames::of(&manifest.faces);
        let mut found = Pairs::of(&names);
        match pair_text::Counts::of(text) {
            Some(counts) => pair_text::parse(text, counts, file, &mut found)?,
            None => match pair_plain::Form::of(text).filter(|_| !pair_table::has_header(&bytes)) {
                Some(form) => pair_plain::parse(text, form, &mut found)?,
                None => pair_table::parse(&bytes, &mut found)?,
            },
        }
        found.finish()
    };
    let (pairs, absent) = read().map_err(|error: CsvError| error.at(file, &bytes))?;
    Ok(PairList { name: name.into(), pairs, absent })
}

/// The pairs of a list while it is read.
pub(super) struct Pairs<'a> {
    pub names: &'a FaceNames<'a>,
    listed: Vec<ListedPair>,
    absent: Vec<AbsentPair>,
    /// The first face that the dataset does not have.
    first_absent: Option<CsvError>,
}

/// A face of a pair: what the list calls it, and the row that this means.
pub(super) type Named = (String, Result<u32, CsvProblem>);

impl<'a> Pairs<'a> {
    fn of(names: &'a FaceNames<'a>) -> Self {
        Self { names, listed: Vec::new(), absent: Vec::new(), first_absent: None }
    }

    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// Adds the pair of the line that begins at `offset`.
    pub fn add(&mut self, offset: usize, faces: [Named; 2], same: bool, fold: Option<u32>) -> Result<(), CsvError> {
        let fail = |problem| CsvError { offset, problem };
        let names = [faces[0].0.clone(), faces[1].0.clone()];
        let mut rows = [ABSENT; 2];
        for (row, (_, found)) in rows.iter_mut().zip(faces) {
            match found {
                Ok(found) => *row = found,
                Err(problem @ CsvProblem::UnknownFace { .. }) => drop(self.first_absent.get_or_insert(fail(problem))),
                Err(problem) => return Err(fail(problem)),
            }
        }
        let [a, b] = rows;
        if a == b && (a != ABSENT || names[0] == names[1]) {
            let [value, _] = names;
            return Err(fail(CsvProblem::FaceWithItself { value }));
        }
        if a == ABSENT || b == ABSENT {
            self.absent.push(AbsentPair { pair: self.listed.len() as u32, names });
        }
        self.listed.push(ListedPair { a, b, same, fold });
        Ok(())
    }

    fn finish(self) -> Result<(Vec<ListedPair>, Vec<AbsentPair>), CsvError> {
        match self.first_absent {
            // Not one fits: another dataset's list, or names that mean nothing here.
            Some(error) if self.absent.len() == self.listed.len() => Err(error),
            _ => Ok((self.listed, self.absent)),
        }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::PixelSource;

    /// `Ann` has 4 pictures, `Bob` 3, `Cy` 2.
    fn manifest() -> Manifest {
        let pictures = [("Ann", 4), ("Bob", 3), ("Cy", 2)];
        let faces = pictures.into_iter().flat_map(|(who, count)| (1..=count).map(move |number| (who, number)));
        let face = |(who, number): (&str, u32)| {
            let path = format!("images/000/{who}_{number:04}.jpg");
            Face {
                face_id: path.clone(),
                identity_id: Some(who.into()),
                image_id: path.clone(),
                pixels: PixelSource::File { path, size: 0, modified: 0 },
                bbox: None,
                detector_score: None,
                content: None,
                fault: None,
            }
        };
        Manifest { faces: faces.map(face).collect(), ..Manifest::default() }
    }

    fn read(name: &str, text: impl AsRef<[u8]>) -> Result<PairList, DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_pair_list("view-2", &path, &manifest())
    }

    /// `a b same fold` of each pair.
    fn rows(name: &str, text: &str) -> Vec<(u32, u32, bool, Option<u32>)> {
        let list = read(name, text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(list.name, "view-2");
        list.pairs.iter().map(|pair| (pair.a, pair.b, pair.same, pair.fold)).collect()
    }

    fn message(text: &str) -> String {
        let message = read("list", text).unwrap_err().to_string();
        message.split_once("list, ").map(|(_, rest)| rest.to_owned()).unwrap_or(message)
    }

    #[test]
    fn view_2_as_lfw_writes_it_is_cut_into_folds() {
        let text = "2\t1\nAnn\t1\t4\nAnn\t2\tBob\t1\nBob\t1\t3\nBob\t2\tCy\t2\n";
        let expected = [(0, 3, true, Some(1)), (1, 4, false, Some(1)), (4, 6, true, Some(2)), (5, 8, false, Some(2))];
        assert_eq!(rows("pairs.txt", text), expected);
        assert_eq!(
            rows("pairs.txt", &format!("\u{feff}{}\n\n", text.replace('\n', "\r\n").replace('\t', "  "))),
            expected
        );
    }

    #[test]
    fn a_word_of_a_header_is_no_answer() {
        for header in ["different", "match", "genuine", "no"] {
            let table =
                format!("face_a,face_b,{header}\nAnn_0001,Ann_0002,1\nAnn_0001,Bob_0001,0\nBob_0001,Bob_0002,1\n");
            let message = message(&table);
            let (rule, columns) = message.split_once("; ").unwrap();
            assert_eq!(rule, "line 1: there is no column `is_same`, `issame`, `same`, `target`, `label` or `pair`");
            assert!(columns.contains(&format!("`{header}`")), "{columns}");
        }
    }

    #[test]
    fn view_1_is_told_by_its_name() {
        let text = "1\nAnn\t1\t4\nAnn\t2\tBob\t1\n";
        for (name, fold) in [("pairsDevTrain.txt", Some(0)), ("pairsDevTest.txt", Some(1)), ("mine.txt", None)] {
            assert_eq!(rows(name, text), [(0, 3, true, fold), (1, 4, false, fold)], "{name}");
        }
    }

    #[test]
    fn the_same_pairs_come_out_of_every_table() {
        let expected = [(0, 3, true, Some(1)), (1, 4, false, Some(10))];
        for table in [
            "pair_id,fold_id,fold_position,is_same,image_a,image_b,image_a_path,image_b_path\n\
             1,1,1,1,Ann_0001.jpg,Ann_0004.jpg,train/images/000/Ann_0001.jpg,train/images/000/Ann_0004.jpg\n\
             2,10,1,0,Ann_0002.jpg,Bob_0001.jpg,train/images/000/Ann_0002.jpg,train/images/000/Bob_0001.jpg\n",
            "is_same;image_a;image_b;fold\nTrue;Ann_0001;Ann_0004;1\nFalse;Ann_0002;Bob_0001;10\n",
            "fold,target,img_0,img_1\n1,1,images/000/Ann_0001.jpg,Ann_0004.png\n10,-1,Ann_0002,Bob_0001\n",
            "FOLD,Issame,face_a,face_b\r\n1,yes,images/000/Ann_0001.jpg,images/000/Ann_0004.jpg\r\n10,no,Ann_0002,Bob_0001",
            // A path that does not fit is made up for by a name that does.
            "fold,same,image_a,image_b,path_a,path_b\n1,1,Ann_0001,Ann_0004,x/1.jpg,x/2.jpg\n10,0,Ann_0002,Bob_0001,,\n",
        ] {
            assert_eq!(rows("pairs.csv", table), expected, "{table}");
        }
        let split = "same,a,b,split\n1,Ann_0001,Ann_0004,train\n0,Ann_0002,Bob_0001,test\n";
        assert_eq!(rows("pairs.csv", split).iter().map(|row| row.3).collect::<Vec<_>>(), [Some(0), Some(1)]);
        assert_eq!(rows("pairs.csv", "same,a,b\n1,Ann_0001,Ann_0004\n"), [(0, 3, true, None)]);
    }

    /// Index and names of the pairs whose faces are not all there.
    fn absent(name: &str, text: &str) -> Vec<(u32, [String; 2])> {
        read(name, text).unwrap().absent.into_iter().map(|absent| (absent.pair, absent.names)).collect()
    }

    #[test]
    fn a_pair_of_a_face_that_is_not_there_keeps_its_place() {
        let text = "2\t1\nAnn\t1\t4\nAnn\t9\tBob\t1\nBob\t1\t3\nDan\t2\tEve\t2\n";
        let expected = [
            (0, 3, true, Some(1)),
            (ABSENT, 4, false, Some(1)),
            (4, 6, true, Some(2)),
            (ABSENT, ABSENT, false, Some(2)),
        ];
        assert_eq!(rows("pairs.txt", text), expected, "folds are cut where the published list cuts them");
        let names = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(absent("pairs.txt", text), [(1, names("Ann_0009", "Bob_0001")), (3, names("Dan_0002", "Eve_0002"))]);
        let table = "fold,same,image_a,image_b\n1,1,Ann_0001,Ann_0002\n1,1,Ann_0001,Dan_0001\n2,0,Dan_0001,Bob_0001\n";
        let expected = [(0, 1, true, Some(1)), (0, ABSENT, true, Some(1)), (ABSENT, 4, false, Some(2))];
        assert_eq!(rows("pairs.csv", table), expected);
        assert_eq!(
            absent("pairs.csv", table),
            [(1, names("Ann_0001", "Dan_0001")), (2, names("Dan_0001", "Bob_0001"))]
        );
        let list = read("pairs.csv", table).unwrap();
        assert_eq!(contradictions(&list, &manifest().faces), 0, "what is not there contradicts nothing");
    }

    #[test]
    fn white_space_at_the_end_of_a_line_is_harmless() {
        let plain = "1\t1\nAnn\t1\t4\nAnn\t2\tBob\t1\n";
        for end in ["\t\n", "\t\t\n", "  \n", " \t\r\n"] {
            assert_eq!(rows("pairs.txt", &plain.replace('\n', end)), rows("pairs.txt", plain), "{end:?}");
        }
        assert_eq!(rows("x", "same\ta\tb\n1\tAnn_0001\tAnn_0004\t\t\n"), [(0, 3, true, None)]);
    }

    #[test]
    fn lists_without_a_header_are_read() {
        let expected = [(0, 3, true, None), (1, 4, false, None), (5, 0, false, None)];
        for text in [
            "Ann_0001.jpg Ann_0004.jpg 1\nAnn_0002.jpg Bob_0001.jpg 0\nBob_0002 Ann_0001 0\n",
            "Ann_0001,Ann_0004,1\nAnn_0002,Bob_0001,0\nBob_0002,Ann_0001,0",
            "images/000/Ann_0001.jpg\tAnn_0004\t1\t\r\n\r\nAnn_0002\tBob_0001\t-1\r\nBob_0002\tAnn_0001\t0\r\n",
            "1 Ann_0001 Ann_0004\n0 Ann_0002 Bob_0001\n0 Bob_0002 Ann_0001\n",
            "\u{feff}True;Ann_0001;Ann_0004\nFalse;Ann_0002;Bob_0001\nFalse;Bob_0002;Ann_0001\n",
            "Ann\t1\t4\nAnn\t2\tBob\t1\nBob\t2\tAnn\t1\n",
            "Ann 1 4\nAnn 2 Bob 1\nBob 2 Ann 1\n",
            "Ann,1,4\nAnn,2,Bob,1\nBob,2,Ann,1\n",
            "Ann, 1, 4\nAnn, 2, Bob, 1\nBob, 2, Ann, 1,\n",
        ] {
            assert_eq!(rows("list.txt", text), expected, "{text}");
        }
        assert_eq!(
            absent("l", "Ann_0001 Ann_0009 1\nAnn_0002 Bob_0001 0\n"),
            [(0, ["Ann_0001".into(), "Ann_0009".into()])]
        );
        assert_snapshot!(message("Ann_0001 Ann_0002 1\nAnn_0001 Ann_0003 1\nAnn_0001 Bob_0001\n"), @"line 3: the line has 2 values; a pair is two faces and 1 or 0, tabs, commas or spaces between");
        assert_snapshot!(message("Ann_0001 Ann_0002 1\nAnn_0001 Ann_0003 1\nAnn_0001 Bob_0001 2\n"), @"line 3: `the answer` is `2`, expected 1 or 0, true or false, or yes or no: whether the pair is one person");
        assert_snapshot!(message("Dan_0001 Dan_0002 1\n"), @"line 1: `the face` is `Dan_0001`, which no face of the dataset is called, by face_id, path, file name or file name without ending; correct the table, or let `dataset` name the folder that has it");
    }

    #[test]
    fn copies_of_lfw_call_their_pictures_in_other_ways() {
        let text = "1\t1\nAnn\t1\t2\nAnn\t2\tBob\t1\n";
        for pattern in ["{}_{:04}.png", "{}_{}.png", "{}/{:04}.png", "{}/{}.png", "{}/{}_{:04}_0.png"] {
            let path = |who: &str, number: u32| {
                let path =
                    pattern.replacen("{}/{}", &format!("{who}/{who}"), usize::from(pattern.contains("}_{:04}_0")));
                path.replacen("{}", who, 1).replacen("{:04}", &format!("{number:04}"), 1).replacen(
                    "{}",
                    &number.to_string(),
                    1,
                )
            };
            let mut manifest = manifest();
            manifest.faces.truncate(3);
            for (face, (who, number)) in manifest.faces.iter_mut().zip([("Ann", 1), ("Ann", 2), ("Bob", 1)]) {
                face.face_id = path(who, number);
                face.pixels = PixelSource::File { path: face.face_id.clone(), size: 0, modified: 0 };
            }
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("pairs.txt");
            std::fs::write(&file, text).unwrap();
            let list = read_pair_list("lfw", &file, &manifest).unwrap_or_else(|error| panic!("{pattern}: {error}"));
            assert_eq!(
                list.pairs.iter().map(|pair| (pair.a, pair.b)).collect::<Vec<_>>(),
                [(0, 1), (1, 2)],
                "{pattern}"
            );
        }
    }

    #[test]
    fn contradictions_are_counted_and_the_list_counts() {
        let list =
            read("pairs.csv", "same,a,b\n1,Ann_0001,Bob_0001\n0,Ann_0001,Ann_0002\n1,Cy_0001,Cy_0002\n").unwrap();
        let mut faces = manifest().faces;
        assert_eq!(contradictions(&list, &faces), 2);
        assert_eq!(list.pairs.iter().map(|pair| pair.same).collect::<Vec<_>>(), [true, false, true]);
        faces[0].identity_id = None;
        assert_eq!(contradictions(&list, &faces), 0, "what is not known contradicts nothing");
    }

    #[test]
    fn what_is_wrong_with_a_list_is_told_with_its_line() {
        let table = |line: &str| message(&format!("fold,same,image_a,image_b\n1,1,Ann_0001,Ann_0002\n{line}\n"));
        assert_snapshot!(table("1,1,Ann_0001,Ann_0001.jpg"), @"line 3: the pair `Ann_0001` is a face with itself, which says nothing; take it out of the list");
        assert_snapshot!(table("1,maybe,Ann_0001,Ann_0002"), @"line 3: `same` is `maybe`, expected 1 or 0, true or false, or yes or no: whether the pair is one person");
        assert_snapshot!(table("first,1,Ann_0001,Ann_0002"), @"line 3: `fold` is `first`, expected the number of a fold, or `train` or `test`");
        assert_snapshot!(table("1,1,Ann_0001,"), @"line 3: `image_b` is empty");
        assert_snapshot!(table("1,1,Ann_0001"), @"line 3: the line has 3 values, the header has 4 columns; look for a separator or quote too many or too few");
        assert_snapshot!(message("same,a,b\n"), @"line 1: there is no pair in this list; expected a line for each pair, with or without a header above them, or one of LFW's lists");
        assert_snapshot!(message(" \n"), @"line 1: there is no pair in this list; expected a line for each pair, with or without a header above them, or one of LFW's lists");
        assert_snapshot!(message("2\t1\nAnn\t1\t4\nAnn\t2\tBob\t1\nBob\t1\t3\n"), @"line 1: the first line announces 4 pairs, but 3 follow; get the list again: it is not whole");
        assert_snapshot!(message("1\t1\nAnn\t1\t5\nAnn\t2\tDan\t1\n"), @"line 2: `the picture` is `Ann_0005`, which no face of the dataset is called, by face_id, path, file name or file name without ending; correct the table, or let `dataset` name the folder that has it");
        assert_snapshot!(message("1\t1\nAnn\t1\tfour\nAnn\t2\tBob\t1\n"), @"line 2: the picture of `Ann` has the number `four`, expected a whole number such as 1");
        assert_snapshot!(message("1\t1\nAnn\t1\nAnn\t2\tBob\t1\n"), @"line 2: the line has 2 values; a pair is `name n1 n2` (one person) or `name1 n1 name2 n2` (two), tabs, commas or spaces between");
        assert_snapshot!(message("1\t1\nAnn\t3\t3\nAnn\t2\tBob\t1\n"), @"line 2: the pair `Ann_0003` is a face with itself, which says nothing; take it out of the list");
        assert_snapshot!(message("10\t300\n"), @"line 1: there is no pair in this list; expected a line for each pair, with or without a header above them, or one of LFW's lists");
        let error = read("list", b"same,a,b\n1,Ann_0001,\xff\n").unwrap_err().to_string();
        assert_snapshot!(error.split_once("list, ").unwrap().1, @"line 2: byte 12 of the line is not UTF-8; save the table as UTF-8");
    }

    proptest! {
        #[test]
        fn a_written_list_is_read_as_it_is(
            pairs in proptest::collection::vec((0..9_u32, 0..9_u32, any::<bool>(), 0..10_u32), 1..40)
        ) {
            let manifest = manifest();
            let pairs: Vec<_> = pairs.into_iter().filter(|(a, b, ..)| a != b).collect();
            prop_assume!(!pairs.is_empty());
            let id = |row: u32| manifest.faces[row as usize].face_id.as_str();
            let lines = pairs.iter().map(|&(a, b, same, fold)| format!("{},{same},{fold},{}\n", id(b), id(a)));
            let table = format!("face_b,same,fold,face_a\n{}", lines.collect::<String>());
            let expected: Vec<_> = pairs.iter().map(|&(a, b, same, fold)| (a, b, same, Some(fold))).collect();
            prop_assert_eq!(rows("pairs.csv", &table), expected);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<Vec<u8>>(), head in "(10\t300|1|same,a,b|fold,target,img_0,img_1)?\n") {
            let _ = read("pairs.csv", [head.as_bytes(), &text[..]].concat());
        }
    }
}

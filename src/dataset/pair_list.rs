//! The pairs of faces that a verification protocol compares, as a benchmark publishes them.

use std::path::Path;

use super::csv_lines::{CsvError, utf8};
use super::face_names::FaceNames;
use super::pairs_builder::PairsBuilder;
use super::{CsvProblem, DatasetError, Face, Manifest, objects, pair_plain, pair_table, pair_text};
use crate::protocol::{ListedPair, PairList};

/// Number of pairs of a list that contradict the identities of their faces, where both are known. A published list defines
/// its protocol, so it takes precedence, but the contradiction is worth a note.
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
/// 1`, `1 a b`, LFW's without its counts), distinguished by content. A pair with a face that is not in the dataset stays in
/// the list, so that the boundaries of the folds do not move.
///
/// A table has a column that tells genuine from impostor pairs (`is_same`, `issame`, `same`, `target`, `label`, `pair`;
/// 1 or 0, true or false, yes or no), two columns for the faces (`face_a` and `face_b`, `image_a_path` and
/// `image_b_path`, `img_0` and `img_1`, …), and perhaps one for the fold (`fold_id`, `fold`, or `split` with `train` and
/// `test`, which are 0 and 1). LFW's texts name pictures by person and number, `<name>_%04d`; their folds are numbered
/// from 1, and of View 1 the training pairs are fold 0 and the test pairs fold 1.
///
/// # Errors
/// [`DatasetError::File`], or [`DatasetError::Csv`] with the line: an ambiguous face, no pair at all with both faces in
/// the manifest, a face paired with itself, an invalid number or label, an empty list.
pub fn read_pair_list(name: &str, file: &Path, manifest: &Manifest) -> Result<PairList, DatasetError> {
    let bytes = objects::read(file)?;
    let read = || {
        let text = utf8(&bytes)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim().is_empty() {
            return Err(CsvError { offset: 0, problem: CsvProblem::NoPairs });
        }
        let names = FaceNames::of(&manifest.faces);
        let mut found = PairsBuilder::of(&names);
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

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;
    use crate::dataset::PixelSource;
    use crate::protocol::ABSENT;

    /// `Ann` has 4 pictures, `Bob` 3, `Cy` 2.
    fn manifest() -> Manifest {
        let pictures = [("Ann", 4), ("Bob", 3), ("Cy", 2)];
        let faces = pictures.into_iter().flat_map(|(who, count)| (1..=count).map(move |number| (who, number)));
        let face = |(who, number): (&str, u32)| {
            let path = format!("images/000/{who}_{number:04}.jpg");
            Face { identity_id: Some(who.into()), ..Face::of_picture(path) }
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
    fn lfws_view_2_has_folds() {
        let text = "2\t1\nAnn\t1\t4\nAnn\t2\tBob\t1\nBob\t1\t3\nBob\t2\tCy\t2\n";
        let expected = [(0, 3, true, Some(1)), (1, 4, false, Some(1)), (4, 6, true, Some(2)), (5, 8, false, Some(2))];
        assert_eq!(rows("pairs.txt", text), expected);
        assert_eq!(
            rows("pairs.txt", &format!("\u{feff}{}\n\n", text.replace('\n', "\r\n").replace('\t', "  "))),
            expected
        );
    }

    #[test]
    fn a_word_in_a_header_is_not_a_label() {
        for header in ["different", "match", "genuine", "no"] {
            let table =
                format!("face_a,face_b,{header}\nAnn_0001,Ann_0002,1\nAnn_0001,Bob_0001,0\nBob_0001,Bob_0002,1\n");
            let message = message(&table);
            let (rule, columns) = message.split_once("; ").unwrap();
            assert_eq!(rule, "line 1: missing column `is_same`, `issame`, `same`, `target`, `label` or `pair`");
            assert!(columns.contains(&format!("`{header}`")), "{columns}");
        }
    }

    #[test]
    fn view_1_is_recognised_by_its_file_name() {
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
    fn a_pair_with_a_missing_face_keeps_its_place() {
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
        assert_eq!(contradictions(&list, &manifest().faces), 0, "a missing face contradicts nothing");
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
        assert_snapshot!(message("Ann_0001 Ann_0002 1\nAnn_0001 Ann_0003 1\nAnn_0001 Bob_0001\n"), @"line 3: the line has 2 values, expected two faces and 1 or 0, separated by tabs, commas or spaces");
        assert_snapshot!(message("Ann_0001 Ann_0002 1\nAnn_0001 Ann_0003 1\nAnn_0001 Bob_0001 2\n"), @"line 3: `the label` is `2`, expected 1, true or yes for a genuine pair, 0, false or no for an impostor pair");
        assert_snapshot!(message("Dan_0001 Dan_0002 1\n"), @"line 1: `face` is `Dan_0001`, but no face of the dataset has this face_id, path or file name (with or without extension); correct the table, or set `dataset` to the folder that contains it");
    }

    #[test]
    fn copies_of_lfw_name_their_pictures_differently() {
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
    fn contradictions_are_counted_and_the_list_takes_precedence() {
        let list =
            read("pairs.csv", "same,a,b\n1,Ann_0001,Bob_0001\n0,Ann_0001,Ann_0002\n1,Cy_0001,Cy_0002\n").unwrap();
        let mut faces = manifest().faces;
        assert_eq!(contradictions(&list, &faces), 2);
        assert_eq!(list.pairs.iter().map(|pair| pair.same).collect::<Vec<_>>(), [true, false, true]);
        faces[0].identity_id = None;
        assert_eq!(contradictions(&list, &faces), 0, "an unknown identity contradicts nothing");
    }

    #[test]
    fn errors_in_a_list_name_the_line() {
        let table = |line: &str| message(&format!("fold,same,image_a,image_b\n1,1,Ann_0001,Ann_0002\n{line}\n"));
        assert_snapshot!(table("1,1,Ann_0001,Ann_0001.jpg"), @"line 3: the pair compares `Ann_0001` with itself; remove it from the list");
        assert_snapshot!(table("1,maybe,Ann_0001,Ann_0002"), @"line 3: `same` is `maybe`, expected 1, true or yes for a genuine pair, 0, false or no for an impostor pair");
        assert_snapshot!(table("first,1,Ann_0001,Ann_0002"), @"line 3: `fold` is `first`, expected a fold number, `train` or `test`");
        assert_snapshot!(table("1,1,Ann_0001,"), @"line 3: `image_b` is empty");
        assert_snapshot!(table("1,1,Ann_0001"), @"line 3: the line has 3 values, the header has 4 columns; look for a separator or quote too many or too few");
        assert_snapshot!(message("same,a,b\n"), @"line 1: the list has no pairs; expected one line per pair, with or without a header, or one of LFW's lists");
        assert_snapshot!(message(" \n"), @"line 1: the list has no pairs; expected one line per pair, with or without a header, or one of LFW's lists");
        assert_snapshot!(message("2\t1\nAnn\t1\t4\nAnn\t2\tBob\t1\nBob\t1\t3\n"), @"line 1: the first line announces 4 pairs, but 3 follow; the list is incomplete, download it again");
        assert_snapshot!(message("1\t1\nAnn\t1\t5\nAnn\t2\tDan\t1\n"), @"line 2: `picture` is `Ann_0005`, but no face of the dataset has this face_id, path or file name (with or without extension); correct the table, or set `dataset` to the folder that contains it");
        assert_snapshot!(message("1\t1\nAnn\t1\tfour\nAnn\t2\tBob\t1\n"), @"line 2: the picture number of `Ann` is `four`, expected an integer such as 1");
        assert_snapshot!(message("1\t1\nAnn\t1\nAnn\t2\tBob\t1\n"), @"line 2: the line has 2 values, expected `name n1 n2` (genuine) or `name1 n1 name2 n2` (impostor), separated by tabs, commas or spaces");
        assert_snapshot!(message("1\t1\nAnn\t3\t3\nAnn\t2\tBob\t1\n"), @"line 2: the pair compares `Ann_0003` with itself; remove it from the list");
        assert_snapshot!(message("10\t300\n"), @"line 1: the list has no pairs; expected one line per pair, with or without a header, or one of LFW's lists");
        let error = read("list", b"same,a,b\n1,Ann_0001,\xff\n").unwrap_err().to_string();
        assert_snapshot!(error.split_once("list, ").unwrap().1, @"line 2: invalid UTF-8 at byte 12 of the line; save the table as UTF-8");
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

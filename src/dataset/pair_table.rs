//! Pair lists with a header. Mirrors of a benchmark use different names for the same columns.

use std::collections::HashMap;

use super::csv_lines::{CsvError, CsvLines, CsvRow};
use super::face_names::FaceNames;
use super::pairs_builder::{NamedFace, PairsBuilder};
use super::{CsvProblem, columns};

/// Columns with the label, genuine or impostor.
const SAME: [&str; 6] = ["is_same", "issame", "same", "target", "label", "pair"];
/// What a label may be.
pub(super) const LABEL: &str = "1, true or yes for a genuine pair, 0, false or no for an impostor pair";
/// Columns with the fold.
const FOLD: [&str; 3] = ["fold_id", "fold", "split"];
/// The parts by which the columns of the two faces differ; the rest of their names is the same.
const SIDES: [[&str; 2]; 4] = [["a", "b"], ["1", "2"], ["0", "1"], ["left", "right"]];
/// The words of the rest, the most specific first: an id, a path, a picture.
const WHAT: [&str; 9] = ["face", "id", "path", "file", "name", "filename", "image", "img", "photo"];

/// The columns that are read, by index.
#[derive(Debug, PartialEq, Eq)]
struct PairColumns {
    same: usize,
    fold: Option<usize>,
    /// Columns of the first and the second face; one pair of columns that resolves is enough.
    faces: Vec<[usize; 2]>,
}

impl PairColumns {
    fn find(headers: &[String]) -> Result<Self, CsvProblem> {
        let headers = columns::lower_case(headers)?;
        let index = |names: &[&str]| names.iter().find_map(|name| headers.iter().position(|header| header == name));
        let missing = |names, reason| columns::missing(&headers, names, reason);
        let same = index(&SAME).ok_or_else(|| {
            missing("`is_same`, `issame`, `same`, `target`, `label` or `pair`", "it tells genuine from impostor pairs")
        })?;
        let mut faces: Vec<(usize, [usize; 2])> = Vec::new();
        let place_of: HashMap<&str, usize> = headers.iter().map(String::as_str).zip(0..).collect();
        for (first, header) in headers.iter().enumerate() {
            for side in &SIDES {
                if let Some((what, other)) = counterpart(header, *side)
                    && let Some(&second) = place_of.get(other.as_str())
                {
                    faces.push((what, [first, second]));
                }
            }
        }
        faces.sort_by_key(|(what, columns)| (*what, *columns));
        if faces.is_empty() {
            return Err(missing(
                "`face_a` and `face_b` (or `image_a` and `image_b`, `img_0` and `img_1`, `path_1` and `path_2`, …)",
                "they give the two faces",
            ));
        }
        let faces = faces.into_iter().map(|(_, columns)| columns).collect();
        Ok(Self { same, fold: index(&FOLD), faces })
    }
}

/// What a column of the first face contains (an index of [`WHAT`]), and the name of the second face's column.
fn counterpart(header: &str, [first, second]: [&str; 2]) -> Option<(usize, String)> {
    let parts: Vec<&str> = header.split('_').collect();
    // `image1` is `image_1` in one word.
    let (place, stem) = parts.iter().enumerate().find_map(|(i, part)| {
        let stem = part.strip_suffix(first)?;
        (stem.is_empty() || (first.parse::<u8>().is_ok() && WHAT.contains(&stem))).then_some((i, stem))
    })?;
    let mut what = WHAT.len();
    for part in parts.iter().enumerate().map(|(i, part)| if i == place { stem } else { part }) {
        if !part.is_empty() {
            what = what.min(WHAT.iter().position(|word| *word == part)?);
        }
    }
    let other = format!("{stem}{second}");
    let other = parts.iter().enumerate().map(|(i, part)| if i == place { other.as_str() } else { part });
    Some((what, other.collect::<Vec<_>>().join("_")))
}

/// Whether the first line is the header of such a table.
pub(super) fn has_header(bytes: &[u8]) -> bool {
    CsvLines::open(bytes).is_ok_and(|lines| PairColumns::find(&lines.headers).is_ok())
}

/// Adds the pairs, in the order of the table.
pub(super) fn parse(bytes: &[u8], pairs: &mut PairsBuilder<'_>) -> Result<(), CsvError> {
    let mut lines = CsvLines::open(bytes)?;
    let head = lines.offset;
    let columns = PairColumns::find(&lines.headers).map_err(|problem| CsvError { offset: head, problem })?;
    while lines.advance()? {
        let offset = lines.offset;
        let (faces, same, fold) =
            one(&columns, &lines.row(), pairs.names).map_err(|problem| CsvError { offset, problem })?;
        pairs.add(offset, faces, same, fold)?;
    }
    if pairs.len() == 0 {
        return Err(CsvError { offset: head, problem: CsvProblem::NoPairs });
    }
    Ok(())
}

type Line = ([NamedFace; 2], bool, Option<u32>);

fn one(columns: &PairColumns, row: &CsvRow<'_>, names: &FaceNames<'_>) -> Result<Line, CsvProblem> {
    row.whole()?;
    let column = columns.same;
    let same = answer(row.needed(column)?).ok_or_else(|| row.expected(column, LABEL))?;
    let fold = columns.fold.map(|column| {
        fold(row.needed(column)?).ok_or_else(|| row.expected(column, "a fold number, `train` or `test`"))
    });
    let fold = fold.transpose()?;
    let (mut absent, mut problem) = (None, None);
    for &pair in &columns.faces {
        let face = |column| Ok((row.needed(column)?.to_owned(), names.find(&row.column(column), row.needed(column)?)));
        let faces = match pair.map(face) {
            [Ok(first), Ok(second)] => [first, second],
            [Err(other), _] | [_, Err(other)] => {
                problem.get_or_insert(other);
                continue;
            }
        };
        let unknown = |(_, row): &NamedFace| matches!(row, Err(CsvProblem::UnknownFace { .. }));
        match faces.iter().find_map(|face| face.1.as_ref().err().filter(|_| !unknown(face))) {
            Some(other) => drop(problem.get_or_insert(other.clone())),
            None if faces.iter().any(unknown) => drop(absent.get_or_insert(faces)),
            None => return Ok((faces, same, fold)),
        }
    }
    match absent {
        Some(faces) => Ok((faces, same, fold)),
        // There is at least one pair of columns.
        None => Err(problem.unwrap_or(CsvProblem::NoPairs)),
    }
}

/// The label, whether a pair is genuine.
fn answer(text: &str) -> Option<bool> {
    match text.trim().to_lowercase().as_str() {
        "1" | "true" | "yes" | "same" => Some(true),
        "0" | "-1" | "false" | "no" | "different" => Some(false),
        _ => None,
    }
}

fn fold(text: &str) -> Option<u32> {
    match text.to_lowercase().as_str() {
        "train" | "training" => Some(0),
        "test" | "testing" => Some(1),
        number => number.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(headers: &str) -> Result<PairColumns, CsvProblem> {
        PairColumns::find(&headers.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn the_columns_of_mirrors_are_found() {
        let found = columns("pair_id,fold_id,fold_position,is_same,image_a,image_b,image_a_path,image_b_path").unwrap();
        assert_eq!(found, PairColumns { same: 3, fold: Some(1), faces: vec![[6, 7], [4, 5]] });
        for (headers, faces) in [
            ("face_a,face_b,same", [0, 1]),
            ("issame,img_0,img_1", [1, 2]),
            ("pair,img_1,img_2", [1, 2]),
            ("image1,image2,target", [0, 1]),
            ("path_b,path_a,label", [1, 0]),
            ("a,b,Same", [0, 1]),
            ("file_name_1,file_name_2,same", [0, 1]),
            ("left_image,right_image,same", [0, 1]),
        ] {
            assert_eq!(columns(headers).unwrap().faces, [faces], "{headers}");
        }
        assert_eq!(columns("id_a,id_b,same,split").unwrap().fold, Some(3));
    }

    #[test]
    fn other_columns_are_not_mistaken_for_faces() {
        insta::assert_snapshot!(columns("person_a,person_b,same").unwrap_err(), @"missing column `face_a` and `face_b` (or `image_a` and `image_b`, `img_0` and `img_1`, `path_1` and `path_2`, …); the columns are `person_a`, `person_b`, `same` (they give the two faces)");
        insta::assert_snapshot!(columns("image_a,image_c,same").unwrap_err(), @"missing column `face_a` and `face_b` (or `image_a` and `image_b`, `img_0` and `img_1`, `path_1` and `path_2`, …); the columns are `image_a`, `image_c`, `same` (they give the two faces)");
        insta::assert_snapshot!(columns("face_a,face_b,score").unwrap_err(), @"missing column `is_same`, `issame`, `same`, `target`, `label` or `pair`; the columns are `face_a`, `face_b`, `score` (it tells genuine from impostor pairs)");
        insta::assert_snapshot!(columns("face_a,face_b,same,SAME").unwrap_err(), @"duplicate column `same`; rename one of them");
    }
}

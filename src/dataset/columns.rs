//! The columns of a table of faces: Phase-1's in both dialects (`bbox_x1 … crop_path` as documented, `x, y, w, h,
//! face_path` as Phase-1's code writes it), and those of an image folder.

use std::collections::HashSet;

use super::CsvProblem;
use crate::dataset::Phase1Image;
#[cfg(doc)]
use crate::preprocess::Landmarks;
use crate::spelling;

/// Whose table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TableKind {
    /// Phase-1's `face_metadata.csv`.
    Phase1(Phase1Image),
    /// `metadata.csv` of an image folder.
    ImageFolder,
    /// `dataset.table` of pictures anywhere.
    Pictures,
}

/// Indices of the columns that are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FaceColumns {
    pub face_id: usize,
    pub identity: Option<usize>,
    pub image_id: usize,
    /// The picture that the face is read from.
    pub picture: usize,
    /// The photo's path, where the table has it in addition to the id.
    pub photo_path: Option<usize>,
    pub bbox: Option<BoxColumns>,
    pub landmarks: Option<[usize; 10]>,
    pub score: Option<usize>,
}

/// The four columns of a box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BoxColumns {
    /// Left, top, right, bottom.
    Corners([usize; 4]),
    /// Left, top, width, height.
    Size([usize; 4]),
}

/// Columns that hold the identity, in this order, in every kind of table: names before numbers, because an id should be
/// readable, but `label` before `name`, which may be that of the file.
pub(crate) const IDENTITIES: [&str; 9] =
    ["identity_id", "identity", "label_name", "person", "person_id", "subject", "label", "name", "class"];

const CORNERS: [&str; 4] = ["bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"];
const SIZE: [&str; 4] = ["x", "y", "w", "h"];

impl FaceColumns {
    /// Finds them by name, whatever their order and the white space around them. `named` are the columns of file and
    /// identity, where the config names them.
    pub fn find(headers: &[&str], kind: TableKind, named: [Option<&str>; 2]) -> Result<Self, CsvProblem> {
        let headers = Headers(headers.iter().map(|name| name.trim()).collect());
        headers.each_once()?;
        match kind {
            TableKind::Phase1(image) => Self::phase1(&headers, image),
            TableKind::ImageFolder => {
                let identity = "it gives the identity of a face; of another column, `source: files` reads it, with `table` and `identity`";
                Self::pictures(&headers, named, ["an image folder's metadata.csv gives the paths in it", identity])
            }
            TableKind::Pictures => {
                let file = "it gives the paths of the pictures; `dataset.file` names another column";
                let identity = "it gives the identity of a face; `dataset.identity` names another column";
                Self::pictures(&headers, named, [file, identity])
            }
        }
    }

    /// Each picture is one face and one photo.
    fn pictures(
        headers: &Headers<'_>,
        [file, identity]: [Option<&str>; 2],
        [paths, identities]: [&'static str; 2],
    ) -> Result<Self, CsvProblem> {
        // The names are too short for a meaningful suggestion: all columns are listed.
        let one_of = |names: &[&str], reason| {
            headers.one_of(names, Some(reason)).map_err(|problem| match problem {
                CsvProblem::MissingColumn { names, found, reason, .. } => {
                    CsvProblem::MissingColumn { names, near: None, found, reason }
                }
                other => other,
            })
        };
        let file = match file {
            Some(file) => one_of(&[file.trim()], "`dataset.file` names it")?,
            None => one_of(&["file_name"], paths)?,
        };
        let identity = match identity {
            Some(identity) => one_of(&[identity.trim()], "`dataset.identity` names it")?,
            None => one_of(&IDENTITIES, identities)?,
        };
        let (photo_path, bbox, landmarks, score) = (None, None, None, None);
        let identity = Some(identity);
        Ok(Self { face_id: file, identity, image_id: file, picture: file, photo_path, bbox, landmarks, score })
    }

    fn phase1(headers: &Headers<'_>, image: Phase1Image) -> Result<Self, CsvProblem> {
        let photo_path = headers.index("photo_path");
        let picture = match (image, photo_path) {
            (Phase1Image::Photo, Some(path)) => path,
            // The documented dialect has only an id, the older one only a file name: either is the path.
            (Phase1Image::Photo, None) => {
                headers.one_of(&["image_id", "photo_id"], Some("`image: photo` reads the picture from it"))?
            }
            (Phase1Image::Crop, _) => headers.one_of(
                &["crop_path", "face_path"],
                Some("`image: crop` reads the picture from it; `image: photo` does not need it"),
            )?,
        };
        Ok(Self {
            face_id: headers.one_of(&["face_id"], None)?,
            identity: headers.index("identity_id"),
            image_id: headers.one_of(&["image_id", "photo_id"], None)?,
            picture,
            photo_path,
            bbox: headers.bbox(image)?,
            landmarks: landmarks(&headers.0),
            score: headers.index("detector_score").or_else(|| headers.index("confidence")),
        })
    }
}

/// The ten columns of five landmarks, in the order of [`Landmarks::COLUMNS`]; `None` unless all are there. They are called
/// as there, as in `lx, ly, …, mrx, mry`, or numbered from 0 or 1 as in `landmark_0_x`, `lm0_x`, `kps_0_x` and `P1X`;
/// upper case and what stands between the words do not matter.
pub(crate) fn landmarks<T: AsRef<str>>(headers: &[T]) -> Option<[usize; 10]> {
    const WORDS: [[&str; 5]; 3] = [
        ["lefteye", "righteye", "nose", "mouthleft", "mouthright"],
        ["lefteye", "righteye", "nose", "leftmouth", "rightmouth"],
        ["l", "r", "n", "ml", "mr"],
    ];
    const NUMBERED: [&str; 7] = ["landmark", "landmarks", "lm", "kps", "kp", "point", "p"];
    let compact = |name: &T| -> String {
        name.as_ref().chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let headers: Vec<String> = headers.iter().map(compact).collect();
    let index = |point: &str, axis: &str| headers.iter().position(|name| name.strip_prefix(point) == Some(axis));
    let all = |points: [String; 5]| {
        let mut found = [0; 10];
        for (at, column) in found.iter_mut().enumerate() {
            *column = index(&points[at / 2], ["x", "y"][at % 2])?;
        }
        Some(found)
    };
    let numbered =
        NUMBERED.into_iter().flat_map(|prefix| [0, 1].map(|first| (prefix, first))).find_map(|(prefix, first)| {
            let name = |number: usize| format!("{prefix}{}", number + first);
            // With a sixth point it is another scheme, such as 68 points that begin with the jaw.
            index(&name(5), "x").is_none().then(|| all(std::array::from_fn(name)))?
        });
    WORDS.into_iter().find_map(|points| all(points.map(str::to_owned))).or(numbered)
}

/// The column names in lower case. Duplicates are an error.
pub(super) fn lower_case(headers: &[String]) -> Result<Vec<String>, CsvProblem> {
    let names: Vec<String> = headers.iter().map(|name| name.trim().to_lowercase()).collect();
    Headers(names.iter().map(String::as_str).collect()).each_once()?;
    Ok(names)
}

/// Refuses a table with two columns of one name.
pub(super) fn each_once(headers: &[&str]) -> Result<(), CsvProblem> {
    Headers(headers.to_vec()).each_once()
}

/// The error for a missing column; lists all columns of the table.
pub(super) fn missing(headers: &[String], names: &str, reason: &'static str) -> CsvProblem {
    CsvProblem::MissingColumn {
        names: names.to_owned(),
        near: None,
        found: headers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        reason: Some(reason),
    }
}

struct Headers<'a>(Vec<&'a str>);

impl Headers<'_> {
    fn index(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|header| *header == name)
    }

    fn each_once(&self) -> Result<(), CsvProblem> {
        let mut seen = HashSet::with_capacity(self.0.len());
        match self.0.iter().find(|name| !seen.insert(**name)) {
            Some(name) => Err(CsvProblem::DuplicateColumn { name: (*name).to_owned() }),
            None => Ok(()),
        }
    }

    fn one_of(&self, names: &[&str], reason: Option<&'static str>) -> Result<usize, CsvProblem> {
        names.iter().find_map(|name| self.index(name)).ok_or_else(|| self.missing(names, reason))
    }

    /// The columns of the box in either dialect. Half a box is an error where the box is needed, as is none.
    fn bbox(&self, image: Phase1Image) -> Result<Option<BoxColumns>, CsvProblem> {
        let all = |names: [&str; 4]| names.map(|name| self.index(name));
        let complete = |found: [Option<usize>; 4]| match found {
            [Some(a), Some(b), Some(c), Some(d)] => Some([a, b, c, d]),
            _ => None,
        };
        let (corners, size) = (all(CORNERS), all(SIZE));
        if let Some(found) = complete(corners) {
            return Ok(Some(BoxColumns::Corners(found)));
        }
        if let Some(found) = complete(size) {
            return Ok(Some(BoxColumns::Size(found)));
        }
        if image == Phase1Image::Crop {
            return Ok(None);
        }
        let dialect = |names: [&'static str; 4], found: [Option<usize>; 4]| {
            names.into_iter().zip(found).find_map(|(name, index)| index.is_none().then_some(name))
        };
        let count = |found: [Option<usize>; 4]| found.iter().flatten().count();
        let reason = Some("`image: photo` crops the box from the photo");
        Err(match (dialect(CORNERS, corners), dialect(SIZE, size)) {
            (Some(corner), _) if count(corners) > count(size) => self.missing(&[corner], reason),
            (_, Some(side)) if count(size) > count(corners) => self.missing(&[side], reason),
            _ => self.missing(&["bbox_x1", "x"], reason),
        })
    }

    fn missing(&self, names: &[&str], reason: Option<&'static str>) -> CsvProblem {
        let quoted = |names: &[&str], between: &str| {
            names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(between)
        };
        let near = names.iter().find_map(|name| spelling::nearest(name, self.0.iter().copied()));
        CsvProblem::MissingColumn {
            names: quoted(names, " or "),
            near: near.map(str::to_owned),
            found: quoted(&self.0, ", "),
            reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::preprocess::Landmarks;

    fn find(headers: &str, image: Phase1Image) -> Result<FaceColumns, CsvProblem> {
        FaceColumns::find(&headers.split(',').collect::<Vec<_>>(), TableKind::Phase1(image), [None; 2])
    }

    #[test]
    fn both_dialects_are_found_in_any_order() {
        let documented = "crop_path,face_id,extra,image_id,identity_id,bbox_x1,bbox_y1,bbox_x2,bbox_y2,detector_score";
        let found = find(documented, Phase1Image::Crop).unwrap();
        let expected = FaceColumns {
            face_id: 1,
            identity: Some(4),
            image_id: 3,
            picture: 0,
            photo_path: None,
            bbox: Some(BoxColumns::Corners([5, 6, 7, 8])),
            landmarks: None,
            score: Some(9),
        };
        assert_eq!(found, expected);
        assert_eq!(find(documented, Phase1Image::Photo).unwrap(), FaceColumns { picture: 3, ..expected });

        let written = "face_id,photo_id,identity_id,photo_path,face_path,x,y,w,h,confidence";
        let found = find(written, Phase1Image::Photo).unwrap();
        let expected = FaceColumns {
            face_id: 0,
            identity: Some(2),
            image_id: 1,
            picture: 3,
            photo_path: Some(3),
            bbox: Some(BoxColumns::Size([5, 6, 7, 8])),
            landmarks: None,
            score: Some(9),
        };
        assert_eq!(found, expected);
        let older = "face_id,photo_id,face_path";
        let found = find(older, Phase1Image::Crop).unwrap();
        assert_eq!((found.picture, found.identity, found.bbox, found.score), (2, None, None, None));
    }

    #[test]
    fn landmarks_come_under_many_names_and_all_ten_or_not_at_all() {
        let points = |name: fn(usize, char) -> String| -> Vec<String> {
            (0..5).flat_map(|point| ['x', 'y'].map(|axis| name(point, axis))).collect()
        };
        for headers in [
            Landmarks::COLUMNS.map(str::to_owned).into(),
            Landmarks::COLUMNS.map(str::to_uppercase).into(),
            points(|point, axis| {
                format!("{}_{axis}", ["lefteye", "righteye", "nose", "leftmouth", "rightmouth"][point])
            }),
            points(|point, axis| format!("{}{axis}", ["l", "r", "n", "ml", "mr"][point])),
            points(|point, axis| format!("landmark_{point}_{axis}")),
            points(|point, axis| format!("lm{point}_{axis}")),
            points(|point, axis| format!("kps_{}_{axis}", point + 1)),
            points(|point, axis| format!(" P{}{}", point + 1, axis.to_uppercase())),
        ] {
            assert_eq!(landmarks(&headers), Some([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), "{headers:?}");
            let behind: Vec<String> = ["face_id", "x", "y"].map(str::to_owned).into_iter().chain(headers).collect();
            assert_eq!(landmarks(&behind), Some([3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), "{behind:?}");
            assert_eq!(landmarks(&behind[..12]), None);
        }
        let jaw: Vec<String> = (0..68).flat_map(|point| ['x', 'y'].map(|axis| format!("lm{point}_{axis}"))).collect();
        assert_eq!(landmarks(&jaw), None);
    }

    #[test]
    fn a_missing_column_is_named_in_both_dialects_with_the_most_similar_one() {
        let message = |headers, image| find(headers, image).unwrap_err().to_string();
        insta::assert_snapshot!(message("id,photo_id,face_path", Phase1Image::Crop), @"missing column `face_id`; the columns are `id`, `photo_id`, `face_path`");
        insta::assert_snapshot!(message("face_id,photo_id,facepath", Phase1Image::Crop), @"missing column `crop_path` or `face_path`; the most similar one is `facepath` (`image: crop` reads the picture from it; `image: photo` does not need it)");
        insta::assert_snapshot!(message("face_id,face_path", Phase1Image::Crop), @"missing column `image_id` or `photo_id`; the columns are `face_id`, `face_path`");
        insta::assert_snapshot!(message("face_id,photo_id,face_path,x,y,w", Phase1Image::Photo), @"missing column `h`; the columns are `face_id`, `photo_id`, `face_path`, `x`, `y`, `w` (`image: photo` crops the box from the photo)");
        insta::assert_snapshot!(message("face_id,photo_id,face_path", Phase1Image::Photo), @"missing column `bbox_x1` or `x`; the columns are `face_id`, `photo_id`, `face_path` (`image: photo` crops the box from the photo)");
        insta::assert_snapshot!(message("face_id, face_id,photo_id,face_path", Phase1Image::Crop), @"duplicate column `face_id`; rename one of them");
    }
}

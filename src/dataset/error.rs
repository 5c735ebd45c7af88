//! Errors of opening a dataset and of reading its faces.

use std::path::{Path, PathBuf};

use super::csv_lines::MOST_COLUMNS;
use super::{ContainerProblem, LeftOut};
use crate::files::FileError;
use crate::hub::HubError;
use crate::npy::NpyError;
use crate::preprocess::BoundingBox;
use crate::text::counted;
use crate::text::quoted;
use crate::transient;

/// Why a dataset cannot be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages explain the fields")]
pub enum DatasetError {
    /// A file or folder that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// A picture that cannot be read, for a reason that says nothing about its content.
    #[error(
        "{0}; this may pass, so it is not taken for a failure of the picture: run the command again, or remove the \
         picture from the dataset"
    )]
    Unread(FileError),
    /// An error of the Hub.
    #[error(transparent)]
    Hub(HubError),
    /// Stopped on request; pictures that were read are remembered.
    #[error("interrupted while reading the dataset")]
    Interrupted,
    /// A matrix of given embeddings that cannot be read.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// A table that is not of the matrix.
    #[error(
        "{} has {} and {} has {}; each line is a row, in order, unless `dataset.row` names the column with the row of each \
         line", matrix.display(), counted(*rows, "row"), path.display(), counted(*lines, "line")
    )]
    OtherLength { matrix: PathBuf, rows: usize, path: PathBuf, lines: usize },
    /// A matrix whose rows are too long to be embeddings.
    #[error("a row of {} has {width} numbers, at most {most} are taken; is it a matrix of embeddings?", matrix.display())]
    Wide { matrix: PathBuf, width: usize, most: usize },
    /// A picture whose path is not as the pattern says.
    #[error(
        "{place} `{path}` does not fit `dataset.pattern` `{pattern}`: {words}{}; correct the pattern (`*` is any text of a \
         name, `**/` any folders), or name the pictures that fit in `dataset.list`",
        if *unfit == 1 { String::new() } else { format!("; {unfit} of {of} pictures do not fit") }
    )]
    NoMatch { place: String, path: String, pattern: String, words: String, unfit: usize, of: usize },
    /// An invalid table.
    #[error("{}, line {line}: {problem}", path.display())]
    Csv {
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        problem: Box<CsvProblem>,
    },
    /// A container file that cannot be used.
    #[error("{name}: {problem}")]
    Container { name: String, problem: Box<ContainerProblem> },
    /// The root does not exist or is not a folder.
    #[error("{} is not a folder; set `dataset.root` to the folder that {holds}", path.display())]
    NoRoot {
        path: PathBuf,
        /// What it should hold: "contains all pictures", "has one folder per identity".
        holds: &'static str,
    },
    /// Pictures without identity folders.
    #[error(
        "{} contains pictures directly (`{example}`); put each identity in its own folder: {}/<identity>/<image>",
        root.display(), root.display()
    )]
    PicturesInRoot { root: PathBuf, example: String },
    /// No pictures.
    #[error(
        "no faces in {place}{}; expected pictures at <identity>/<image>, or a `metadata.csv` that lists them",
        if left_out.is_empty() { String::new() } else { format!(", only {left_out}") }
    )]
    NoPictures {
        place: String,
        /// What it contains instead.
        left_out: LeftOut,
    },
    /// No pictures where they may be anywhere.
    #[error(
        "no pictures in {place}{}; correct the path", if left_out.is_empty() { String::new() } else { format!(", only {left_out}") }
    )]
    NoFiles {
        place: String,
        /// What it contains instead.
        left_out: LeftOut,
    },
    /// A part of a root that is not there.
    #[error("{} is not a folder, but `dataset.parts` names it; correct the name, or `dataset.root`", path.display())]
    NoPart { path: PathBuf },
    /// A folder that was taken for a person, with a table of its own.
    #[error(
        "`{folder}` holds a metadata.csv that names pictures: it is an image folder of its own, and not a person, so \
         `dataset.{key}` is one level too high; set it to `{folder}`, or, if its folders are people, rename the table"
    )]
    ImageFolderBelow {
        folder: String,
        /// `root` or `folder`.
        key: &'static str,
    },
    /// The pictures of identities are one folder deeper.
    #[error(
        "no faces in {}: its pictures are deeper than <identity>/<image>; is it one level too high? Then set the root to {}, or \
         `dataset.parts` to [{}]",
        root.display(),
        inside.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" or "),
        inside.iter().filter_map(|path| path.file_name()?.to_str()).collect::<Vec<_>>().join(", ")
    )]
    OneLevelTooHigh {
        root: PathBuf,
        /// Its folders that have the layout of identity folders.
        inside: Vec<PathBuf>,
    },
    /// A file name that cannot become an id.
    #[error("the name of {} {rule}; rename it, because ids are made from names", quoted(path))]
    Name { path: String, rule: &'static str },
    /// A picture of a repository that is not downloaded.
    #[error("{name} has {bytes} bytes, and a picture at most 512 MiB; pin a revision or choose a folder without it")]
    LargePicture { name: String, bytes: u64 },
    /// Boxes relative to the picture.
    #[error(
        "{} within 0..1, as if relative to the picture, such as that of `{}` from ({}, {}) to ({}, {}); boxes are in pixels: \
         multiply x by the picture's width and y by its height",
        if *number == 1 { "the only box lies".to_owned() } else { format!("all {number} boxes lie") },
        quoted(face_id), bbox.x1, bbox.y1, bbox.x2, bbox.y2
    )]
    RelativeBoxes {
        number: usize,
        /// The first face with one.
        face_id: String,
        /// Its box.
        bbox: BoundingBox,
    },
    /// More faces than a manifest can hold.
    #[error("the dataset has {0} faces, at most {max} are supported", max = u32::MAX)]
    TooMany(u64),
    /// A table that the config names does not exist.
    #[error(
        "`{name}` (`dataset.{key}`) is neither in {folder} nor in the folder above; correct the name, or write `./{name}` \
         for a file next to the config"
    )]
    NoTable { key: &'static str, name: String, folder: String },
    /// The Hub cache does not have the layout of the repository.
    #[error("{} does not end in `{file}`; remove the repository from the Hub cache and run `facevault fetch` again", path.display())]
    HubLayout { path: PathBuf, file: String },
    /// The manifest cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Parquet {
        /// "read" or "write".
        action: &'static str,
        path: PathBuf,
        source: polars::error::PolarsError,
    },
    /// A damaged manifest file, or one of another version.
    #[error("{} is not a manifest of this version: {rule}; run `facevault embed` again", path.display())]
    Manifest { path: PathBuf, rule: String },
}

impl From<HubError> for DatasetError {
    fn from(error: HubError) -> Self {
        if matches!(error, HubError::Interrupted) { Self::Interrupted } else { Self::Hub(error) }
    }
}

/// What is wrong with a table of faces, pairs or boxes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages explain the fields")]
pub enum CsvProblem {
    /// Nothing but white space.
    #[error("the file is empty; expected a header and one line per face")]
    EmptyFile,
    /// More columns than any table has.
    #[error("the header has {found} columns, at most {most} are read; leave out the columns that are not needed", most = MOST_COLUMNS)]
    TooManyColumns { found: usize },
    /// No line below the header.
    #[error("the table has a header but no rows")]
    NoRows,
    /// Not UTF-8.
    #[error("invalid UTF-8 at byte {column} of the line; save the table as UTF-8")]
    NotUtf8 {
        /// Byte in the line, from 1.
        column: usize,
    },
    /// A file that is no text, or text in another encoding.
    #[error("this is {found}, and text in UTF-8 is expected, such as CSV; {remedy}")]
    OtherKind {
        /// What it looks like: "a gzip file".
        found: String,
        remedy: &'static str,
    },
    /// Pictures that are not on this machine.
    #[error(
        "`{column}` is `{value}`, as in every line, and pictures at URLs are not fetched; download them, and give their paths",
        column = quoted(column), value = quoted(value)
    )]
    Url { column: String, value: String },
    /// Two columns of one name.
    #[error("duplicate column `{name}`; rename one of them", name = quoted(name))]
    DuplicateColumn { name: String },
    /// A column is missing under all of its names.
    #[error("missing column {names}{}{}", match near {
        Some(near) => format!("; the most similar one is `{near}`"),
        None => format!("; the columns are {found}"),
    }, match reason {
        Some(reason) => format!(" ({reason})"),
        None => String::new(),
    })]
    MissingColumn {
        /// Its names: "`crop_path` or `face_path`".
        names: String,
        near: Option<String>,
        found: String,
        /// Why it is needed, unless it always is.
        reason: Option<&'static str>,
    },
    /// More or fewer values than columns.
    #[error(
        "the line has {}, the header has {}; look for a separator or quote too many or too few",
        counted(*found, "value"), counted(*expected, "column")
    )]
    Ragged { found: usize, expected: usize },
    /// A required value is empty.
    #[error("`{column}` is empty", column = quoted(column))]
    Empty { column: String },
    /// An id, a path or a name that is too long.
    #[error(
        "`{column}` is `{value}`, and at most {most} bytes are accepted; look for a missing separator or quote",
        column = quoted(column)
    )]
    TooLong {
        column: String,
        /// Cut.
        value: String,
        most: usize,
    },
    /// A value with a line break or another control character.
    #[error("`{column}` contains a line break or another control character", column = quoted(column))]
    Control { column: String },
    /// A value of another form.
    #[error("`{column}` is `{value}`, expected {expected}", column = quoted(column), value = quoted(value))]
    Value { column: String, value: String, expected: &'static str },
    /// A box without area.
    #[error(
        "the box from ({x1}, {y1}) to ({x2}, {y2}) has no area; expected {} > {} and {} > {}",
        names[2], names[0], names[3], names[1]
    )]
    NoArea {
        x1: f32,
        y1: f32,
        x2: f32,
        y2: f32,
        /// How the table calls these four.
        names: &'static [&'static str; 4],
    },
    /// A duplicate id.
    #[error("duplicate {column} `{face_id}`, first used on line {first}; ids must be unique", column = quoted(column), face_id = quoted(face_id))]
    Duplicate {
        column: String,
        face_id: String,
        /// Its first line.
        first: u64,
    },
    /// A path that leaves the root.
    #[error(
        "`{column}` is `{value}`, which is outside of `dataset.root` (the table's folder unless set); \
         let it name the pictures' folder, or add a `dataset.rewrite` for the prefix",
        column = quoted(column), value = quoted(value)
    )]
    Outside { column: String, value: String },
    /// A path that leaves the root only after a prefix was replaced.
    #[error(
        "`{column}` is `{value}`, which `dataset.rewrite` turns into `{rewritten}`, outside of `dataset.root` (the table's folder \
         unless set); let `dataset.root` name the pictures' folder, and `to` a path in it",
        column = quoted(column), value = quoted(value), rewritten = quoted(rewritten)
    )]
    RewrittenOutside { column: String, value: String, rewritten: String },
    /// A path that is not in the repository.
    #[error(
        "file_name `{value}` is not in the repository at this revision; correct the table, or pin another revision",
        value = quoted(value)
    )]
    NotListed { value: String },
    /// A list of pictures without one.
    #[error("the list is empty; it needs the path of a picture in each line, or leave `dataset.list` out")]
    EmptyList,
    /// A pair list without pairs.
    #[error("the list has no pairs; expected one line per pair, with or without a header, or one of LFW's lists")]
    NoPairs,
    /// A list that is truncated or has extra lines.
    #[error(
        "the first line announces {}, but {found} follow; the list is incomplete, download it again", counted(*expected, "pair")
    )]
    PairCount { expected: u64, found: u64 },
    /// An invalid line of a list without a header.
    #[error("the line has {}, expected {expected}, separated by tabs, commas or spaces", counted(*found, "value"))]
    PairLine { found: usize, expected: &'static str },
    /// An invalid number of a person's picture.
    #[error("the picture number of `{name}` is `{value}`, expected an integer such as 1", value = quoted(value), name = quoted(name))]
    PictureNumber { name: String, value: String },
    /// A pair of a face with itself.
    #[error("the pair compares `{value}` with itself; remove it from the list", value = quoted(value))]
    FaceWithItself { value: String },
    /// A name that matches no face.
    #[error(
        "`{column}` is `{value}`, but no face of the dataset has this face_id, path or file name (with or without \
         extension); correct the table, or set `dataset` to the folder that contains it",
        column = quoted(column), value = quoted(value)
    )]
    UnknownFace { column: String, value: String },
    /// A name that matches several faces.
    #[error("`{column}` is `{value}`, which matches `{first}` and `{second}`; use the path or the face_id", column = quoted(column), value = quoted(value), first = quoted(first), second = quoted(second))]
    AmbiguousFace { column: String, value: String, first: String, second: String },
    /// Two boxes of one face.
    #[error(
        "`{value}` already has a box on line {first}; a picture has one face here: keep the box of the person it is \
         filed under",
        value = quoted(value)
    )]
    SecondBox { value: String, first: u64 },
    /// Two lines of one picture.
    #[error("`{value}` has landmarks on an earlier line; remove one of the two", value = quoted(value))]
    Repeated { value: String },
    /// A pair of templates of which one has no face.
    #[error(
        "template {template} has no face: no line of `*_face_tid_mid.txt` names it; are both files of the same set and whole?"
    )]
    UnknownTemplate { template: u32 },
    /// A template in two tables of 1:N, or twice in one.
    #[error("template {template} is of subject {} and of subject {}; correct the 1:N tables", subjects[0], subjects[1])]
    TwoSubjects { template: u32, subjects: [u32; 2] },
    /// A list of pairs that cannot give error rates.
    #[error(
        "{}; error rates need pairs of one person and of two: is the file whole?",
        if *genuine { "all pairs are of one person" } else { "no pair is of one person" }
    )]
    OneKindOfPairs { genuine: bool },
    /// A link that leaves the root.
    #[error(
        "`{path}` is a link to {}, outside {}; copy the files there, or set `dataset.root` to a folder that contains both", target.display(), root.display(),
        path = quoted(path)
    )]
    Escape { path: String, target: PathBuf, root: PathBuf },
}

/// Why a face cannot be read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages explain the fields")]
pub enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A dangling link.
    #[error(
        "{} is a link to {}, which does not exist; {}",
        path.display(), target.display(), if *annex { "fetch it with `git annex get`" } else { "restore it, or remove the link" }
    )]
    Dangling {
        path: PathBuf,
        target: PathBuf,
        /// Whether git-annex made it.
        annex: bool,
    },
    /// A folder, pipe or device where a picture is expected.
    #[error("{} is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    /// A file too large to be a picture.
    #[error("{} has {size} bytes, more than the maximum of 512 MiB", path.display())]
    TooLarge { path: PathBuf, size: u64 },
    /// The file differs from the manifest.
    #[error("{} has changed since the dataset was read; start again to use the current pictures", path.display())]
    Changed { path: PathBuf },
    /// A procedural face has no file.
    #[error("row {row} is a synthetic face, which has no file to read")]
    Drawn { row: usize },
}

impl ReadError {
    /// Whether the picture may be readable later, unchanged.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::File(error) if transient::may_pass(&error.source))
    }

    pub(super) fn dangling(path: &Path, target: PathBuf) -> Self {
        let annex = target.to_string_lossy().contains(".git/annex/objects");
        Self::Dangling { path: path.into(), target, annex }
    }
}

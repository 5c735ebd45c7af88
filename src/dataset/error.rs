//! Why a dataset cannot be used, or a face of it cannot be read.

use std::path::{Path, PathBuf};

use super::{ContainerProblem, LeftOut};
use crate::files::FileError;
use crate::hub::HubError;

/// Why a dataset cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// A file or folder that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The Hub.
    #[error(transparent)]
    Hub(HubError),
    /// Stopped on request; pictures that were read are remembered.
    #[error("interrupted while reading the dataset")]
    Interrupted,
    /// A table of faces that breaks a rule.
    #[error("{}, line {line}: {problem}", path.display())]
    Csv {
        /// The table.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The rule.
        problem: Box<CsvProblem>,
    },
    /// A container file that cannot be used.
    #[error("{name}: {problem}")]
    Container {
        /// The file.
        name: String,
        /// The rule.
        problem: Box<ContainerProblem>,
    },
    /// A root that is not there, or no folder.
    #[error("{} is not a folder; `dataset.root` names the folder that {holds}", path.display())]
    NoRoot {
        /// The path.
        path: PathBuf,
        /// What should be in it: "all pictures are in", "holds one folder for each identity".
        holds: &'static str,
    },
    /// Pictures and no identity folders.
    #[error(
        "{} holds pictures itself (`{example}`); each identity needs its own folder: {}/<identity>/<image>",
        root.display(), root.display()
    )]
    PicturesInRoot {
        /// The folder.
        root: PathBuf,
        /// One of the pictures.
        example: String,
    },
    /// No picture at all.
    #[error(
        "{place} holds no faces{}; expected pictures as <identity>/<image> (or as `metadata.csv` names them)",
        if left_out.is_empty() { String::new() } else { format!(", but {left_out}") }
    )]
    NoPictures {
        /// The folder, or the repository's.
        place: String,
        /// What it holds instead.
        left_out: LeftOut,
    },
    /// A file name that cannot become an id.
    #[error("the name of {path} {rule}; ids are made of names, so rename it")]
    Name {
        /// The file or folder, with replacement characters where needed.
        path: String,
        /// What is wrong: "is not UTF-8".
        rule: &'static str,
    },
    /// More faces than rows can be counted.
    #[error("the dataset has {0} faces; a manifest holds at most {max}", max = u32::MAX)]
    TooMany(u64),
    /// A table that the config names and that is not there.
    #[error(
        "there is no `{name}` for `dataset.{key}` in {folder}, nor in the folder above; correct the name, or write \
         `./{name}` for a file beside the config"
    )]
    NoTable {
        /// The key.
        key: &'static str,
        /// The name.
        name: String,
        /// The dataset's folder.
        folder: String,
    },
    /// The Hub's cache does not mirror the repository.
    #[error("{} was expected to end in `{file}`; remove the repository from the Hub cache and fetch again", path.display())]
    HubLayout {
        /// Where the file is.
        path: PathBuf,
        /// Its path in the repository.
        file: String,
    },
    /// polars cannot read or write the manifest.
    #[error("cannot {action} {}: {source}", path.display())]
    Parquet {
        /// "read" or "write".
        action: &'static str,
        /// The manifest file.
        path: PathBuf,
        /// What polars said.
        source: polars::error::PolarsError,
    },
    /// A manifest file that this version did not write.
    #[error("{} is not a manifest of this version: {rule}; run `facevault embed` again", path.display())]
    Manifest {
        /// The manifest file.
        path: PathBuf,
        /// What is wrong with it.
        rule: String,
    },
}

impl From<HubError> for DatasetError {
    fn from(error: HubError) -> Self {
        if matches!(error, HubError::Interrupted) { Self::Interrupted } else { Self::Hub(error) }
    }
}

/// The rule that a table of faces, pairs or boxes breaks.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CsvProblem {
    /// No bytes, or only white space.
    #[error("the file is empty; expected a header line and one line for each face")]
    EmptyFile,
    /// No face.
    #[error("there is a header but no face below it")]
    NoRows,
    /// Not UTF-8.
    #[error("byte {column} of the line is not UTF-8; save the table as UTF-8")]
    NotUtf8 {
        /// Byte in the line, from 1.
        column: usize,
    },
    /// A header is there twice.
    #[error("column `{name}` is there twice; rename one of them")]
    DuplicateColumn {
        /// Its name.
        name: String,
    },
    /// A column is not there under any of its names.
    #[error("there is no column {names}{}{}", match near {
        Some(near) => format!("; the nearest is `{near}`"),
        None => format!("; the columns are {found}"),
    }, match reason {
        Some(reason) => format!(" ({reason})"),
        None => String::new(),
    })]
    MissingColumn {
        /// Its names: "`crop_path` or `face_path`".
        names: String,
        /// The header most like one of them.
        near: Option<String>,
        /// All headers.
        found: String,
        /// Why it is needed, where not always.
        reason: Option<&'static str>,
    },
    /// More or fewer values than columns.
    #[error(
        "the line has {found} values, the header has {expected} columns; look for a separator or quote too many or too few"
    )]
    Ragged {
        /// Values.
        found: usize,
        /// Columns.
        expected: usize,
    },
    /// A needed value is empty.
    #[error("`{column}` is empty")]
    Empty {
        /// The column.
        column: String,
    },
    /// A value with a line break or another control character.
    #[error("`{column}` contains a line break or another control character")]
    Control {
        /// The column.
        column: String,
    },
    /// No finite number.
    #[error("`{column}` is `{value}`, expected a finite number such as 12 or 12.5")]
    Number {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A box without area.
    #[error(
        "the box from ({x1}, {y1}) to ({x2}, {y2}) has no area; expected {} > {} and {} > {}",
        names[2], names[0], names[3], names[1]
    )]
    NoArea {
        /// Left edge.
        x1: f32,
        /// Top edge.
        y1: f32,
        /// Right edge.
        x2: f32,
        /// Bottom edge.
        y2: f32,
        /// How the table calls these four.
        names: &'static [&'static str; 4],
    },
    /// The id was used before.
    #[error("{column} `{face_id}` is already on line {first}; ids must be unique")]
    Duplicate {
        /// The column of the id.
        column: String,
        /// The id.
        face_id: String,
        /// Its first line.
        first: u64,
    },
    /// A path that leaves the root.
    #[error(
        "`{column}` is `{value}`, which is outside of `dataset.root` (the table's folder unless set); \
         let it name the pictures' folder, or add a `dataset.rewrite` for the prefix"
    )]
    Outside {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A path that leaves an image folder.
    #[error("`{column}` is `{value}`, expected a path relative to the table and inside of its folder")]
    OutsideFolder {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A path that the repository does not have.
    #[error(
        "file_name `{value}` is not in the repository at this revision; correct the table, or pin another revision"
    )]
    NotListed {
        /// The path.
        value: String,
    },
    /// A list of pairs without any.
    #[error(
        "there is no pair in this list; expected a line for each pair, with or without a header above them, or one of \
         LFW's lists"
    )]
    NoPairs,
    /// A list that is cut short or has lines too many.
    #[error("the first line announces {expected} pairs, but {found} follow; get the list again: it is not whole")]
    PairCount {
        /// Pairs by the first line.
        expected: u64,
        /// Lines below it.
        found: u64,
    },
    /// A line of an LFW list.
    #[error(
        "the line has {found} values; a pair is `name n1 n2` (one person) or `name1 n1 name2 n2` (two), tabs, commas or \
         spaces between"
    )]
    PairLine {
        /// Values.
        found: usize,
    },
    /// A line of a list without a header.
    #[error("the line has {found} values; a pair is two faces and 1 or 0, tabs, commas or spaces between")]
    PlainPair {
        /// Values.
        found: usize,
    },
    /// A picture of a person has no number.
    #[error("the picture of `{name}` has the number `{value}`, expected a whole number such as 1")]
    PictureNumber {
        /// The person.
        name: String,
        /// The number.
        value: String,
    },
    /// Neither same nor different.
    #[error("`{column}` is `{value}`, expected 1 or 0, true or false, or yes or no: whether the pair is one person")]
    NoAnswer {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A fold that has no number.
    #[error("`{column}` is `{value}`, expected the number of a fold, or `train` or `test`")]
    NoFold {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A pair of one face.
    #[error("the pair `{value}` is a face with itself, which says nothing; take it out of the list")]
    FaceWithItself {
        /// The face, or the line.
        value: String,
    },
    /// A name that no face has.
    #[error(
        "`{column}` is `{value}`, which no face of the dataset is called, by face_id, path, file name or file name \
         without ending; correct the table, or let `dataset` name the folder that has it"
    )]
    UnknownFace {
        /// The column.
        column: String,
        /// The value.
        value: String,
    },
    /// A name that several faces have.
    #[error("`{column}` is `{value}`, which may be `{first}` or `{second}`; write the path or the face_id")]
    AmbiguousFace {
        /// The column.
        column: String,
        /// The value.
        value: String,
        /// Id of a face that has the name.
        first: String,
        /// Id of another.
        second: String,
    },
    /// Two boxes of one face.
    #[error(
        "`{value}` has a box already, on line {first}; a picture shows one face here: keep the box of the person that \
         the picture is filed under"
    )]
    SecondBox {
        /// The face as the table calls it.
        value: String,
        /// Line of its first box.
        first: u64,
    },
    /// A link that leaves the root.
    #[error(
        "`{path}` is a link that leads to {}, outside of {}; \
         copy the files there, or let `dataset.root` name a folder that holds both", target.display(), root.display()
    )]
    Escape {
        /// Path relative to the root.
        path: String,
        /// Where it leads.
        target: PathBuf,
        /// The root.
        root: PathBuf,
    },
}

/// Why the bytes of a face cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// A link to nothing.
    #[error(
        "{} is a link to {}, which is not there; {}",
        path.display(), target.display(), if *annex { "fetch it with `git annex get`" } else { "restore it, or remove the link" }
    )]
    Dangling {
        /// The link.
        path: PathBuf,
        /// Where it leads.
        target: PathBuf,
        /// Whether git-annex made it.
        annex: bool,
    },
    /// A folder, pipe or device where a picture is expected.
    #[error("{} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// A file that no picture is as large as.
    #[error("{} has {size} bytes; a picture may have 512 MiB", path.display())]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// Its size.
        size: u64,
    },
    /// The bytes are not those of the manifest.
    #[error("{} has changed since the dataset was read; start again, so that the run is about what is there now", path.display())]
    Changed {
        /// The picture.
        path: PathBuf,
    },
    /// A procedural face has no bytes.
    #[error("row {row} is a synthetic face: it is drawn, not read")]
    Drawn {
        /// The row.
        row: usize,
    },
}

impl ReadError {
    pub(super) fn dangling(path: &Path, target: PathBuf) -> Self {
        let annex = target.to_string_lossy().contains(".git/annex/objects");
        Self::Dangling { path: path.into(), target, annex }
    }
}

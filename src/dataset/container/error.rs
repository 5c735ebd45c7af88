//! Why a container file cannot be used.

use crate::digest::Digest;
use crate::pickle::PickleError;

/// The rule that a container file breaks. The message begins after the file's name.
#[derive(Debug, thiserror::Error)]
pub enum ContainerProblem {
    /// Another kind of file.
    #[error("it is {found}, expected {expected}")]
    OtherFormat {
        /// What it looks like: "a web page".
        found: String,
        /// What it should be.
        expected: &'static str,
    },
    /// It ends too early.
    #[error("it ends after {length} bytes, in the middle of {what}; fetch or copy it again")]
    Truncated {
        /// Its length.
        length: u64,
        /// What is not whole: "its pickle".
        what: &'static str,
    },
    /// A digest that the config does not pin.
    #[error(
        "it has sha256 {found}, but {expected} is pinned: it is another file than the one meant, or damaged; correct `sha256` or the file"
    )]
    OtherContent {
        /// Digest of the file.
        found: Digest,
        /// Digest that is pinned.
        expected: Digest,
    },
    /// A pickle of other things than byte strings and bools, or a damaged one.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// A pickle of something else.
    #[error(
        "it is a pickle of {found}; an insightface .bin holds (list of encoded pictures, list of bools), two pictures a bool"
    )]
    NoPairs {
        /// What it holds.
        found: String,
    },
    /// Columns that are none of the layouts.
    #[error(
        "it has the columns {found}; looked for pairs (pictures `img_0`, `img_1` and `pair`, or pictures `image1`, `image2` \
         and `target`) and for faces (one picture column and one of {identities}); a picture is a binary column or a \
         struct with a binary `bytes`"
    )]
    Columns {
        /// Names and types.
        found: String,
        /// Columns that say who a face is.
        identities: String,
    },
    /// A shard that differs from the first.
    #[error("it has the columns {found}, the first file {first}; choose files of one split with `files` or `folder`")]
    OtherColumns {
        /// Its columns.
        found: String,
        /// Those of the first.
        first: String,
    },
    /// A column that is needed and has a type that is not read.
    #[error(
        "its column `{column}` is of the type {dtype}, which is not read; write names as text, numbers as 32- or 64-bit \
         integers and pictures as binary"
    )]
    Type {
        /// The column.
        column: String,
        /// Its type.
        dtype: String,
    },
    /// A value of a table that breaks a rule.
    #[error("row {row}: `{column}` {rule}")]
    Value {
        /// The row, from 0.
        row: u64,
        /// The column.
        column: String,
        /// What is wrong.
        rule: String,
    },
    /// More rows than bytes: a damaged table would ask for any amount of memory.
    #[error("it claims {rows} rows in {bytes} bytes: damaged; fetch or copy it again")]
    Rows {
        /// Rows.
        rows: u64,
        /// Bytes.
        bytes: u64,
    },
    /// polars cannot read it.
    #[error("polars cannot read it: {0}")]
    Polars(String),
    /// No row.
    #[error("it holds no faces")]
    Empty,
    /// Rows, and none that can be used.
    #[error("no row of it can be used; {0}")]
    NoRow(String),
    /// An entry of an archive that would be written elsewhere or over another.
    #[error("its entry `{name}` {rule}: refused")]
    Entry {
        /// The entry, escaped.
        name: String,
        /// What is wrong: "leads out of the archive".
        rule: &'static str,
    },
    /// An archive that cannot be read.
    #[error("it cannot be read as a .tar.gz: {0}")]
    Archive(String),
    /// An archive or folder without faces.
    #[error("it holds no pictures named `n000001/0001_01.jpg` (identity, photo, face){}", match example {
        Some(example) => format!("; other files: {count}, the first is `{example}`"),
        None => String::new(),
    })]
    NoPictures {
        /// A file that is no such picture.
        example: Option<String>,
        /// Such files.
        count: u64,
    },
    /// A table of boxes that breaks a rule.
    #[error("line {line}: {rule}")]
    Boxes {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        rule: String,
    },
    /// Boxes of other pictures.
    #[error(
        "none of its {boxes} boxes belongs to a picture of the archive: it names `{named}`, the archive has `{there}`"
    )]
    OtherBoxes {
        /// Number of boxes.
        boxes: usize,
        /// The first name.
        named: String,
        /// The first picture.
        there: String,
    },
    /// Pictures that are not what was unpacked, twice.
    #[error("its pictures change after they are unpacked to {0}; check the disk")]
    Unstable(String),
    /// No folder to unpack to.
    #[error("there is no cache folder to unpack it to")]
    NoCache,
    /// A full disk.
    #[error("the disk of {0} is full; free some space and start again: nothing half is kept")]
    DiskFull(String),
    /// A folder without shards.
    #[error("there is no `.parquet` file in it")]
    NoShards,
}

//! Errors of container files.

use crate::dataset::{CsvProblem, LeftOut};
use crate::digest::Digest;
use crate::parquet::ParquetProblem;
use crate::pickle::PickleError;

/// Why a container file cannot be used. The message follows the file's name.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages explain the fields")]
pub enum ContainerProblem {
    /// Another kind of file.
    #[error("it is {found}, expected {expected}")]
    OtherFormat {
        /// What it looks like: "a web page".
        found: String,
        expected: &'static str,
    },
    /// It ends too early.
    #[error("it ends after {length} bytes, in the middle of {what}; download or copy it again")]
    Truncated {
        length: u64,
        /// What is incomplete: "an entry".
        what: &'static str,
    },
    /// An archive of nothing.
    #[error("it is an archive without a file in it; pack the pictures again, or name the archive that holds them")]
    NoMembers,
    /// An archive whose members have no names of samples.
    #[error(
        "no member of it is part of a sample ({left_out}); the members of a sample have one name and different endings, such as \
         `000.jpg` and `000.cls`"
    )]
    OnlyOthers {
        /// What its members are.
        left_out: LeftOut,
    },
    /// An archive whose pictures cannot be read where they lie.
    #[error(
        "it is compressed, and faces are read at their place in the archive; decompress it with `gunzip`, which makes it \
         hardly larger: pictures are compressed already"
    )]
    Compressed,
    /// A sample that breaks a rule.
    #[error("sample `{sample}` {rule}")]
    Sample { sample: String, rule: String },
    /// An archive without samples.
    #[error(
        "{} has a picture ({expected}); the members of `{first}` are {members}; name the picture's ending in \
         `dataset.picture`", if *samples == 1 { "not even its only sample".to_owned() } else { format!("none of its {samples} samples") }
    )]
    NoSamples { samples: usize, expected: String, first: String, members: String },
    /// An archive and more behind it.
    #[error(
        "it goes on behind the mark of its end, as archives do that were put together, and only the first would be read; unpack \
         it with `tar --ignore-zeros`, and pack it again"
    )]
    Continues,
    /// An archive of something else.
    #[error("it has no pictures in folders of people, only {}; expected <identity>/<picture>", match count {
        1 => format!("`{example}`"),
        count => format!("{count} other files such as `{example}`"),
    })]
    NoIdentities { example: String, count: u64 },
    /// An archive whose pictures a table names.
    #[error(
        "`{name}` names pictures and people, and archives are read by their folders only; unpack it and use `source: folders`"
    )]
    ImageFolder { name: String },
    /// Two pictures with one id.
    #[error("`{first}` and `{second}` would both have the id `{id}`; rename one of them")]
    TwoPictures { id: String, first: String, second: String },
    /// A different digest than pinned in the config.
    #[error(
        "its sha256 is {found}, but {expected} is pinned: it is a different file, or damaged; correct `sha256` or replace the file"
    )]
    OtherContent { found: Digest, expected: Digest },
    /// A pickle of other things than byte strings and bools, or a damaged one.
    #[error(transparent)]
    Pickle(#[from] PickleError),
    /// A pickle of something else.
    #[error(
        "it is a pickle of {found}; an insightface .bin is a pickle of (list of encoded pictures, list of bools), with two pictures per bool"
    )]
    NoPairs { found: String },
    /// Columns of an unknown layout.
    #[error(
        "its columns are {found}; expected pairs (pictures `img_0`, `img_1` and `pair`, or pictures `image1`, `image2` and \
         `target`) or faces (one picture column and one of {identities}); a picture is a binary column or a struct \
         with a binary `bytes`"
    )]
    Columns {
        /// Names and types.
        found: String,
        identities: String,
    },
    /// A column of the right name and another type.
    #[error("its column `{column}` has the type {dtype}, expected {expected}; convert it, and write the file again")]
    OtherType { column: String, dtype: String, expected: &'static str },
    /// A shard that differs from the first.
    #[error(
        "its columns are {found}, but those of the first file are {first}; choose files of one split with `files` or `folder`"
    )]
    OtherColumns { found: String, first: String },
    /// A required column of an unsupported type.
    #[error(
        "its column `{column}` has the unsupported type {dtype}; store names as text, numbers as 32- or 64-bit integers and \
         pictures as binary"
    )]
    Type { column: String, dtype: String },
    /// An invalid value.
    #[error("row {row}: `{column}` {rule}")]
    Value {
        /// The row, from 0.
        row: u64,
        column: String,
        rule: String,
    },
    /// More rows than its bytes could hold: a damaged table could request any amount of memory.
    #[error("{0}")]
    Rows(String),
    /// It unpacks to more than containers of pictures do.
    #[error(
        "it has {packed} bytes and unpacks to more than {most}, the limit for its size, which pictures do not reach: it is \
         damaged, or made to fill a disk; if you know better, unpack it yourself and use `source: folders`"
    )]
    Grows { packed: u64, most: u64 },
    /// The texts of its tables fill memory.
    #[error("the names and other texts of its tables have more than {most} bytes; leave out columns with long texts")]
    Texts { most: u64 },
    /// A page or footer would fill memory.
    #[error(transparent)]
    Parquet(ParquetProblem),
    /// More columns than any table has.
    #[error("it has {found} columns, at most {most} are read; leave out the columns that are not needed")]
    TooManyColumns { found: usize, most: usize },
    /// A table that would fill memory.
    #[error("the table of boxes has more than {most} bytes")]
    LargeTable { most: u64 },
    /// polars cannot read it.
    #[error("polars cannot read it: {0}")]
    Polars(String),
    /// No rows.
    #[error("it has no rows")]
    Empty,
    /// No usable row.
    #[error("none of its rows is usable; {0}")]
    NoRow(String),
    /// An entry of an archive that would be written elsewhere or over another one.
    #[error("invalid entry `{name}`: it {rule}")]
    Entry {
        name: String,
        /// What is wrong: "leads out of the archive".
        rule: &'static str,
    },
    /// An archive that cannot be read.
    #[error("it is not a valid .tar.gz: {0}")]
    Archive(String),
    /// An archive or folder without faces.
    #[error("it has no pictures named like `n000001/0001_01.jpg` (identity, photo, face){}", match example {
        Some(example) => format!("; it has {count} other files, the first is `{example}`"),
        None => String::new(),
    })]
    NoPictures { example: Option<String>, count: u64 },
    /// An invalid table of boxes.
    #[error("line {line}: {problem}")]
    Boxes {
        /// The line, from 1.
        line: u64,
        problem: Box<CsvProblem>,
    },
    /// Boxes of other pictures.
    #[error(
        "none of its boxes ({boxes}) is for a picture of the archive: the first box is for `{named}`, the first picture is `{there}`"
    )]
    OtherBoxes { boxes: usize, named: String, there: String },
    /// Pictures that differ from what was unpacked, twice.
    #[error("its pictures changed twice after they were unpacked to {0}; check the disk")]
    Unstable(String),
    /// No folder to unpack to.
    #[error("unpacking it requires a cache folder")]
    NoCache,
    /// A full disk.
    #[error("the disk of {0} is full; free some space and start again; nothing was kept")]
    DiskFull(String),
    /// A folder without shards.
    #[error("it contains no `{ending}` files; those in folders inside it are not read")]
    NoShards { ending: &'static str },
    /// A pattern of shards that stands for nothing.
    #[error("no such file or folder, and as a pattern it cannot be used: {rule}")]
    Pattern { rule: String },
}

//! Why no config can be written.

use std::path::PathBuf;

use crate::config::ConfigError;
use crate::dataset::DatasetError;
use crate::files::FileError;
use crate::text::counted;

/// Why no config can be written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// A file is in the way.
    #[error("{} exists; `--force` replaces it, `--out FILE` writes another one", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Nothing is there.
    #[error("{}: no such file or folder; name the folder, table, archive or array that your faces are in", path.display())]
    NotThere {
        /// What was named.
        path: PathBuf,
    },
    /// In an object store.
    #[error(
        "{} is in an object store, where `init` does not look; write `dataset: {{source: folders, root: {}}}` into a config, or one of \
         the other sources of `facevault guide datasets`, and `facevault fetch` counts its faces", path.display(), path.display()
    )]
    Remote {
        /// What was named.
        path: PathBuf,
    },
    /// Nothing that can be read as faces.
    #[error(
        "{}: {what}; expected a folder of pictures, a CSV that names them, a `.parquet`, a `.tar` or an `.npy` with a CSV \
         beside it (`facevault guide datasets`)", path.display()
    )]
    NoFaces {
        /// What was named.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// Several things that could be meant.
    #[error("{} holds {what}; name the one that is meant: `facevault init PATH`", path.display())]
    Several {
        /// The folder.
        path: PathBuf,
        /// What it holds, in words.
        what: String,
    },
    /// File names that do not say who is who.
    #[error(
        "the names of the {} in {}, such as `{example}`, do not say who is in them: give the pattern with \
         `--pattern '{{identity}}_{{n}}.*'`, or a CSV of their names and identities with `--table FILE`", counted(*pictures, "picture"), path.display()
    )]
    NoIdentity {
        /// The folder.
        path: PathBuf,
        /// The first picture.
        example: String,
        /// How many there are.
        pictures: usize,
    },
    /// A picture beside folders whose pictures are deeper than people's.
    #[error(
        "{}: `{stray}` lies beside folders whose pictures are deeper than <identity>/<picture>; move it elsewhere, or name the \
         folder that holds the people's: `facevault init PATH`", path.display()
    )]
    Stray {
        /// The folder.
        path: PathBuf,
        /// The picture.
        stray: String,
    },
    /// An array without a table.
    #[error(
        "no table says whose the rows of {} are: put a CSV with a line for each row beside it, or name it with `--table FILE`",
        path.display()
    )]
    NoTable {
        /// The array.
        path: PathBuf,
    },
    /// A table without a column that is needed.
    #[error("{} has no column of {what}; its columns are {found}; rename one, for example to `{example}`, or write \
         a config with `source: files`, whose `table`, `file` and `identity` name the table and its columns", path.display())]
    NoColumn {
        /// The table.
        path: PathBuf,
        /// What the column holds.
        what: &'static str,
        /// The columns that there are.
        found: String,
        /// A name that is known.
        example: &'static str,
    },
    /// Parquet of something else.
    #[error("{}: {problem}; or embeddings: a column of lists of f32 or f64", path.display())]
    NoColumns {
        /// The file.
        path: PathBuf,
        /// What its columns are, and what those of pictures would be.
        problem: String,
    },
    /// A table with paths of another machine.
    #[error(
        "{}: no picture is where the table says, such as `{example}`; write the paths as they are here, or relative to the table's \
         folder", path.display()
    )]
    Elsewhere {
        /// The table.
        path: PathBuf,
        /// The first path.
        example: String,
    },
    /// A table of pictures that have no folder in common but the root of the file system.
    #[error(
        "{}: its pictures, such as `{}` and `{}`, have no folder in common; link them into one, and write the paths from there",
        path.display(), pictures[0], pictures[1]
    )]
    Apart {
        /// The table.
        path: PathBuf,
        /// Two of them.
        pictures: [String; 2],
    },
    /// A path that a config cannot hold.
    #[error("{path:?}: its name is not UTF-8, and a config is; rename it, or go through a link with another name")]
    NotUtf8 {
        /// What was named.
        path: PathBuf,
    },
    /// A pattern that says nothing.
    #[error("--pattern cannot be used: {rule}; for example `{{identity}}/*/{{n}}.jpg` or `{{identity}}_{{n}}.*`")]
    Pattern {
        /// What is wrong with it.
        rule: String,
    },
    /// Neither a word nor a file.
    #[error("--weights: expected `vggface2`, `demo` or the path of a checkpoint, and `{named}` is no file{near}")]
    NoWeights {
        /// What was given.
        named: String,
        /// What may have been meant.
        near: String,
    },
    /// A flag that this kind of faces has no use for.
    #[error("`{flag}` is not for {kind}; leave it out")]
    Unused {
        /// The flag.
        flag: &'static str,
        /// What was found.
        kind: String,
    },
    /// The faces cannot be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// What was put together is not valid.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl InitError {
    /// Whether the command has to change, rather than this machine.
    pub(crate) fn is_usage(&self) -> bool {
        !matches!(self, Self::File(_))
    }
}

//! A matrix in parts: files of numpy's with the rows one after another, and an index that says which.
//!
//! ```text
//! face_embeddings.json         the index, written last
//! face_embeddings/00000.npy    rows 0 to 4,194,303
//! face_embeddings/00001.npy    the rest
//! ```

use std::path::{Component, Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::source::{Joined, JoinedPart};
use super::{Kind, NpyError, format, opened, source};
use crate::digest::Digest;
use crate::files;

/// Version of the index.
pub const SCHEMA: u32 = 1;

/// Most bytes of an index: those of a hundred thousand parts.
const LARGEST_INDEX: u64 = 32 << 20;

/// Where the numbers of a part begin: at a page, so that parts can be mapped one behind another. numpy refuses headers of
/// more than 10,000 bytes.
pub const FIRST_BYTE: usize = 4096;

/// The parts of a matrix, in the order of its rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PartIndex {
    /// Version of this file's layout.
    pub schema: u32,
    /// Rows in all parts.
    pub rows: usize,
    /// Numbers in a row.
    pub dimension: usize,
    /// Rows of each part but the last.
    pub part_rows: usize,
    /// The parts.
    pub parts: Vec<MatrixPart>,
}

/// Neighbouring rows of a matrix, in a file of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MatrixPart {
    /// The file, from the folder of the index, with `/` between folders.
    pub file: String,
    /// Its first row's number in the matrix, from 0.
    pub first_row: usize,
    /// How many rows it has.
    pub rows: usize,
    /// SHA-256 of the file.
    pub sha256: Digest,
}

/// Whether a matrix is in parts, by the name of its file.
#[must_use]
pub fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"))
}

/// The path of a part of the index at `index`.
#[must_use]
pub fn beside(index: &Path, file: &str) -> PathBuf {
    index.parent().unwrap_or(Path::new("")).join(file)
}

impl PartIndex {
    /// Reads an index, and checks that its parts follow each other.
    ///
    /// # Errors
    /// [`NpyError`] with the rule that it breaks.
    pub fn read(path: &Path) -> Result<Self, NpyError> {
        let bytes = files::read_at_most(path, LARGEST_INDEX)?;
        let index: Self =
            serde_json::from_slice(&bytes).map_err(|error| format(path, format!("it is no {INDEX}: {error}")))?;
        index.check().map_err(|rule| format(path, rule))?;
        Ok(index)
    }

    fn check(&self) -> Result<(), String> {
        if self.schema != SCHEMA {
            return Err(std::format!(
                "it is an {INDEX} of version {}, this program reads version {SCHEMA}",
                self.schema
            ));
        }
        if self.dimension == 0 {
            return Err("its rows have no numbers".into());
        }
        let mut next = 0_usize;
        for part in &self.parts {
            let inside = Path::new(&part.file).components().all(|step| matches!(step, Component::Normal(_)));
            if !inside || part.file.is_empty() {
                return Err(format!(
                    "its part `{}` is not inside the folder of the index",
                    crate::text::quoted(&part.file)
                ));
            }
            if part.first_row != next || part.rows == 0 {
                return Err(format!("row {next} is in none of its parts"));
            }
            next = next.checked_add(part.rows).ok_or("it has more rows than can be counted")?;
        }
        if next == self.rows { Ok(()) } else { Err(format!("it has {} rows, and its parts {next}", self.rows)) }
    }
}

const INDEX: &str = "index of parts";

/// The numbers of the parts that an index names, one after another, and its rows and their length. Each part's header and
/// length are checked.
pub(super) fn open(path: &Path) -> Result<(Joined, usize, usize), NpyError> {
    let index = PartIndex::read(path)?;
    let parts = index.parts.iter().map(|part| {
        let file = beside(path, &part.file);
        let (reader, length) = source(&file)?;
        let (_, header) = opened(&file, reader, length, &[Kind::F32])?;
        if (header.rows, header.dimension) != (part.rows, index.dimension) {
            let rule = format!(
                "it is {}×{}, and {} says {}×{}",
                header.rows,
                header.dimension,
                path.display(),
                part.rows,
                index.dimension
            );
            return Err(format(&file, rule));
        }
        Ok(JoinedPart { path: file, first: header.first, bytes: length - header.first })
    });
    Ok((Joined::new(parts.collect::<Result<_, NpyError>>()?), index.rows, index.dimension))
}

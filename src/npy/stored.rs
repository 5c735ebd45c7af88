//! A whole matrix at hand, without a copy of it in memory where the system can map files.

use std::fs::File;
use std::path::Path;

use facevault_map::{Extent, Mapping};

use super::{EmbeddingMatrix, MatrixReader, MatrixSource, NpyError};
use crate::files::{self, FileError};

/// A rows × dimension matrix of f32, row-major: mapped from its file or its parts, or read where they cannot be mapped.
#[derive(Debug)]
pub struct StoredMatrix {
    rows: usize,
    dimension: usize,
    numbers: Numbers,
}

#[derive(Debug)]
enum Numbers {
    Mapped(Mapping),
    Read(Vec<f32>),
}

impl StoredMatrix {
    /// Opens a `.npy`, or the index of a matrix in parts. The files must not be written into while it is open: replacing or
    /// removing them is fine.
    ///
    /// # Errors
    /// [`NpyError`].
    pub fn open(path: &Path) -> Result<Self, NpyError> {
        let reader = MatrixReader::open(path)?;
        let (rows, dimension) = (reader.rows(), reader.dimension());
        let mapped = match reader.source() {
            MatrixSource::File(file) => {
                let count = rows * dimension;
                Mapping::new(&[Extent { file: file.get_ref(), first: reader.first(), count }])
            }
            MatrixSource::Parts(joined) => {
                let open = |path: &Path| files::open(path).map_err(FileError::new("read", path));
                let opened = joined.parts().iter().map(|part| open(&part.path)).collect::<Result<Vec<File>, _>>()?;
                let extents = opened.iter().zip(joined.parts()).map(|(file, part)| Extent {
                    file,
                    first: part.first,
                    count: part.bytes as usize / size_of::<f32>(),
                });
                Mapping::new(&extents.collect::<Vec<_>>())
            }
        };
        let numbers = match mapped {
            Some(mapping) => Numbers::Mapped(mapping),
            None => Numbers::Read(EmbeddingMatrix::of(reader)?.data),
        };
        Ok(Self { rows, dimension, numbers })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values in a row.
    #[must_use]
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// `rows × dimension` values.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        match &self.numbers {
            Numbers::Mapped(mapping) => mapping,
            Numbers::Read(data) => data,
        }
    }

    /// Whether it is mapped, not read.
    #[must_use]
    pub fn is_mapped(&self) -> bool {
        matches!(self.numbers, Numbers::Mapped(_))
    }

    /// Row `i`.
    ///
    /// # Panics
    /// If there is no such row.
    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.data()[i * self.dimension..(i + 1) * self.dimension]
    }
}

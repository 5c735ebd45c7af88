//! Embeds faces into unit rows on disk. The pipeline ([`run`]) reads ‖ prepares ‖ embeds ‖ writes, chunk by chunk; the
//! [`ChunkStore`] makes each chunk a commit point; [`export`] turns the chunks into the files that later phases read.
//!
//! ```text
//! <run>/.lock                 held while somebody writes; names the process
//! <run>/chunks/00007.npy      the embedded rows of one range of the manifest
//! <run>/chunks/00007.json     its sidecar, written last: rows, sha256, failures, timings
//! ```

mod adopt;
#[cfg(test)]
mod card_tests;
mod check;
mod committed;
mod direct;
mod export;
mod forget;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod give;
mod job;
mod lock;
mod matrix_files;
#[cfg(test)]
mod mock;
mod options;
mod pipeline;
mod prepare;
mod reader;
mod record;
mod reuse;
mod sample;
mod sidecar;
mod store;
mod store_error;
#[cfg(test)]
mod tests;

pub use crate::npy::{EmbeddingMatrix, MatrixReader, NpyError, StoredMatrix};
pub(crate) use check::{
    chunks_of_other_arithmetic, chunks_of_other_faces, damaged_chunks, differs_from_chunks, tables_differ,
};
pub(crate) use committed::CommittedChunks;
pub(crate) use direct::{DirectRows, NotUnit, embed_pixels, embed_rows, turned};
pub(crate) use export::{ExportError, TABLES, export};
pub(crate) use forget::copy_without;
pub(crate) use give::give;
pub(crate) use job::EmbedJob;
pub(crate) use lock::{FILE as LOCK, LockError, RunLock, WORKERS};
pub(crate) use matrix_files::{INDEX as MATRIX_INDEX, MATRIX, is_of_matrix};
pub use options::{EmbedOptions, OnError};
pub(crate) use pipeline::{EmbedError, EmbedOutcome, EmbedSummary, admit, run, take};
pub(crate) use reader::FaceReader;
pub(crate) use record::{CHUNKS, ChunkRecord, Timings, committed, read_records, remove_records};
pub(crate) use reuse::{DonorError, PictureKey, Reuse};
pub(crate) use sample::EmbedSample;
pub(crate) use store::ChunkStore;
pub(crate) use store_error::StoreError;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::preprocess::Mirror;
use crate::progress::Cancel;
use crate::quality::Quality;
use crate::text;

/// Length of a stored row, for a network with `dimension` outputs.
pub(crate) fn output_dimension(dimension: usize, mirror: Mirror) -> usize {
    match mirror {
        Mirror::None | Mirror::Sum => dimension,
        Mirror::Concat => 2 * dimension,
    }
}

/// Turns a manifest row into the network's 8-bit input. Called from several threads at once.
pub(crate) trait PixelReader: Sync {
    /// Fills all of `out` (`side × side × 3` bytes, row-major, channels interleaved in the network's order) with the
    /// face of manifest row `row`, and measures it. A panic in here is caught and becomes a failure of that face. Fails
    /// with [`FaceFailure`] if this face has no pixels; the content of `out` is ignored.
    fn read(&self, row: usize, out: &mut [u8]) -> Result<Quality, FaceFailure>;

    /// Says which rows will be read, ascending, until cancellation is requested: what is far away can be on its way before.
    fn will_read(&self, _rows: &mut dyn Iterator<Item = usize>, _cancel: &Cancel) {}
}

/// Why one face has no embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FaceFailure {
    pub kind: FailureKind,
    pub message: String,
    /// Whether the picture may be readable later, unchanged: then it is not committed.
    pub may_pass: bool,
}

/// Characters of a failure's message that are kept.
const MESSAGE: usize = 1000;

impl FaceFailure {
    /// A failure of one step. Its message goes into files and reports, whatever it quotes.
    pub fn new(kind: FailureKind, message: impl AsRef<str>) -> Self {
        Self { kind, message: text::quoted_to(message.as_ref(), MESSAGE).into_owned(), may_pass: false }
    }
}

/// Which step of embedding a face failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The face's row in its source is wrong.
    Row,
    /// No face to keep was found in the photo.
    Detect,
    /// The file could not be read.
    Read,
    /// The file has changed since the manifest was made.
    Changed,
    /// The bytes are not a picture.
    Decode,
    /// The face's box cannot be cut out.
    Crop,
    /// Reading or decoding panicked.
    Panic,
    /// The network's output is not a unit vector.
    Forward,
}

impl FailureKind {
    /// All names.
    pub(crate) const NAMES: [&str; 8] = [
        Self::Row.name(),
        Self::Detect.name(),
        Self::Read.name(),
        Self::Changed.name(),
        Self::Decode.name(),
        Self::Crop.name(),
        Self::Panic.name(),
        Self::Forward.name(),
    ];

    /// Whether the same bytes always fail; other kinds may be transient.
    #[must_use]
    pub fn repeats(self) -> bool {
        matches!(self, Self::Row | Self::Detect | Self::Decode | Self::Crop)
    }

    /// As in `failures.csv`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Row => "row",
            Self::Detect => "detect",
            Self::Read => "read",
            Self::Changed => "changed",
            Self::Decode => "decode",
            Self::Crop => "crop",
            Self::Panic => "panic",
            Self::Forward => "forward",
        }
    }
}

/// A face without an embedding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedFace {
    /// Its manifest row.
    pub row: usize,
    /// Its id.
    pub face_id: String,
    /// Which step failed.
    pub kind: FailureKind,
    /// The reason, in words.
    pub message: String,
}

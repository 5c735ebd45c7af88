//! Which faces fail: error rates by slices of the faces (metadata, measured quality), and how much discarding the worst
//! pictures helps.

mod column;
mod discard;
mod outlying;
mod slices;
#[cfg(test)]
mod tests;

pub use column::{FaceColumn, GoodValues, Values};
pub use discard::{Discard, DiscardCurve};
pub use outlying::{Against, Outlier, SliceRate};
pub use slices::{SkippedColumn, Slice, Slices, Warning};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::similarity::kernel::Rows;
use crate::similarity::{FaceErrors, Population};
use crate::verification::bootstrap::Resampling;
use facevault_base::progress::{Cancel, Progress};

/// Version of `breakdown.json`.
pub const SCHEMA: u32 = 1;

/// Error rates by slice of the faces, and error-versus-discard curves: `breakdown.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Breakdown {
    /// Version of the form; readers refuse others.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: u32,
    /// A pair matches when its cosine is at or above this: the operating threshold.
    pub threshold: f64,
    /// All labelled faces.
    pub all: Slice,
    /// The slices of each column.
    pub columns: Vec<Slices>,
    /// Columns without slices, and why.
    pub left_out: Vec<SkippedColumn>,
    /// The effect of discarding the worst pictures.
    pub discard: Discard,
}

/// The input of a breakdown.
#[derive(Debug, Clone, Copy)]
pub struct BreakdownInput<'a> {
    /// Unit rows, one a face.
    pub rows: Rows<'a>,
    /// The labelled ones.
    pub population: &'a Population<'a>,
    /// Errors of their pairs at the threshold, and at no other.
    pub errors: &'a FaceErrors,
    /// The operating threshold.
    pub threshold: f32,
    /// Metadata and measures of the faces.
    pub columns: &'a [FaceColumn<'a>],
    /// How intervals are made.
    pub how: Resampling,
}

impl Breakdown {
    /// Slices and curves: a pure function of the input, bit for bit, whatever the number of threads. `None` when
    /// cancelled.
    #[must_use]
    pub fn new(input: &BreakdownInput<'_>, progress: &dyn Progress, cancel: &Cancel) -> Option<Self> {
        let (all, columns, left_out) = slices::of(input);
        let discard = Discard::new(input, discard::MOST_PAIRS, progress, cancel)?;
        let threshold = input.threshold.into();
        Some(Self { schema: SCHEMA, threshold, all, columns, left_out, discard })
    }
}

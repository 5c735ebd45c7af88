//! The pairs that a benchmark publishes, as rows of a manifest.

/// In place of a manifest row: the dataset does not have this face. No manifest has so many rows.
pub const ABSENT: u32 = u32::MAX;

/// Two faces that a protocol compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedPair {
    /// Manifest row of the first face, or [`ABSENT`].
    pub a: u32,
    /// Manifest row of the second face, or [`ABSENT`].
    pub b: u32,
    /// Whether the list says that they are one person.
    pub same: bool,
    /// The pair's fold as the list numbers it (View 1: 0 is training, 1 is test); `None`: the list has no folds.
    pub fold: Option<u32>,
}

//! The pairs that a benchmark publishes, as rows of a manifest.

/// Name of the list that a dataset ships with.
pub const DATASET_PAIRS: &str = "dataset";

/// A published list of pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PairList {
    /// [`DATASET_PAIRS`] for the list that a dataset ships with, else the name of the protocol that named the list.
    pub name: String,
    /// The pairs in the order of the list, which is the order that folds are cut in.
    pub pairs: Vec<ListedPair>,
    /// What the list calls the faces of pairs that name one which the dataset does not have.
    pub absent: Vec<AbsentPair>,
}

/// A pair that names a face which the dataset does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsentPair {
    /// Its index in [`PairList::pairs`].
    pub pair: u32,
    /// Its faces as the list calls them.
    pub names: [String; 2],
}

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

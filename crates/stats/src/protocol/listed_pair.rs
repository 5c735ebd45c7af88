//! The pairs that a benchmark publishes, as rows of a manifest.

/// A published list of pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PairList {
    /// [`DATASET_PAIRS`] for the dataset's own list, else the name of the protocol.
    pub name: String,
    /// The pairs in the order of the list, which determines the folds.
    pub pairs: Vec<ListedPair>,
    /// The pairs with a face that is not in the dataset, by their names in the list.
    pub absent: Vec<AbsentPair>,
}

/// A pair with a face that is not in the dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsentPair {
    /// Its index in [`PairList::pairs`].
    pub pair: u32,
    /// Its faces as named in the list.
    pub names: [String; 2],
}

/// Used as the row of a face that is not in the dataset. No manifest has as many rows.
pub const ABSENT: u32 = u32::MAX;

/// Name of the dataset's own list.
pub const DATASET_PAIRS: &str = "dataset";

/// Two faces that a protocol compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedPair {
    /// Manifest row of the first face, or [`ABSENT`].
    pub a: u32,
    /// Manifest row of the second face, or [`ABSENT`].
    pub b: u32,
    /// Whether the list calls the pair genuine.
    pub same: bool,
    /// The pair's fold as numbered in the list (View 1: 0 is training, 1 is test); `None`: the list has no folds.
    pub fold: Option<u32>,
}

//! Which faces a verification protocol compares: pairs of manifest rows, as a benchmark publishes them.

/// A published list of pairs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PairList {
    /// [`DATASET_PAIRS`] for the list that a dataset ships with, else the name of the protocol that named the list.
    pub name: String,
    /// The pairs in the order of the list, which is the order that folds are cut in.
    pub pairs: Vec<ListedPair>,
}

/// Name of the list that a dataset ships with.
pub const DATASET_PAIRS: &str = "dataset";

/// Two faces that a protocol compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedPair {
    /// Manifest row of the first face.
    pub a: u32,
    /// Manifest row of the second face.
    pub b: u32,
    /// Whether the list says that they are one person.
    pub same: bool,
    /// The pair's fold as the list numbers it (View 1: 0 is training, 1 is test); `None`: the list has no folds.
    pub fold: Option<u32>,
}

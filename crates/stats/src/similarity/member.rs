//! A labelled face as comparisons see it.

/// A labelled face. Two faces with the same `image` or the same `content` are never compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Row of the embedding matrix.
    pub row: u32,
    /// Index of its identity, sorted as strings.
    pub identity: u32,
    /// Which photo.
    pub(super) image: u32,
    /// Which picture and box; a unique number if unknown.
    pub(super) content: u32,
}

impl Member {
    /// Whether the two faces may be compared.
    #[must_use]
    pub fn comparable(&self, other: &Self) -> bool {
        self.image != other.image && self.content != other.content
    }
}

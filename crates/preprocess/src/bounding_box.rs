//! The box of a face in a picture.

/// A box in pixels: left, top, right, bottom; right and bottom are exclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundingBox {
    /// Left edge.
    pub x1: f32,
    /// Top edge.
    pub y1: f32,
    /// Right edge, exclusive.
    pub x2: f32,
    /// Bottom edge, exclusive.
    pub y2: f32,
}

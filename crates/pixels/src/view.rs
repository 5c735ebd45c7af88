//! Rectangles of pictures.

/// A rectangle of an interleaved RGB picture.
#[derive(Debug, Clone, Copy)]
pub struct PixelView<'a> {
    pixels: &'a [u8],
    stride: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl<'a> PixelView<'a> {
    /// `width` × `height` pixels whose first is at `pixels[0]`; a row begins `stride` bytes behind the one above it.
    ///
    /// # Panics
    ///
    /// When `pixels` ends before the rectangle does.
    #[must_use]
    pub fn new(pixels: &'a [u8], stride: usize, width: usize, height: usize) -> Self {
        assert!(pixels.len() >= height.saturating_sub(1) * stride + width * 3, "the rectangle reaches over the picture");
        Self { pixels, stride, width, height }
    }

    /// The pixels of a row.
    #[must_use]
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.pixels[y * self.stride..][..self.width * 3]
    }
}

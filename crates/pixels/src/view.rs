//! Rectangles of pictures.

/// A rectangle of an interleaved RGB picture.
#[derive(Debug, Clone, Copy)]
pub struct PixelView<'a> {
    /// From the rectangle's first pixel on.
    pixels: &'a [u8],
    stride: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl<'a> PixelView<'a> {
    /// `width` × `height` pixels of a picture, the first of which is at `pixels[0]`; a row begins `stride` bytes behind the
    /// one above it.
    ///
    /// # Panics
    ///
    /// When `pixels` ends before the rectangle does.
    #[must_use]
    pub fn new(pixels: &'a [u8], stride: usize, width: usize, height: usize) -> Self {
        assert!(pixels.len() >= height.saturating_sub(1) * stride + width * 3, "the rectangle leaves the picture");
        Self { pixels, stride, width, height }
    }

    /// The pixels of a row.
    #[must_use]
    pub fn row(&self, y: usize) -> &'a [u8] {
        &self.pixels[y * self.stride..][..self.width * 3]
    }

    /// The pixel (x, y) and the one to its right.
    #[inline(always)]
    pub(crate) fn pair(&self, x: usize, y: usize) -> &'a [u8; 6] {
        self.pixels[y * self.stride + x * 3..].first_chunk().unwrap_or(&[0; 6])
    }

    /// At least `reach` bytes: those of a row, and whatever follows in the picture; where it ends, a copy in `line` with zeros
    /// behind.
    #[inline(always)]
    pub(crate) fn row_and_more<'l>(&self, y: usize, reach: usize, line: &'l mut Vec<u8>) -> &'l [u8]
    where
        'a: 'l,
    {
        if let Some(row) = self.pixels[y * self.stride..].get(..reach.max(self.width * 3)) {
            return row;
        }
        line.clear();
        line.extend_from_slice(self.row(y));
        line.resize(reach.max(line.len()), 0);
        line
    }
}

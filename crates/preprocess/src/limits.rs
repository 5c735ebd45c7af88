//! Checks a picture's size before anything is allocated for it.

use super::{Limits, PreprocessError};
use crate::crop::Region;

/// Width and height of an upright picture → the part of it that is needed; `None`: all of it.
pub(super) type PartOf<'a> = &'a dyn Fn(u32, u32) -> Option<Region>;

/// What a decoder asks before it allocates anything for pixels.
pub(super) struct Gate<'a> {
    pub limits: &'a Limits,
    pub take: &'a mut dyn FnMut(u64) -> Result<(), PreprocessError>,
    /// What is outside of it may be black.
    pub part: PartOf<'a>,
}

impl Gate<'_> {
    /// Waits for the memory of a picture of this size: `stored` bytes as the decoder has it, `more` of the decoder's own,
    /// and as RGB, which is turned upright in a copy. Refuses more stored bytes than the limits allow.
    pub fn take(&mut self, width: u32, height: u32, stored: u64, more: u64) -> Result<(), PreprocessError> {
        if stored > self.limits.bytes {
            return Err(PreprocessError::TooManyBytes { width, height, bytes: stored, max_bytes: self.limits.bytes });
        }
        let rgb = 3 * u64::from(width) * u64::from(height);
        (self.take)((stored + rgb).max(2 * rgb).saturating_add(more))
    }
}

/// Rejects a picture that is too large, before anything is allocated for it.
pub(super) fn allow(limits: &Limits, width: u32, height: u32) -> Result<(), PreprocessError> {
    if width == 0 || height == 0 {
        return Err(PreprocessError::EmptyPicture { width, height });
    }
    if width.max(height) > limits.side || u64::from(width) * u64::from(height) > limits.pixels {
        return Err(PreprocessError::too_large(limits, width, height));
    }
    Ok(())
}

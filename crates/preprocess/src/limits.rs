//! Checks a picture's size before anything is allocated for it.

use super::{Limits, PreprocessError};

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

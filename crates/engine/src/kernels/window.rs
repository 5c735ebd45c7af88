//! Pooling, channels last.

// Tested by: `every_operator_equals_its_definition` in crates/engine/src/tests.rs

use super::storage::Storage;

/// Channels at a time.
const WIDTH: usize = 64;

/// One pixel of the output: rows and columns of the input that its window sees.
#[derive(Debug)]
pub struct Window {
    /// First pixel of the window, first channel.
    pub from: *const u8,
    pub rows: usize,
    pub columns: usize,
    /// Bytes from row to row, and from pixel to pixel, of those that it sees.
    pub row: usize,
    pub pixel: usize,
    pub channels: usize,
    pub storage: Storage,
    /// What the sum is multiplied with; the largest number where there is none.
    pub mean: Option<f32>,
    pub to: *mut u8,
    pub to_storage: Storage,
}

/// # Safety
/// The pointers of `job` are valid for what it says.
#[inline(always)]
pub unsafe fn pool(job: &Window) {
    let mut values = [0f32; WIDTH];
    for channel in (0..job.channels).step_by(WIDTH) {
        let width = (job.channels - channel).min(WIDTH);
        let mut all = [if job.mean.is_some() { 0.0 } else { f32::NEG_INFINITY }; WIDTH];
        for row in 0..job.rows {
            for column in 0..job.columns {
                // SAFETY: handed on from the caller.
                unsafe {
                    let from = job.from.add(row * job.row + column * job.pixel + channel * job.storage.bytes());
                    if job.storage == Storage::F32 && width == WIDTH {
                        values = *from.cast();
                    } else {
                        job.storage.load(from, &mut values[..width]);
                    }
                }
                if job.mean.is_some() {
                    all.iter_mut().zip(&values).for_each(|(all, value)| *all += value);
                } else {
                    all.iter_mut()
                        .zip(&values)
                        .for_each(|(all, &value)| *all = if value > *all { value } else { *all });
                }
            }
        }
        if let Some(factor) = job.mean {
            for all in &mut all {
                *all *= factor;
            }
        }
        // SAFETY: handed on from the caller.
        unsafe { job.to_storage.store(&all[..width], job.to.add(channel * job.to_storage.bytes())) };
    }
}

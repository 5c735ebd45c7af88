//! Maximum pooling with stride 2.

// Tested by: `pooling_cuts_its_last_windows` in crates/kernels/src/shallow/tests.rs
// Tested by: `instruction_sets_give_the_same_bytes` in crates/detect/tests/detect/same_bytes.rs

use super::pooled;
use crate::simd::Simd;

/// As `Shallow::pool` says.
///
/// # Safety
/// The CPU has the set, `input` holds size × size × channels numbers and `out` as many for the pooled pixels.
#[inline(always)]
pub(super) unsafe fn pool<S: Simd>(input: &[f32], size: usize, channels: usize, side: usize, out: &mut [f32]) {
    let outputs = pooled(size, side);
    // At the edge a window repeats its last row or column, which changes no maximum.
    let windows = |at: usize| -> [usize; 3] { std::array::from_fn(|i| (2 * at + i.min(side - 1)).min(size - 1)) };
    for y in 0..outputs {
        let rows = windows(y);
        for x in 0..outputs {
            let columns = windows(x);
            let mut channel = 0;
            // SAFETY: pixels of the picture and their channels, as the contract says.
            unsafe {
                let pixels: [*const f32; 9] =
                    std::array::from_fn(|i| input.as_ptr().add((rows[i / 3] * size + columns[i % 3]) * channels));
                let out = out.as_mut_ptr().add((y * outputs + x) * channels);
                while channel + S::LANES <= channels {
                    let mut most = S::load(pixels[0].add(channel));
                    for pixel in &pixels[1..] {
                        most = S::max(most, S::load(pixel.add(channel)));
                    }
                    S::store(out.add(channel), most);
                    channel += S::LANES;
                    // The last register overlaps the one before.
                    if channel < channels && channel + S::LANES > channels {
                        channel = channels - S::LANES;
                    }
                }
                for channel in channel..channels {
                    let mut most = *pixels[0].add(channel);
                    for pixel in &pixels[1..] {
                        let value = *pixel.add(channel);
                        most = if most > value { most } else { value };
                    }
                    *out.add(channel) = most;
                }
            }
        }
    }
}

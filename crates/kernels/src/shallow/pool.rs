//! Maximum pooling with stride 2.

use super::pooled;

/// The larger, as the instruction for it has it.
#[inline(always)]
fn raise(most: &mut [f32], values: &[f32]) {
    for (most, &value) in most.iter_mut().zip(values) {
        *most = if *most > value { *most } else { value };
    }
}

/// As `Shallow::pool` says; compiled for each set.
#[inline(always)]
pub(super) fn pool(
    input: &[f32],
    [width, height]: [usize; 2],
    channels: usize,
    side: usize,
    row: &mut Vec<f32>,
    out: &mut [f32],
) {
    let out_row = pooled(width, side) * channels;
    let length = width * channels;
    for (y, out) in out[..pooled(height, side) * out_row].chunks_exact_mut(out_row).enumerate() {
        let rows = 2 * y..(2 * y + side).min(height);
        row.clear();
        row.extend_from_slice(&input[rows.start * length..][..length]);
        for other in rows.skip(1) {
            raise(row, &input[other * length..][..length]);
        }
        for (x, out) in out.chunks_exact_mut(channels).enumerate() {
            let columns = 2 * x..(2 * x + side).min(width);
            out.copy_from_slice(&row[columns.start * channels..][..channels]);
            for column in columns.skip(1) {
                raise(out, &row[column * channels..][..channels]);
            }
        }
    }
}

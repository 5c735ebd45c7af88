//! Averages over windows of an 8-bit picture. Sums are integers, so no order matters.

use std::ops::Range;

/// Bytes of a row that are summed at once, in registers: as many as there are registers for, so that a walk down a large photo
/// reads several cache lines of each row, and fewer for what remains.
const CHUNKS: [usize; 2] = [512, 64];

/// Rows whose bytes a 16-bit sum holds.
const ROWS: usize = 257;

/// As `Shallow::column_sums` says; compiled for each set.
#[inline(always)]
pub(super) fn column_sums(picture: &[u8], stride: usize, rows: Range<usize>, first: usize, out: &mut [u32]) {
    let (first, out) = chunk_sums::<{ CHUNKS[0] }>(picture, stride, &rows, first, out);
    let (first, out) = chunk_sums::<{ CHUNKS[1] }>(picture, stride, &rows, first, out);
    out.fill(0);
    let length = out.len();
    for row in rows {
        let from = row * stride + first;
        for (sum, &byte) in out.iter_mut().zip(&picture[from..from + length]) {
            *sum += u32::from(byte);
        }
    }
}

/// The sums of whole chunks, and what remains of the columns.
#[inline(always)]
fn chunk_sums<'a, const CHUNK: usize>(
    picture: &[u8],
    stride: usize,
    rows: &Range<usize>,
    first: usize,
    out: &'a mut [u32],
) -> (usize, &'a mut [u32]) {
    let (chunks, rest) = out.as_chunks_mut::<CHUNK>();
    let mut at = first;
    for chunk in chunks {
        *chunk = [0; CHUNK];
        for begin in rows.clone().step_by(ROWS) {
            let mut sums = [0u16; CHUNK];
            for row in begin..rows.end.min(begin + ROWS) {
                let from = row * stride + at;
                let bytes: &[u8; CHUNK] = picture[from..from + CHUNK].try_into().expect("a chunk");
                for (sum, &byte) in sums.iter_mut().zip(bytes) {
                    *sum += u16::from(byte);
                }
            }
            for (total, &sum) in chunk.iter_mut().zip(&sums) {
                *total += u32::from(sum);
            }
        }
        at += CHUNK;
    }
    (at, rest)
}

/// As `Shallow::averages` says; compiled for each set.
#[inline(always)]
pub(super) fn averages(sums: &mut [u32], windows: &[Range<u32>], widths: &[f32], height: f32, out: &mut [f32]) {
    assert!(out.len() == windows.len() * 3 && widths.len() == out.len(), "three numbers for each window");
    // Sums of all columns before each. They may wrap: their differences do not.
    let mut before = [0u32; 3];
    for column in sums.as_chunks_mut::<3>().0 {
        for (sum, before) in column.iter_mut().zip(&mut before) {
            (*sum, *before) = (*before, before.wrapping_add(*sum));
        }
    }
    let Some((last, others)) = windows.split_last() else { return };
    // Four lanes fill a register; the last belongs to the next window and is written again.
    for (index, window) in others.iter().enumerate() {
        out[index * 3..index * 3 + 4].copy_from_slice(&total(sums, window));
    }
    out[others.len() * 3..].copy_from_slice(&total(sums, last)[..3]);
    for (value, width) in out.iter_mut().zip(widths) {
        *value = (*value / height / width - 127.5) * (1.0 / 128.0);
    }
}

/// The sum over a window's columns, from the sums before each column, and a fourth that is not looked at.
#[inline(always)]
fn total(before: &[u32], window: &Range<u32>) -> [f32; 4] {
    assert!(window.start < window.end, "an empty window");
    let (start, end) = (&before[window.start as usize * 3..][..4], &before[window.end as usize * 3..][..4]);
    let mut total = [0.0; 4];
    for (total, (start, end)) in total.iter_mut().zip(start.iter().zip(end)) {
        *total = end.wrapping_sub(*start) as f32;
    }
    total
}

//! Averages over windows of an 8-bit picture. Sums are integers, so no order matters.

use std::ops::Range;

/// Bytes of a row that are summed at once: they stay in registers and are whole cache lines.
const CHUNK: usize = 128;

/// Rows whose bytes a 16-bit sum holds.
const ROWS: usize = 257;

/// As `Shallow::column_sums` says; compiled for each set.
#[inline(always)]
pub(super) fn column_sums(picture: &[u8], stride: usize, rows: Range<usize>, first: usize, out: &mut [u32]) {
    let (chunks, rest) = out.as_chunks_mut::<CHUNK>();
    let tail = first + chunks.len() * CHUNK;
    for (chunk, at) in chunks.iter_mut().zip((first..).step_by(CHUNK)) {
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
    }
    rest.fill(0);
    let length = rest.len();
    for row in rows {
        let from = row * stride + tail;
        for (sum, &byte) in rest.iter_mut().zip(&picture[from..from + length]) {
            *sum += u32::from(byte);
        }
    }
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
    // Four lanes fill a register; the last belongs to the next window and is written again.
    let total = |window: &Range<u32>| -> [f32; 4] {
        assert!(window.start < window.end, "an empty window");
        let at =
            |column: u32| sums[column as usize * 3..].first_chunk::<4>().expect("a window ends outside the columns");
        let (start, end) = (at(window.start), at(window.end));
        std::array::from_fn(|lane| end[lane].wrapping_sub(start[lane]) as f32)
    };
    let Some((last, others)) = windows.split_last() else { return };
    for (index, window) in others.iter().enumerate() {
        out[index * 3..index * 3 + 4].copy_from_slice(&total(window));
    }
    out[others.len() * 3..].copy_from_slice(&total(last)[..3]);
    for (value, width) in out.iter_mut().zip(widths) {
        *value = (*value / height / width - 127.5) * (1.0 / 128.0);
    }
}

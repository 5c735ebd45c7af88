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
pub(super) fn averages(sums: &[u32], windows: &[Range<u32>], height: f32, out: &mut [f32]) {
    assert_eq!(out.len(), windows.len() * 3, "three numbers for each window");
    for (out, window) in out.as_chunks_mut::<3>().0.iter_mut().zip(windows) {
        assert!(window.start < window.end, "an empty window");
        let columns = &sums[window.start as usize * 3..window.end as usize * 3 + 1];
        let width = (window.end - window.start) as f32;
        // Four lanes, of which the last belongs to the next column, fill a register.
        let mut total = [0u32; 4];
        let mut at = 0;
        while let Some(column) = columns.get(at..at + 4) {
            for lane in 0..4 {
                total[lane] = total[lane].wrapping_add(column[lane]);
            }
            at += 3;
        }
        let value: [f32; 4] = std::array::from_fn(|lane| (total[lane] as f32 / height / width - 127.5) * (1.0 / 128.0));
        out.copy_from_slice(&value[..3]);
    }
}

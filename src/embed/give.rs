//! Fills chunks with given embeddings: no picture is read and no network runs.

use std::time::Instant;

use super::pipeline::{EmbedError, EmbedOutcome, EmbedSummary, FailureLimit};
use super::store::{ChunkStore, ComputedChunk};
use super::store_error::StoreError;
use super::{EmbedOptions, FailedFace, FailureKind};
use crate::dataset::{Face, PixelSource};
use crate::matrix::Matrix;
use crate::preprocess::Crop;
use crate::progress::{Cancel, Progress};

/// How far a row's length may be from 1 for it to be taken as it is: rounding to f32 is a hundredth of it.
const UNIT: f64 = 1e-5;

/// Commits every chunk that is not there yet with the rows of `matrix`; others than unit rows are normalised in f64 and
/// reported. A row with a value that is not finite, or without a direction, is a failure of its face. Fails with
/// [`EmbedError`]; committed chunks stay, and the next call continues after them.
pub fn give(
    faces: &[Face],
    matrix: &mut Matrix,
    options: &EmbedOptions,
    store: &mut ChunkStore,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<EmbedOutcome, EmbedError> {
    let started = Instant::now();
    let resumed = store.rows_embedded() + store.rows_failed();
    let mut limit = FailureLimit::new(options);
    store.failures().try_for_each(|failure| limit.admit(failure))?;
    progress.start("taking", "rows", Some(store.rows() as u64), resumed as u64);
    let filled = fill(faces, matrix, store, &mut limit, progress, cancel);
    progress.finish();
    let normalised = filled?;
    if normalised > 0 {
        let were = if normalised == 1 { "row was" } else { "rows were" };
        progress.say(&format!("{normalised} {were} not of length 1, and normalised"));
    }
    let (rows, embedded, failed) = (store.rows(), store.rows_embedded(), store.rows_failed());
    let summary = EmbedSummary { rows, embedded, failed, resumed, seconds: started.elapsed().as_secs_f64() };
    let complete = embedded + failed == rows;
    Ok(if complete { EmbedOutcome::Complete(summary) } else { EmbedOutcome::Interrupted(summary) })
}

/// Returns how many rows were normalised.
fn fill(
    faces: &[Face],
    matrix: &mut Matrix,
    store: &mut ChunkStore,
    limit: &mut FailureLimit,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Result<usize, EmbedError> {
    let (mut normalised, mut values) = (0, vec![0.0; matrix.dimension()]);
    let missing: Vec<_> = store.missing().collect();
    for (chunk, rows) in missing {
        if cancel.requested() {
            break;
        }
        let (begun, faces_of_chunk) = (Instant::now(), rows.len());
        let mut given = ComputedChunk { chunk, ..ComputedChunk::default() };
        for row in rows {
            match unit_row(&faces[row], matrix, &mut values, &mut given.data)? {
                Ok(was_unit) => normalised += usize::from(!was_unit),
                Err(message) => {
                    let face_id = faces[row].face_id.clone();
                    let failure = FailedFace { row, face_id, kind: FailureKind::Row, message };
                    limit.admit(&failure)?;
                    given.failures.push(failure);
                }
            }
        }
        given.timings.wall_us = begun.elapsed().as_micros() as u64;
        store.give(&given)?;
        progress.advance(faces_of_chunk as u64);
    }
    Ok(normalised)
}

/// Appends the row of a face to `out`; returns whether it had length 1. The inner error is the reason why it has none.
fn unit_row(
    face: &Face,
    matrix: &mut Matrix,
    values: &mut [f64],
    out: &mut Vec<f32>,
) -> Result<Result<bool, String>, StoreError> {
    let PixelSource::Given { row } = face.pixels else { return Ok(Err("its embedding is not given".into())) };
    if let Some(fault) = face.failing(Crop::Whole) {
        return Ok(Err(fault.reason.clone()));
    }
    matrix.read(row as usize, values)?;
    if let Some((column, value)) = values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        let [rows, place] = matrix.called();
        return Ok(Err(if matrix.is_null(row as usize) {
            format!("row {row} of {rows} is null")
        } else {
            format!("row {row} of {rows} has the value {value} in {place} {column}")
        }));
    }
    // Relative to the largest: the squares of very small and very large values are no numbers.
    let largest = values.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    if largest == 0.0 {
        return Ok(Err(format!("row {row} of {} is zero, so it has no direction", matrix.called()[0])));
    }
    let relative = values.iter().map(|value| (value / largest).powi(2)).sum::<f64>().sqrt();
    let is_unit = (largest * relative - 1.0).abs() <= UNIT;
    let by = if is_unit { [1.0; 2] } else { [largest, relative] };
    out.extend(values.iter().map(|value| (value / by[0] / by[1]) as f32));
    Ok(Ok(is_unit))
}

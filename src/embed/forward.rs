//! Runs batches through the network: several in flight, with or without mirror images, and validates the output.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::job::{BatchLayout, EmbedJob, SPARE_BATCHES, passes};
use super::prepare::Batch;
use super::{FailedFace, FailureKind, output_dimension};
use crate::model::{Embedder, FaceBatch, ModelError, OwnedBatch, Queue};
use crate::preprocess::{Mirror, Preprocess};

/// How far the length of an output may be from 1: far more than rounding, far less than a mistake.
const LENGTH_TOLERANCE: f64 = 1e-3;

/// The network and its batches in flight, oldest first.
pub(super) struct Forward<'a> {
    queue: Box<dyn Queue + 'a>,
    answers: NetworkOutput<'a>,
    started: VecDeque<(Batch, Instant)>,
    in_flight: usize,
    /// When the last batch finished.
    last: Option<Instant>,
}

impl<'a> Forward<'a> {
    pub(super) fn new(embedder: &'a mut dyn Embedder, job: &EmbedJob<'a>) -> Self {
        let answers = NetworkOutput::new(embedder, job);
        let queue = embedder.queue();
        let in_flight = queue.in_flight().max(1);
        Self { queue, answers, started: VecDeque::new(), in_flight, last: None }
    }

    /// Empty batches in the device's memory, enough to keep it busy.
    pub(super) fn batches(&mut self, cut: BatchLayout) -> Result<Vec<Batch>, ModelError> {
        let expected = cut.batch_bytes();
        let batches = (0..self.in_flight + SPARE_BATCHES).map(|_| {
            let pixels = self.queue.pixels(expected)?;
            match pixels.len() {
                got if got < expected => Err(ModelError::Shape { what: "memory of a batch", got, expected }),
                _ => Ok(Batch::new(pixels)),
            }
        });
        batches.collect()
    }

    /// Whether another batch may be started.
    pub(super) fn has_room(&self) -> bool {
        self.started.len() < self.in_flight
    }

    pub(super) fn is_idle(&self) -> bool {
        self.started.is_empty()
    }

    /// Whether the oldest batch is known to be done.
    pub(super) fn is_ready(&self) -> bool {
        self.started.front().is_none_or(|(batch, _)| batch.rows.is_empty()) || self.queue.is_ready()
    }

    /// Starts a batch.
    pub(super) fn start(&mut self, mut batch: Batch) -> Result<(), ModelError> {
        let started = Instant::now();
        // A batch of failures only keeps its place in the order without using the device.
        if !batch.rows.is_empty() {
            let FaceBatch { count, side, standardise, .. } = faces(&batch, self.answers.job.preprocess);
            let pixels = std::mem::take(&mut batch.pixels);
            self.queue.start(OwnedBatch { pixels, count, side, standardise })?;
        }
        self.started.push_back((batch, started));
        Ok(())
    }

    /// Waits for the oldest batch and appends its rows to `data`, as [`NetworkOutput::judge`] does. Returns the device
    /// time beyond the previous batch. `None` if no batch is in flight.
    pub(super) fn finish(&mut self, data: &mut Vec<f32>) -> Result<Option<(Batch, Duration)>, ModelError> {
        let Some((mut batch, started)) = self.started.pop_front() else { return Ok(None) };
        if !batch.rows.is_empty() {
            let first = data.len();
            data.resize(first + self.answers.numbers(&batch), 0.0);
            batch.pixels = self.queue.finish(&mut data[first..])?;
            self.answers.judge(&mut batch, data, first);
        }
        let now = Instant::now();
        let took = now - self.last.map_or(started, |last| last.max(started));
        self.last = Some(now);
        Ok(Some((batch, took)))
    }
}

impl Drop for Forward<'_> {
    /// Finishes all batches, so that the device never works on memory that is about to be freed.
    fn drop(&mut self) {
        let mut rows = Vec::new();
        while let Some((batch, _)) = self.started.pop_front() {
            if !batch.rows.is_empty() {
                rows.resize(self.answers.numbers(&batch), 0.0);
                // Further errors are not why the run ended.
                let _ = self.queue.finish(&mut rows);
            }
        }
    }
}

/// Runs a single batch, like [`Forward`] without its queue. Appends to `data` as [`NetworkOutput::judge`] does.
pub(super) fn embed(
    embedder: &mut dyn Embedder,
    answers: &NetworkOutput<'_>,
    batch: &mut Batch,
    data: &mut Vec<f32>,
) -> Result<(), ModelError> {
    let first = data.len();
    data.resize(first + answers.numbers(batch), 0.0);
    embedder.embed(faces(batch, answers.job.preprocess), &mut data[first..])?;
    answers.judge(batch, data, first);
    Ok(())
}

/// The part of a batch that the network sees.
pub(super) fn faces<'a>(batch: &'a Batch, preprocess: &Preprocess) -> FaceBatch<'a> {
    let side = preprocess.resize.size as usize;
    let count = passes(preprocess.mirror) * batch.rows.len();
    let pixels = &batch.pixels[..count * side * side * 3];
    FaceBatch { pixels, count, side, standardise: preprocess.standardise }
}

/// Interprets the network's output.
pub(super) struct NetworkOutput<'a> {
    job: EmbedJob<'a>,
    dimension: usize,
}

impl<'a> NetworkOutput<'a> {
    pub(super) fn new(embedder: &dyn Embedder, job: &EmbedJob<'a>) -> Self {
        Self { job: *job, dimension: embedder.dimension() }
    }

    /// Number of output values for a batch.
    fn numbers(&self, batch: &Batch) -> usize {
        batch.rows.len() * passes(self.job.preprocess.mirror) * self.dimension
    }

    /// Turns the network's output, in `data` from `first` on, into a row for each valid face of the batch. Other faces
    /// become failures and lose their quality, so that the remaining qualities match the rows.
    fn judge(&self, batch: &mut Batch, data: &mut Vec<f32>, first: usize) {
        let mirror = self.job.preprocess.mirror;
        combine(data, first, self.dimension, mirror);
        self.drop_wrong_answers(batch, data, first, output_dimension(self.dimension, mirror));
    }

    /// Moves faces whose row is not a unit vector (not finite, zero) to the batch's failures.
    fn drop_wrong_answers(&self, batch: &mut Batch, data: &mut Vec<f32>, first: usize, width: usize) {
        let mut kept = first;
        let mut right = Vec::with_capacity(batch.rows.len());
        for (i, &row) in batch.rows.iter().enumerate() {
            let at = first + i * width;
            let wrong = not_unit(&data[at..at + width]);
            right.push(wrong.is_none());
            if let Some(length) = wrong {
                batch.failures.push(FailedFace {
                    row,
                    face_id: self.job.face(row).face_id.clone(),
                    kind: FailureKind::Forward,
                    message: format!("the network's output has length {length}, not 1"),
                });
            } else {
                data.copy_within(at..at + width, kept);
                kept += width;
            }
        }
        data.truncate(kept);
        let mut right = right.into_iter();
        batch.quality.retain(|_| right.next() == Some(true));
        batch.failures.sort_by_key(|failure| failure.row);
    }
}

/// Combines the rows of faces and their mirror images, alternating from `first` on, into one row per face.
pub(super) fn combine(data: &mut Vec<f32>, first: usize, dimension: usize, mirror: Mirror) {
    if mirror == Mirror::None {
        return;
    }
    if mirror == Mirror::Sum {
        // Sums overwrite only values that have been read.
        let sums = (data.len() - first) / 2;
        for i in 0..sums {
            let face = first + i / dimension * 2 * dimension + i % dimension;
            data[first + i] = data[face] + data[face + dimension];
        }
        data.truncate(first + sums);
    }
    for row in data[first..].chunks_exact_mut(output_dimension(dimension, mirror)) {
        let length = length(row);
        for value in row {
            *value = (f64::from(*value) / length) as f32;
        }
    }
}

/// The length of an output that is not a unit vector: not finite, or zero.
pub(super) fn not_unit(row: &[f32]) -> Option<f64> {
    let length = length(row);
    // NaN is not within anything.
    let unit = (length - 1.0).abs() <= LENGTH_TOLERANCE;
    (!unit).then_some(length)
}

fn length(row: &[f32]) -> f64 {
    row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of two faces after an existing value.
    fn combined(rows: [[f32; 2]; 4], mirror: Mirror) -> Vec<f32> {
        let mut data = [&[9.0][..], rows.as_flattened()].concat();
        combine(&mut data, 1, 2, mirror);
        assert_eq!(data.remove(0), 9.0);
        data
    }

    #[test]
    fn sum_and_concat_are_normalised() {
        let rows = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.6, 0.8]];
        let sum = combined(rows, Mirror::Sum);
        assert_eq!(sum[..2], [0.5f32.sqrt(); 2]);
        let length = f64::from(1.6f32).hypot(f64::from(0.8f32));
        assert_eq!(sum[2..], [(f64::from(1.6f32) / length) as f32, (f64::from(0.8f32) / length) as f32]);
        let half = 0.5f64.sqrt();
        let both = combined(rows, Mirror::Concat);
        assert_eq!(both[..4], [half as f32, 0.0, 0.0, half as f32]);
        assert_eq!(both[4..], [half as f32, 0.0, (f64::from(0.6f32) * half) as f32, (f64::from(0.8f32) * half) as f32]);
        assert_eq!(combined(rows, Mirror::None), rows.as_flattened());
    }

    #[test]
    fn opposite_answers_have_no_sum() {
        let sum = combined([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.6, 0.8]], Mirror::Sum);
        assert!(!(length(&sum[..2]) - 1.0).abs().le(&LENGTH_TOLERANCE));
        assert!((length(&sum[2..]) - 1.0).abs() < 1e-7, "what stands beside it is as it was");
    }
}

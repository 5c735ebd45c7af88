//! One batch through the network: with or without its mirror image, and what counts as an answer.

use super::prepare::Batch;
use super::{Failure, FailureKind, output_dimension};
use crate::config::{Mirror, Preprocess, Standardise};
use crate::dataset::Face;
use crate::model::{Embedder, FaceBatch, ModelError};
use crate::preprocess;

/// How far from 1 the length of an answer may be: far more than any arithmetic's rounding, far less than a mistake.
const LENGTH_TOLERANCE: f64 = 1e-3;

/// The network with its mirroring and its buffers.
pub(super) struct Forward<'a> {
    embedder: &'a mut dyn Embedder,
    faces: &'a [Face],
    dimension: usize,
    mirror: Mirror,
    side: usize,
    standardise: Standardise,
    flipped: Vec<u8>,
    plain: Vec<f32>,
    mirrored: Vec<f32>,
}

impl<'a> Forward<'a> {
    pub(super) fn new(embedder: &'a mut dyn Embedder, faces: &'a [Face], preprocess: &Preprocess) -> Self {
        Self {
            dimension: embedder.info().dimension,
            embedder,
            faces,
            mirror: preprocess.mirror,
            side: preprocess.resize.size as usize,
            standardise: preprocess.standardise,
            flipped: Vec::new(),
            plain: Vec::new(),
            mirrored: Vec::new(),
        }
    }

    /// Appends a row to `data` for each face of the batch that has one; the others become failures of the batch and lose
    /// their quality, so that what is left of it stands beside the appended rows.
    pub(super) fn embed(&mut self, batch: &mut Batch, data: &mut Vec<f32>) -> Result<(), ModelError> {
        let count = batch.rows.len();
        if count == 0 {
            return Ok(());
        }
        let Self { embedder, dimension, mirror, side, standardise, flipped, plain, mirrored, .. } = self;
        let mut network = |pixels: &[u8], out: &mut [f32]| {
            embedder.embed(FaceBatch { pixels, count, side: *side, standardise: *standardise }, out)
        };
        let first = data.len();
        let width = output_dimension(*dimension, *mirror);
        data.resize(first + count * width, 0.0);
        let out = &mut data[first..];
        if *mirror == Mirror::None {
            network(&batch.pixels, out)?;
        } else {
            flipped.clone_from(&batch.pixels);
            preprocess::mirror(flipped, *side);
            plain.resize(count * *dimension, 0.0);
            mirrored.resize(count * *dimension, 0.0);
            network(&batch.pixels, plain)?;
            network(flipped, mirrored)?;
            let pairs = plain.chunks_exact(*dimension).zip(mirrored.chunks_exact(*dimension));
            for ((plain, mirrored), out) in pairs.zip(out.chunks_exact_mut(width)) {
                combine(plain, mirrored, *mirror, out);
            }
        }
        self.drop_wrong_answers(batch, data, first, width);
        Ok(())
    }

    /// Moves faces whose row is no unit vector (not finite, zero) to the batch's failures.
    fn drop_wrong_answers(&self, batch: &mut Batch, data: &mut Vec<f32>, first: usize, width: usize) {
        let mut kept = first;
        let mut quality = 0;
        for (i, &row) in batch.rows.iter().enumerate() {
            let at = first + i * width;
            let length = length(&data[at..at + width]);
            if (length - 1.0).abs() <= LENGTH_TOLERANCE {
                data.copy_within(at..at + width, kept);
                kept += width;
                batch.quality[quality] = batch.quality[i];
                quality += 1;
            } else {
                batch.failures.push(Failure {
                    row,
                    face_id: self.faces[row].face_id.clone(),
                    kind: FailureKind::Forward,
                    message: format!("the network's answer has length {length}, not 1"),
                });
            }
        }
        data.truncate(kept);
        batch.quality.truncate(quality);
        batch.failures.sort_by_key(|failure| failure.row);
    }
}

fn combine(plain: &[f32], mirrored: &[f32], mirror: Mirror, out: &mut [f32]) {
    if mirror == Mirror::Concat {
        out[..plain.len()].copy_from_slice(plain);
        out[plain.len()..].copy_from_slice(mirrored);
    } else {
        out.iter_mut().zip(plain).zip(mirrored).for_each(|((out, a), b)| *out = a + b);
    }
    let length = length(out);
    for value in out {
        *value = (f64::from(*value) / length) as f32;
    }
}

fn length(row: &[f32]) -> f64 {
    row.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sum_and_concat_are_normalised() {
        let mut sum = [0.0; 2];
        combine(&[1.0, 0.0], &[0.0, 1.0], Mirror::Sum, &mut sum);
        assert_eq!(sum, [0.5f32.sqrt(); 2]);
        let mut both = [0.0; 4];
        combine(&[1.0, 0.0], &[0.6, 0.8], Mirror::Concat, &mut both);
        let half = 0.5f64.sqrt();
        assert_eq!(both, [half as f32, 0.0, (f64::from(0.6f32) * half) as f32, (f64::from(0.8f32) * half) as f32]);
    }

    #[test]
    fn opposite_answers_have_no_sum() {
        let mut sum = [0.0; 2];
        combine(&[1.0, 0.0], &[-1.0, 0.0], Mirror::Sum, &mut sum);
        assert!(!(length(&sum) - 1.0).abs().le(&LENGTH_TOLERANCE));
    }
}

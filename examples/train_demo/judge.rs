//! How well a checkpoint tells persons apart that it has never seen: through the library's own inference path.

use std::fmt;

use facevault::dataset::synthetic;
use facevault::model::weights::Tensors;
use facevault::model::{self, Execution, FaceBatch, inception_resnet_v1::DIMENSION};
use facevault::model::{BatchSize, DeviceRequest, Kernels, ModelSpec, Network, Precision};
use facevault::preprocess::Standardise;
use rayon::prelude::*;

use crate::checkpoint::Failure;

/// Faces of persons from a universe that the training never draws from.
pub struct Gallery {
    pixels: Vec<u8>,
    samples: usize,
    side: usize,
}

/// Cosines of all pairs, summed up.
#[derive(Debug, Clone, Copy)]
pub struct Judgement {
    pub eer: f64,
    pub genuine_mean: f64,
    pub genuine_std: f64,
    pub impostor_mean: f64,
    pub impostor_std: f64,
    /// Mean of |cosine|.
    pub impostor_abs: f64,
}

impl Gallery {
    pub fn new(seed: u64, persons: u32, samples: u32, side: u32) -> Self {
        let faces: Vec<_> = (0..persons * samples)
            .into_par_iter()
            .map(|i| synthetic::render(seed, i / samples, i % samples, side).into_raw())
            .collect();
        Self { pixels: faces.concat(), samples: samples as usize, side: side as usize }
    }

    pub fn judge(&self, tensors: &Tensors, width: f64) -> Result<Judgement, Failure> {
        let spec = ModelSpec { network: Network::InceptionResnetV1, width };
        let options = Execution {
            device: DeviceRequest::Cpu,
            precision: Precision::F32,
            kernels: Kernels::Auto,
            batch_size: BatchSize::Faces(64),
            threads: Some(rayon::current_num_threads()),
        };
        let count = self.pixels.len() / (self.side * self.side * 3);
        let standardise = Standardise { mean: 127.5, scale: 127.5 };
        let batch = FaceBatch { pixels: &self.pixels, count, side: self.side, standardise };
        let mut embeddings = vec![0f32; count * DIMENSION];
        model::open(&spec, self.side, &options, tensors, None, &|_| {})?.embed(batch, &mut embeddings)?;
        let rows: Vec<&[f32]> = embeddings.chunks_exact(DIMENSION).collect();
        let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
        for i in 0..count {
            for j in 0..i {
                let cosine = rows[i].iter().zip(rows[j]).map(|(a, b)| a * b).sum::<f32>();
                let same = i / self.samples == j / self.samples;
                if same { &mut genuine } else { &mut impostor }.push(f64::from(cosine));
            }
        }
        Ok(Judgement::of(genuine, impostor))
    }
}

impl Judgement {
    fn of(mut genuine: Vec<f64>, mut impostor: Vec<f64>) -> Self {
        let (genuine_mean, genuine_std) = mean_and_deviation(&genuine);
        let (impostor_mean, impostor_std) = mean_and_deviation(&impostor);
        let impostor_abs = impostor.iter().map(|v| v.abs()).sum::<f64>() / impostor.len() as f64;
        genuine.sort_by(f64::total_cmp);
        impostor.sort_by(f64::total_cmp);
        Self {
            eer: equal_error_rate(&genuine, &impostor),
            genuine_mean,
            genuine_std,
            impostor_mean,
            impostor_std,
            impostor_abs,
        }
    }
}

/// Where the share of genuine pairs below a threshold meets the share of impostor pairs at or above it. Both sorted.
fn equal_error_rate(genuine: &[f64], impostor: &[f64]) -> f64 {
    let mut below = 0;
    for (rejected, &threshold) in genuine.iter().enumerate() {
        while below < impostor.len() && impostor[below] < threshold {
            below += 1;
        }
        let missed = rejected as f64 / genuine.len() as f64;
        let accepted = (impostor.len() - below) as f64 / impostor.len() as f64;
        if missed >= accepted {
            return f64::midpoint(missed, accepted);
        }
    }
    1.0
}

fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n).sqrt())
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "EER {:.2}%, genuine {:.3} ± {:.3}, impostor {:+.3} ± {:.3}, mean |cos| {:.4}",
            self.eer * 100.0,
            self.genuine_mean,
            self.genuine_std,
            self.impostor_mean,
            self.impostor_std,
            self.impostor_abs
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_equal_error_rate_of_known_scores() {
        assert_eq!(equal_error_rate(&[0.5, 0.6, 0.7, 0.8], &[0.1, 0.2, 0.3, 0.4]), 0.0);
        assert_eq!(equal_error_rate(&[0.2, 0.6, 0.7, 0.8], &[0.1, 0.15, 0.3, 0.65]), 0.25);
    }
}

//! How well a checkpoint tells persons apart that it has never seen: through the library's own inference path.

use std::fmt;

use facevault::dataset::synthetic;
use facevault::model::weights::Tensors;
use facevault::model::{
    self, BatchSize, DeviceRequest, Execution, FaceBatch, Kernels, ModelSpec, Network, Precision,
    inception_resnet_v1::DIMENSION,
};
use facevault::preprocess::Standardise;
use facevault::verification::roc::{Roc, Survival};
use facevault::verification::tally::{Moments, Tally};
use rayon::prelude::*;

use crate::checkpoint::Failure;

/// Faces of persons from a universe that the training never draws from.
pub struct Gallery {
    pixels: Vec<u8>,
    samples: usize,
    side: usize,
}

/// Cosines of all pairs, summed up.
#[derive(Debug, Clone)]
pub struct Judgement {
    pub eer: f64,
    pub genuine: Moments,
    pub impostor: Moments,
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
        let spec = ModelSpec { width, ..ModelSpec::of(Network::InceptionResnetV1) };
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
        let (mut genuine, mut impostor) = (Tally::default(), Tally::default());
        for i in 0..count {
            for j in 0..i {
                let cosine = rows[i].iter().zip(rows[j]).map(|(a, b)| a * b).sum::<f32>();
                let same = i / self.samples == j / self.samples;
                if same { &mut genuine } else { &mut impostor }.add(cosine);
            }
        }
        let [same, others] = [&genuine, &impostor].map(|tally| Survival::new(&tally.counts));
        let eer = Roc { genuine: &same, impostor: &others }.eer().0;
        Ok(Judgement { eer, genuine: genuine.moments, impostor: impostor.moments })
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "EER {:.2}%, genuine {:.3} ± {:.3}, impostor {:+.3} ± {:.3}, mean |cos| {:.4}",
            self.eer * 100.0,
            self.genuine.mean(),
            self.genuine.std(),
            self.impostor.mean(),
            self.impostor.std(),
            self.impostor.mean_abs()
        )
    }
}

//! What is measured, and in which order. Pure.

use std::fmt;

use serde::Serialize;

use crate::config::{DeviceKind, EmbedOptions, Kernels, Precision};
use crate::model::BATCH;

/// A network that is put on a device once and measured at several batch sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Engine {
    /// Device.
    pub device: DeviceKind,
    /// Arithmetic.
    pub precision: Precision,
    /// Implementation that was asked for; `candle` on CUDA.
    pub kernels: Kernels,
    /// Threads of the forward pass; absent on CUDA.
    pub threads: Option<usize>,
}

/// One thing that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Variant {
    /// The network on its device.
    #[serde(flatten)]
    pub engine: Engine,
    /// Faces in one forward pass.
    pub batch: usize,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.device {
            DeviceKind::Cpu => write!(f, "cpu {} {}", self.kernels.name(), self.precision.name())?,
            DeviceKind::Cuda => write!(f, "cuda {}", self.precision.name())?,
        }
        self.threads.map_or(Ok(()), |threads| write!(f, " threads {threads}"))
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} batch {}", self.engine, self.batch)
    }
}

/// What a person asks for; an empty list stands for its default.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Default: CPU.
    pub devices: Vec<DeviceKind>,
    /// Default: the config's.
    pub precisions: Vec<Precision>,
    /// Default: the config's. CUDA has one implementation.
    pub kernels: Vec<Kernels>,
    /// Default: 1 and all cores. CUDA takes no threads.
    pub threads: Vec<usize>,
    /// Default: the config's.
    pub batches: Vec<usize>,
}

impl Wanted {
    /// Whether which networks are measured is left to the defaults.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.devices.is_empty() && self.precisions.is_empty() && self.kernels.is_empty()
    }

    /// All combinations, each once, the batch size varying fastest.
    #[must_use]
    pub fn variants(&self, options: &EmbedOptions, cores: usize) -> Vec<Variant> {
        let devices = or(&self.devices, &[DeviceKind::Cpu]);
        let precisions = or(&self.precisions, &[options.precision]);
        let kernels = or(&self.kernels, &[options.kernels]);
        let threads = or(&self.threads, &[1, cores]);
        let batches = or(&self.batches, &[options.batch_size.or(BATCH)]);
        let mut variants = Vec::new();
        for &device in &devices {
            for &precision in &precisions {
                let on_cpu = kernels.iter().flat_map(|kernels| threads.iter().map(move |n| (*kernels, Some(*n))));
                let ways: Vec<_> = match device {
                    DeviceKind::Cpu => on_cpu.collect(),
                    DeviceKind::Cuda => vec![(Kernels::Candle, None)],
                };
                for (kernels, threads) in ways {
                    let engine = Engine { device, precision, kernels, threads };
                    variants.extend(batches.iter().map(|&batch| Variant { engine, batch }));
                }
            }
        }
        variants
    }
}

/// The list, or its default where it is empty; each entry once.
fn or<T: Copy + PartialEq>(given: &[T], default: &[T]) -> Vec<T> {
    let mut list = Vec::new();
    for value in if given.is_empty() { default } else { given } {
        if !list.contains(value) {
            list.push(*value);
        }
    }
    list
}

/// The order of `n` variants in a round: every second round backwards, so that no variant always follows the same one.
pub(super) fn order(round: usize, n: usize) -> Vec<usize> {
    if round.is_multiple_of(2) { (0..n).collect() } else { (0..n).rev().collect() }
}

/// Which of `rows` rows stand for all: at most `faces`, evenly spaced, ascending.
pub(super) fn evenly_spaced(rows: usize, faces: usize) -> Vec<usize> {
    let faces = faces.min(rows);
    (0..faces).map(|i| i * rows / faces).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BatchSize, DeviceRequest, OnError};

    const OPTIONS: EmbedOptions = EmbedOptions {
        device: DeviceRequest::Auto,
        precision: Precision::F32,
        kernels: Kernels::Auto,
        batch_size: BatchSize::Auto,
        chunk_size: 1024,
        threads: None,
        on_error: OnError::Skip,
        max_failures: None,
    };

    fn names(wanted: &Wanted, cores: usize) -> Vec<String> {
        wanted.variants(&OPTIONS, cores).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_default_is_the_config_on_one_thread_and_on_all() {
        assert_eq!(
            names(&Wanted::default(), 2),
            ["cpu auto f32 threads 1 batch 32", "cpu auto f32 threads 2 batch 32"]
        );
        assert_eq!(names(&Wanted::default(), 1), ["cpu auto f32 threads 1 batch 32"]);
    }

    #[test]
    fn every_combination_comes_once_and_cuda_has_neither_kernels_nor_threads() {
        let wanted = Wanted {
            devices: vec![DeviceKind::Cpu, DeviceKind::Cuda],
            kernels: vec![Kernels::Avx2, Kernels::Candle, Kernels::Avx2],
            threads: vec![4],
            batches: vec![1, 8],
            ..Wanted::default()
        };
        let expected = [
            "cpu avx2 f32 threads 4 batch 1",
            "cpu avx2 f32 threads 4 batch 8",
            "cpu candle f32 threads 4 batch 1",
            "cpu candle f32 threads 4 batch 8",
            "cuda f32 batch 1",
            "cuda f32 batch 8",
        ];
        assert_eq!(names(&wanted, 2), expected);
        assert!(!wanted.is_default());
    }

    #[test]
    fn rounds_go_forth_and_back() {
        assert_eq!([order(0, 3), order(1, 3), order(2, 3)], [[0, 1, 2], [2, 1, 0], [0, 1, 2]]);
    }

    #[test]
    fn a_sample_spans_all_rows() {
        assert_eq!(evenly_spaced(10, 4), [0, 2, 5, 7]);
        assert_eq!(evenly_spaced(3, 64), [0, 1, 2]);
        assert!(evenly_spaced(0, 4).is_empty());
    }
}

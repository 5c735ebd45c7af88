//! What to measure, and in which order.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::embed::EmbedOptions;
use crate::model::{self, BATCH, DeviceKind, Kernels, Precision};

/// A network on a device, loaded once and measured at several batch sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NetworkSetup {
    /// Device.
    pub device: DeviceKind,
    /// Arithmetic.
    pub precision: Precision,
    /// Requested implementation; on CUDA `auto` or `candle`.
    pub kernels: Kernels,
    /// Threads of the forward pass; absent on CUDA.
    pub threads: Option<usize>,
}

/// One measured combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BenchVariant {
    /// The network on its device.
    #[serde(flatten)]
    pub engine: NetworkSetup,
    /// Faces in one forward pass.
    pub batch: usize,
}

impl fmt::Display for NetworkSetup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.device, self.kernels) {
            (DeviceKind::Cpu, kernels) => write!(f, "cpu {} {}", kernels.name(), self.precision.name())?,
            (DeviceKind::Cuda, Kernels::Candle) => write!(f, "cuda candle {}", self.precision.name())?,
            (DeviceKind::Cuda, _) => write!(f, "cuda {}", self.precision.name())?,
        }
        self.threads.map_or(Ok(()), |threads| write!(f, " threads {threads}"))
    }
}

impl fmt::Display for BenchVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} batch {}", self.engine, self.batch)
    }
}

/// One list on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Choice<T> {
    /// Not given.
    #[default]
    Default,
    /// `all`, or `grid` for batch sizes.
    All,
    /// These.
    Listed(Vec<T>),
}

impl<T: Copy + PartialEq> Choice<T> {
    /// Each entry once.
    fn resolve(&self, default: &[T], all: &[T]) -> Vec<T> {
        let given = match self {
            Self::Default => default,
            Self::All => all,
            Self::Listed(list) => list,
        };
        let mut list = Vec::new();
        for value in given {
            if !list.contains(value) {
                list.push(*value);
            }
        }
        list
    }
}

/// The requested variants; an empty list selects the default.
#[derive(Debug, Clone, Default)]
pub struct VariantSelection {
    /// Default: CPU. All: those that are available.
    pub devices: Choice<DeviceKind>,
    /// Default: the config's. All: those that each device supports.
    pub precisions: Choice<Precision>,
    /// Default: the config's. CUDA has `auto` and `candle`; any other means `auto` there.
    pub kernels: Vec<Kernels>,
    /// Default: 1 and all cores. Ignored on CUDA.
    pub threads: Vec<usize>,
    /// Default: the config's. All: each device's grid.
    pub batches: Choice<usize>,
}

/// The precisions that a device supports, those of a CPU as far as this one is made for them.
#[must_use]
pub fn precisions_of(device: DeviceKind) -> Vec<Precision> {
    match device {
        DeviceKind::Cpu => model::precisions_of_this_cpu(),
        DeviceKind::Cuda => vec![Precision::F32, Precision::Tf32, Precision::F16, Precision::Bf16],
    }
}

/// The batch sizes that show how a device's speed grows: a CPU peaks at a few faces per thread, a GPU needs hundreds.
#[must_use]
pub fn grid_of(device: DeviceKind) -> &'static [usize] {
    match device {
        DeviceKind::Cpu => &[1, 8, 32, 128],
        DeviceKind::Cuda => &[1, 8, 32, 128, 512, 1024],
    }
}

impl VariantSelection {
    /// All combinations, each once, the batch size varying fastest. `here` are the available devices.
    #[must_use]
    pub fn variants(&self, options: &EmbedOptions, cores: usize, here: &[DeviceKind]) -> Vec<BenchVariant> {
        let kernels = or(&self.kernels, &[options.kernels]);
        let threads = or(&self.threads, &[1, cores]);
        let mut variants = Vec::new();
        for device in self.devices.resolve(&[DeviceKind::Cpu], here) {
            let ways: Vec<_> = match device {
                DeviceKind::Cpu => {
                    kernels.iter().flat_map(|kernels| threads.iter().map(move |n| (*kernels, Some(*n)))).collect()
                }
                DeviceKind::Cuda => {
                    let on_card = |kernels: &Kernels| match kernels {
                        Kernels::Candle => Kernels::Candle,
                        _ => Kernels::Auto,
                    };
                    let kernels: Vec<_> = kernels.iter().map(on_card).collect();
                    or(&kernels, &[]).into_iter().map(|kernels| (kernels, None)).collect()
                }
            };
            let batches = self.batches.resolve(&[options.batch_size.or(BATCH)], grid_of(device));
            for precision in self.precisions.resolve(&[options.precision], &precisions_of(device)) {
                for &(kernels, threads) in &ways {
                    let engine = NetworkSetup { device, precision, kernels, threads };
                    variants.extend(batches.iter().map(|&batch| BenchVariant { engine, batch }));
                }
            }
        }
        variants
    }
}

/// The list, or its default if empty, without duplicates.
fn or<T: Copy + PartialEq>(given: &[T], default: &[T]) -> Vec<T> {
    let mut list = Vec::new();
    for value in if given.is_empty() { default } else { given } {
        if !list.contains(value) {
            list.push(*value);
        }
    }
    list
}

/// The order of `n` variants in a round; every second round is reversed, so that no variant always follows the same
/// one.
pub(super) fn order(round: usize, n: usize) -> Vec<usize> {
    if round.is_multiple_of(2) { (0..n).collect() } else { (0..n).rev().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: EmbedOptions = EmbedOptions::DEFAULT;

    fn names(wanted: &VariantSelection, cores: usize) -> Vec<String> {
        wanted.variants(&OPTIONS, cores, &[DeviceKind::Cpu]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_default_is_the_config_on_one_thread_and_on_all() {
        assert_eq!(
            names(&VariantSelection::default(), 2),
            ["cpu auto f32 threads 1 batch 32", "cpu auto f32 threads 2 batch 32"]
        );
        assert_eq!(names(&VariantSelection::default(), 1), ["cpu auto f32 threads 1 batch 32"]);
    }

    #[test]
    fn every_combination_comes_once_and_cuda_has_no_threads_and_two_implementations() {
        let wanted = VariantSelection {
            devices: Choice::Listed(vec![DeviceKind::Cpu, DeviceKind::Cuda]),
            kernels: vec![Kernels::Avx2, Kernels::Candle, Kernels::Avx2],
            threads: vec![4],
            batches: Choice::Listed(vec![1, 8]),
            ..VariantSelection::default()
        };
        let expected = [
            "cpu avx2 f32 threads 4 batch 1",
            "cpu avx2 f32 threads 4 batch 8",
            "cpu candle f32 threads 4 batch 1",
            "cpu candle f32 threads 4 batch 8",
            "cuda f32 batch 1",
            "cuda f32 batch 8",
            "cuda candle f32 batch 1",
            "cuda candle f32 batch 8",
        ];
        assert_eq!(names(&wanted, 2), expected);
    }

    #[test]
    fn all_is_what_is_here_in_each_devices_own_precisions_and_batch_sizes() {
        let wanted = VariantSelection {
            devices: Choice::All,
            precisions: Choice::All,
            batches: Choice::All,
            threads: vec![2],
            ..VariantSelection::default()
        };
        let of = |here: &[DeviceKind]| wanted.variants(&OPTIONS, 2, here);
        let both = of(&[DeviceKind::Cpu, DeviceKind::Cuda]);
        for device in [DeviceKind::Cpu, DeviceKind::Cuda] {
            let own: Vec<_> = both.iter().filter(|variant| variant.engine.device == device).collect();
            assert_eq!(own.len(), precisions_of(device).len() * grid_of(device).len());
            let known = |variant: &&BenchVariant| precisions_of(device).contains(&variant.engine.precision);
            assert!(own.iter().all(|variant| known(variant) && grid_of(device).contains(&variant.batch)));
        }
        assert!(of(&[DeviceKind::Cpu]).iter().all(|variant| variant.engine.device == DeviceKind::Cpu));
    }

    #[test]
    fn rounds_go_forth_and_back() {
        assert_eq!([order(0, 3), order(1, 3), order(2, 3)], [[0, 1, 2], [2, 1, 0], [0, 1, 2]]);
    }
}

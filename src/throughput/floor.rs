//! The minimum cost of the network, and a speed as a share of the device's peak. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::Precision;

/// What one face costs on any hardware.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Floor {
    /// Floating-point operations per face, counting a multiply-add as two; absent if no implementation counted them.
    pub flop: Option<f64>,
    /// Number of network parameters, which are read at least once per batch.
    pub parameters: u64,
    /// Bytes per face: pixels in, embedding out.
    pub bytes: u64,
}

/// The speed of a variant as arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Reached {
    /// 10¹² floating-point operations a second.
    pub tflops: f64,
    /// Peak of the GPU in this precision, from its data sheet; of a CPU, products of the kernels' kind from registers, on as many
    /// threads, as measured beforehand. Absent for an unlisted GPU and for kernels that are not ours.
    pub peak_tflops: Option<f64>,
    /// Share of the peak; above 1 where an algorithm such as Winograd's spares operations.
    pub share: Option<f64>,
}

impl Reached {
    /// At `rate` faces a second.
    pub fn of(flop: f64, rate: f64, peak_tflops: Option<f64>) -> Self {
        let tflops = flop * rate / 1e12;
        Self { tflops, peak_tflops, share: peak_tflops.map(|peak| tflops / peak) }
    }
}

/// Dense peaks of a card, TFLOP/s.
struct Peak {
    /// Words that the GPU's name contains, all of them.
    words: &'static [&'static str],
    /// f16 and bf16 on tensor cores, sums in f32.
    half: f64,
    /// tf32 on tensor cores; 0 where there is none.
    tf32: f64,
    /// f32 without tensor cores.
    f32: f64,
}

/// From NVIDIA's data sheets and architecture white papers (Volta, Turing, Ampere, Ada, Hopper), dense, at boost
/// clocks; written from memory and not checked against the sheets. Figures given only with sparsity are halved. The
/// first match wins.
const PEAKS: [Peak; 18] = [
    Peak { words: &["H200", "NVL"], half: 835.5, tf32: 417.5, f32: 60.0 },
    Peak { words: &["H200"], half: 989.5, tf32: 494.5, f32: 67.0 },
    Peak { words: &["H100", "NVL"], half: 835.5, tf32: 417.5, f32: 60.0 },
    Peak { words: &["H100", "PCIe"], half: 756.5, tf32: 378.0, f32: 51.0 },
    Peak { words: &["H100", "HBM3"], half: 989.5, tf32: 494.5, f32: 67.0 },
    Peak { words: &["A100"], half: 312.0, tf32: 156.0, f32: 19.5 },
    Peak { words: &["A30"], half: 165.0, tf32: 82.0, f32: 10.3 },
    Peak { words: &["A10"], half: 125.0, tf32: 62.5, f32: 31.2 },
    Peak { words: &["A40"], half: 149.7, tf32: 74.8, f32: 37.4 },
    Peak { words: &["RTX", "A6000"], half: 154.8, tf32: 77.4, f32: 38.7 },
    Peak { words: &["L40S"], half: 362.05, tf32: 183.0, f32: 91.6 },
    Peak { words: &["L40"], half: 181.05, tf32: 90.5, f32: 90.5 },
    Peak { words: &["L4"], half: 121.0, tf32: 60.0, f32: 30.3 },
    Peak { words: &["RTX", "4090"], half: 165.2, tf32: 82.6, f32: 82.6 },
    Peak { words: &["RTX", "3090"], half: 71.0, tf32: 35.6, f32: 35.6 },
    Peak { words: &["V100", "SXM2"], half: 125.0, tf32: 0.0, f32: 15.7 },
    Peak { words: &["V100", "PCIE"], half: 112.0, tf32: 0.0, f32: 14.0 },
    Peak { words: &["T4"], half: 65.0, tf32: 0.0, f32: 8.1 },
];

/// Number of GPUs in a device's name, and the name of one: `2 × NVIDIA L4`.
pub fn cards(device: &str) -> (usize, &str) {
    let several = device.split_once(" × ").and_then(|(count, name)| Some((count.parse().ok()?, name)));
    several.unwrap_or((1, device))
}

/// Peak of one or several GPUs in a precision, TFLOP/s, by the driver's name. Absent for unlisted GPUs and for variants
/// that the data sheets do not cover.
pub fn peak_tflops(device: &str, precision: Precision) -> Option<f64> {
    let (count, card) = cards(device);
    let words: Vec<&str> = card.split([' ', '-']).collect();
    // Laptop chips and the slower 4090 D share the name of the desktop GPU.
    if words.iter().any(|word| ["Laptop", "Max", "D", "MIG"].contains(word)) {
        return None;
    }
    let peak = PEAKS.iter().find(|peak| peak.words.iter().all(|word| words.contains(word)))?;
    let peak = match precision {
        Precision::F32 => peak.f32,
        Precision::Tf32 => peak.tf32,
        Precision::F16 | Precision::Bf16 => peak.half,
        Precision::Bf16x3 | Precision::Int8 => 0.0,
    };
    (peak > 0.0).then_some(count as f64 * peak)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_are_known_by_their_drivers_names() {
        let half = |card| peak_tflops(card, Precision::F16);
        assert_eq!(half("NVIDIA H100 80GB HBM3"), Some(989.5));
        assert_eq!(half("NVIDIA H100 PCIe"), Some(756.5));
        assert_eq!(half("NVIDIA H200"), Some(989.5));
        assert_eq!(half("NVIDIA H200 NVL"), Some(835.5));
        assert_eq!(half("NVIDIA A100-SXM4-80GB"), Some(312.0));
        assert_eq!(half("NVIDIA A100 80GB PCIe"), Some(312.0));
        assert_eq!((half("NVIDIA L4"), half("NVIDIA L40S")), (Some(121.0), Some(362.05)));
        assert_eq!(half("NVIDIA GeForce RTX 4090"), Some(165.2));
        assert_eq!((half("NVIDIA GeForce RTX 4090 Laptop GPU"), half("NVIDIA GeForce RTX 4090 D")), (None, None));
        assert_eq!((half("NVIDIA H100 80GB HBM3 MIG 1g.10gb"), half("Some card")), (None, None));
        assert_eq!((half("2 × NVIDIA L4"), cards("2 × NVIDIA L4")), (Some(242.0), (2, "NVIDIA L4")));
        assert_eq!(peak_tflops("Tesla V100-SXM2-16GB", Precision::Tf32), None);
        assert_eq!(peak_tflops("NVIDIA A100-SXM4-80GB", Precision::F32), Some(19.5));
    }

    #[test]
    fn lower_precisions_are_no_slower_on_any_card() {
        assert!(PEAKS.iter().all(|peak| peak.half >= peak.f32 && (peak.tf32 == 0.0 || peak.half > peak.tf32)));
    }

    #[test]
    fn a_share_is_of_the_peak_where_it_is_known() {
        let found = Reached::of(2e9, 10_000.0, Some(80.0));
        assert_eq!((found.tflops, found.share), (20.0, Some(0.25)));
        assert_eq!(Reached::of(2e9, 10_000.0, None).share, None);
    }
}

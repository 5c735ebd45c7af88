//! Weights as the kernels read them: BatchNorm folded, scales folded, panels of channels next to each other.

use crate::sets::WeightFormat;

/// Shape of a packed convolution.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Kernel height × width.
    pub taps: usize,
    /// Taps whose words a kernel reads as one run.
    pub run: usize,
    /// Input channels of the checkpoint.
    pub inputs: usize,
    /// Input channels in memory: those of the checkpoint and padding.
    pub padded: usize,
}

/// For each input channel of the checkpoint: where it is in memory, and how much one unit of it there is worth.
pub type Channels = Vec<(usize, f32)>;

/// A convolution's weights and where its input channels lie.
pub struct Filters<'a> {
    /// out × in × kh × kw.
    pub weight: &'a [f32],
    /// Of the convolution.
    pub shape: Shape,
    /// Of its input.
    pub channels: &'a [(usize, f32)],
}

impl Filters<'_> {
    fn weight(&self, output: usize, input: usize, tap: usize) -> f32 {
        self.weight[(output * self.shape.inputs + input) * self.shape.taps + tap]
    }

    /// Appends one panel: taps × (padded / per word) × width words — of split bf16, runs × whole blocks × width —, for the output channels `outputs`; fewer than `width`
    /// are followed by zeros. Each output's weights are multiplied with its `scale`.
    pub fn panel(
        &self,
        outputs: std::ops::Range<usize>,
        width: usize,
        kind: WeightFormat,
        scale: impl Fn(usize) -> f32,
        out: &mut Vec<u32>,
    ) {
        let per_word = match kind {
            WeightFormat::F32 | WeightFormat::RoundedF32 | WeightFormat::SplitBf16 => 1,
            WeightFormat::Bf16 | WeightFormat::I16 => 2,
            WeightFormat::I8 => 4,
        };
        let Shape { taps, run, padded, .. } = self.shape;
        let words = padded / per_word;
        let rows = kind.rows(run * words);
        let first = out.len();
        out.resize(first + taps / run * rows * width, 0);
        for (lane, output) in outputs.enumerate() {
            let scale = scale(output);
            for (input, &(place, unit)) in self.channels.iter().enumerate() {
                for tap in 0..taps {
                    let value = self.weight(output, input, tap) * unit * scale;
                    // Of the first word of the run's panel.
                    let (start, word) = (first + tap / run * rows * width + lane, tap % run * words + place / per_word);
                    if kind == WeightFormat::SplitBf16 {
                        // A row holds the first parts of two channels; the second parts have rows behind those of all.
                        let (row, half) = (word / 2, 16 * (word % 2));
                        let nearest = half::bf16::from_f32(value);
                        let left = half::bf16::from_f32(value - nearest.to_f32());
                        out[start + row * width] |= u32::from(nearest.to_bits()) << half;
                        out[start + (rows / 2 + row) * width] |= u32::from(left.to_bits()) << half;
                        continue;
                    }
                    let bits = match kind {
                        WeightFormat::F32 | WeightFormat::SplitBf16 => value.to_bits(),
                        WeightFormat::RoundedF32 => half::bf16::from_f32(value).to_f32().to_bits(),
                        WeightFormat::Bf16 => u32::from(half::bf16::from_f32(value).to_bits()),
                        WeightFormat::I8 => u32::from(value.round_ties_even() as i8 as u8),
                        WeightFormat::I16 => u32::from(i16::from(value.round_ties_even() as i8) as u16),
                    };
                    out[start + word * width] |= bits << ((place % per_word) * (32 / per_word));
                }
            }
        }
    }

    /// The factor that makes the largest weight of an output channel 127.
    #[must_use]
    pub fn quantiser(&self, output: usize) -> f32 {
        let mut most = 0f32;
        for (input, &(_, unit)) in self.channels.iter().enumerate() {
            for tap in 0..self.shape.taps {
                most = most.max((self.weight(output, input, tap) * unit).abs());
            }
        }
        if most > 0.0 { 127.0 / most } else { 1.0 }
    }
}

/// G g Gᵀ of Winograd's F(4×4, 3×3): 3×3 → 6×6.
#[must_use]
pub fn winograd(kernel: &[f64; 9]) -> [f64; 36] {
    const G: [[f64; 3]; 6] = [
        [0.25, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];
    let mut out = [0.0; 36];
    for (y, row) in G.iter().enumerate() {
        let half: [f64; 3] = std::array::from_fn(|x| (0..3).map(|i| row[i] * kernel[i * 3 + x]).sum());
        for (x, column) in G.iter().enumerate() {
            out[y * 6 + x] = (0..3).map(|i| half[i] * column[i]).sum();
        }
    }
    out
}

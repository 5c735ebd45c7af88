//! Windows of maps.

use super::Tensor;
use crate::graph::Pool;

/// Along one axis: for a place of the window, which outputs it reads an input for, and which.
#[derive(Clone, Copy)]
struct Axis {
    input: usize,
    output: usize,
    stride: usize,
    before: usize,
    dilation: usize,
}

impl Axis {
    /// The input that output `at` reads through place `tap` of its window.
    fn read(&self, at: usize, tap: usize) -> Option<usize> {
        (at * self.stride + tap * self.dilation).checked_sub(self.before).filter(|place| *place < self.input)
    }

    /// The outputs that read an input through `tap`.
    fn outputs(&self, tap: usize) -> std::ops::Range<usize> {
        let offset = tap * self.dilation;
        let first = self.before.saturating_sub(offset).div_ceil(self.stride);
        let end = (self.input + self.before).saturating_sub(offset).div_ceil(self.stride).min(self.output);
        first.min(end)..end
    }
}

fn axes(
    x: &Tensor<'_>,
    shape: &[usize],
    stride: (usize, usize),
    padding: [usize; 4],
    dilation: (usize, usize),
) -> (Axis, Axis) {
    let axis =
        |i: usize, stride, before, dilation| Axis { input: x.shape[i], output: shape[i], stride, before, dilation };
    (axis(2, stride.0, padding[0], dilation.0), axis(3, stride.1, padding[1], dilation.1))
}

pub(super) fn convolution(
    inputs: &[Tensor<'_>],
    shape: &[usize],
    stride: (usize, usize),
    padding: [usize; 4],
    dilation: (usize, usize),
    groups: usize,
) -> Vec<f64> {
    let (x, weight) = (&inputs[0], &inputs[1]);
    let (down, across) = axes(x, shape, stride, padding, dilation);
    let [outputs, channels, height, width] = *weight.shape else { panic!("a weight has four axes") };
    assert_eq!(channels * groups, x.shape[1], "groups of channels");
    let (read, written) = (down.input * across.input, down.output * across.output);
    let mut output = vec![0.0; outputs * written];
    for (o, map) in output.chunks_mut(written.max(1)).enumerate() {
        if let Some(bias) = inputs.get(2) {
            map.fill(bias.data[o]);
        }
        let first = o / (outputs / groups) * channels;
        for c in 0..channels {
            let source = &x.data[(first + c) * read..][..read];
            for (tap, factor) in weight.data[(o * channels + c) * height * width..][..height * width].iter().enumerate()
            {
                let (ky, kx) = (tap / width, tap % width);
                let columns = across.outputs(kx);
                if columns.is_empty() {
                    continue;
                }
                let start = columns.start * across.stride + kx * across.dilation - across.before;
                for row in down.outputs(ky) {
                    let line = row * down.stride + ky * down.dilation - down.before;
                    let line = &source[line * across.input + start..(line + 1) * across.input];
                    let sums = &mut map[row * across.output..][columns.clone()];
                    if across.stride == 1 {
                        sums.iter_mut().zip(line).for_each(|(sum, x)| *sum += factor * x);
                    } else {
                        sums.iter_mut().zip(line.iter().step_by(across.stride)).for_each(|(sum, x)| *sum += factor * x);
                    }
                }
            }
        }
    }
    output
}

pub(super) fn pool(
    x: &Tensor<'_>,
    shape: &[usize],
    pool: Pool,
    kernel: (usize, usize),
    stride: (usize, usize),
    padding: [usize; 4],
    dilation: (usize, usize),
) -> Vec<f64> {
    let (down, across) = axes(x, shape, stride, padding, dilation);
    let inside = |axis: &Axis, taps: usize, after: usize, at: usize| {
        let last = axis.before + axis.input + after;
        (0..taps).filter(|tap| at * axis.stride + tap * axis.dilation < last).count()
    };
    let mut output = Vec::with_capacity(shape.iter().product());
    for map in x.data.chunks((down.input * across.input).max(1)) {
        for row in 0..down.output {
            for column in 0..across.output {
                let lines = (0..kernel.0).filter_map(|tap| down.read(row, tap));
                let window = lines.flat_map(|line| {
                    (0..kernel.1)
                        .filter_map(move |tap| across.read(column, tap))
                        .map(move |x| map[line * across.input + x])
                });
                output.push(match pool {
                    Pool::Max => window.fold(f64::NEG_INFINITY, f64::max),
                    Pool::Mean => {
                        let (sum, count) = window.fold((0.0, 0), |(sum, count), x| (sum + x, count + 1));
                        sum / f64::from(count)
                    }
                    Pool::MeanWithPadding => {
                        let count =
                            inside(&down, kernel.0, padding[2], row) * inside(&across, kernel.1, padding[3], column);
                        window.sum::<f64>() / count as f64
                    }
                });
            }
        }
    }
    output
}

//! R-Net and O-Net: is a crop a face, and how does its box move.

use std::ops::Range;

use facevault_kernels::shallow::{Layer, Patches, Shallow, pooled};
use image::RgbImage;

use crate::networks::Networks;
use crate::resample::{Resampler, window};

/// Crops that go through the matrices together, so that those are read once for all.
pub(crate) const BATCH: usize = 48;

/// A convolution with PReLU, and maximum pooling.
#[derive(Debug)]
struct Stage {
    layer: Layer,
    /// Side of the input and of what the convolution gives, pixels.
    sides: [usize; 2],
    /// Where the runs of a patch begin.
    runs: Vec<usize>,
    /// Where the patches start.
    starts: Vec<u32>,
    /// Side of the pooling's windows, or none.
    pool: Option<usize>,
}

/// A network over square crops.
#[derive(Debug)]
pub(crate) struct Refiner {
    shallow: Shallow,
    side: usize,
    stages: Vec<Stage>,
    dense: Layer,
    heads: Layer,
    /// Numbers that the stages give for a crop.
    features: usize,
}

/// Pictures between the stages, and what the matrices give.
#[derive(Debug, Default)]
pub(crate) struct RefinerBuffers {
    resampler: Resampler,
    pictures: [Vec<f32>; 2],
    features: Vec<f32>,
    hidden: Vec<f32>,
    heads: Vec<f32>,
    starts: Vec<u32>,
}

impl Refiner {
    /// R-Net: 24×24 pixels → two logits, four regressions.
    pub(crate) fn rnet(networks: &Networks, shallow: Shallow) -> Self {
        let stages = [(28, 3, Some(3)), (48, 3, Some(3)), (64, 2, None)];
        Self::new(networks, shallow, "rnet", 24, &stages, "4", &["5_1", "5_2"])
    }

    /// O-Net: 48×48 pixels → two logits, four regressions, five x and five y of landmarks.
    pub(crate) fn onet(networks: &Networks, shallow: Shallow) -> Self {
        let stages = [(32, 3, Some(3)), (64, 3, Some(3)), (64, 3, Some(2)), (128, 2, None)];
        Self::new(networks, shallow, "onet", 48, &stages, "5", &["6_1", "6_2", "6_3"])
    }

    fn new(
        networks: &Networks,
        shallow: Shallow,
        name: &str,
        side: usize,
        stages: &[(usize, usize, Option<usize>)],
        dense: &str,
        heads: &[&str],
    ) -> Self {
        let (mut size, mut channels) = (side, 3);
        let stages = stages
            .iter()
            .zip(1..)
            .map(|(&(outputs, kernel, pool), index)| {
                let (conv, prelu) = (format!("{name}.conv{index}"), format!("{name}.prelu{index}"));
                let layer = networks.convolution(shallow, &conv, &prelu, channels, kernel);
                let sides = [size, size - kernel + 1];
                let starts = (0..sides[1]).flat_map(|y| (0..sides[1]).map(move |x| ((y * size + x) * channels) as u32));
                let stage = Stage {
                    layer,
                    sides,
                    runs: (0..kernel).map(|y| y * size * channels).collect(),
                    starts: starts.collect(),
                    pool,
                };
                (size, channels) = (pool.map_or(sides[1], |window| pooled(sides[1], window)), outputs);
                stage
            })
            .collect();
        let heads: Vec<String> = heads.iter().map(|head| format!("{name}.dense{head}")).collect();
        let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
        let dense =
            networks.dense(shallow, &format!("{name}.dense{dense}"), &format!("{name}.prelu{dense}"), channels, size);
        let heads = networks.heads(shallow, &heads, dense.outputs());
        Self { shallow, side, stages, dense, heads, features: size * size * channels }
    }

    /// What the network says of up to [`BATCH`] crops, columns and rows of the photo: two logits, four regressions and, from
    /// O-Net, ten coordinates for each.
    pub(crate) fn run<'a>(
        &self,
        photo: &RgbImage,
        crops: &[[Range<usize>; 2]],
        buffers: &'a mut RefinerBuffers,
    ) -> std::slice::ChunksExact<'a, f32> {
        buffers.features.resize(crops.len() * self.features, 0.0);
        for (index, crop) in crops.iter().enumerate() {
            self.crop(photo, crop, buffers);
            self.features(index, buffers);
        }
        let RefinerBuffers { features, hidden, heads, starts, .. } = buffers;
        apply(&self.dense, self.features, features, crops.len(), starts, hidden);
        apply(&self.heads, self.dense.outputs(), hidden, crops.len(), starts, heads);
        heads.chunks_exact(self.heads.outputs())
    }

    /// The crop, resampled and standardised.
    fn crop(&self, photo: &RgbImage, [columns, rows]: &[Range<usize>; 2], buffers: &mut RefinerBuffers) {
        let RefinerBuffers { resampler, pictures: [picture, _], .. } = buffers;
        resampler.prepare(columns.clone(), self.side, 0..self.side);
        picture.resize(self.side * self.side * 3, 0.0);
        for (y, out) in picture.chunks_exact_mut(self.side * 3).enumerate() {
            let window = window(y, self.side, rows.len());
            resampler.row(self.shallow, photo, rows.start + window.start..rows.start + window.end, out);
        }
    }

    /// Its features, from `pictures[0]`.
    fn features(&self, index: usize, buffers: &mut RefinerBuffers) {
        let RefinerBuffers { pictures: [picture, result], features, .. } = buffers;
        for (stage, left) in self.stages.iter().zip((0..self.stages.len()).rev()) {
            let [_, side] = stage.sides;
            let patches = Patches { input: picture, runs: &stage.runs, starts: &stage.starts };
            let outputs = stage.layer.outputs();
            let out = if left == 0 {
                &mut features[index * self.features..][..self.features]
            } else {
                result.resize(side * side * outputs, 0.0);
                &mut result[..]
            };
            stage.layer.apply(patches, out);
            if let Some(window) = stage.pool {
                let pooled = pooled(side, window);
                picture.resize(pooled * pooled * outputs, 0.0);
                self.shallow.pool(result, side, outputs, window, picture);
            }
        }
    }
}

/// A matrix over `count` rows of `inputs` numbers.
fn apply(layer: &Layer, inputs: usize, rows: &[f32], count: usize, starts: &mut Vec<u32>, out: &mut Vec<f32>) {
    starts.clear();
    starts.extend((0..count).map(|row| (row * inputs) as u32));
    out.resize(count * layer.outputs(), 0.0);
    layer.apply(Patches { input: rows, runs: &[0], starts }, out);
}

//! InceptionResnetV1 (FaceNet): 3×S×S RGB → 512, S ≥ 75, published at S = 160 with 2.846 GFLOP a face.
//!
//! Papers: Schroff et al. 2015 (arXiv 1503.03832), Szegedy et al. 2016 (arXiv 1602.07261). Reference implementation:
//! `facenet_pytorch.InceptionResnetV1`; keys below are the keys of its checkpoint.
//!
//! The network is data first: [`convolutions`] lists every convolution with its key and geometry, and everything else
//! (the parameters a checkpoint must hold, the candle graph, a fused CPU plan) is read off that list.

use super::parameter_list::ParameterList;
use crate::weights::Parameter;

/// Numbers in one embedding, whatever the width.
pub const DIMENSION: usize = 512;

/// Smallest input side for which every layer still has an output: `mixed_7a` needs a map of 3×3 pixels.
pub const MIN_SIDE: usize = 75;

/// Added to the variance in every BatchNorm (TensorFlow Slim's value, kept by the conversion).
pub const BATCH_NORM_EPSILON: f64 = 1e-3;

/// Keys of the published checkpoint that the embedding does not need: the training classifier, and BatchNorm's counters.
pub const UNUSED_KEYS: &[&str] = &["logits.*", "*.num_batches_tracked"];

/// Blocks of each residual stage, and the factor on the residual branch.
pub const BLOCK35: (usize, f64) = (5, 0.17);
/// Blocks of `repeat_2` and their scale.
pub const BLOCK17: (usize, f64) = (10, 0.10);
/// Blocks of `repeat_3` and their scale. One more follows as `block8`, with scale 1 and without ReLU.
pub const BLOCK8: (usize, f64) = (5, 0.20);

/// What follows a convolution's product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// BatchNorm, then ReLU: `<key>.conv.weight`, `<key>.bn.*`.
    NormRelu,
    /// A bias, nothing else: `<key>.weight`, `<key>.bias`. The block scales, adds and rectifies.
    Bias,
}

/// One convolution of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Convolution {
    /// Path in the checkpoint.
    pub key: String,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Kernel height and width.
    pub kernel: (usize, usize),
    /// Stride of both axes.
    pub stride: usize,
    /// Zero padding of height and width.
    pub padding: (usize, usize),
    /// What follows it.
    pub after: After,
}

/// Channels at a width: `channels × width`, rounded, at least 4. The embedding is never scaled.
#[must_use]
pub fn scaled(channels: usize, width: f64) -> usize {
    ((channels as f64 * width).round() as usize).max(4)
}

/// Channels that leave each stage, at a width: Block35, `mixed_6a`/Block17, `mixed_7a`/Block8.
///
/// A concatenation is as wide as its scaled parts, which need not be the scaled sum.
#[must_use]
pub fn stage_channels(width: f64) -> [usize; 3] {
    let c = |channels| scaled(channels, width);
    let stage1 = c(256);
    let stage2 = c(384) + c(256) + stage1;
    let stage3 = c(384) + c(256) + c(256) + stage2;
    [stage1, stage2, stage3]
}

/// Every convolution, in the order of the forward pass.
#[must_use]
pub fn convolutions(width: f64) -> Vec<Convolution> {
    use After::{Bias, NormRelu};
    const K1: (usize, usize) = (1, 1);
    const K3: (usize, usize) = (3, 3);
    const P0: (usize, usize) = (0, 0);
    const P1: (usize, usize) = (1, 1);

    let c = |channels| scaled(channels, width);
    let [stage1, stage2, stage3] = stage_channels(width);
    let mut all = Vec::new();
    let mut conv = |key: &str, inputs, outputs, kernel, stride, padding, after| {
        all.push(Convolution { key: key.to_owned(), inputs, outputs, kernel, stride, padding, after });
    };

    conv("conv2d_1a", 3, c(32), K3, 2, P0, NormRelu);
    conv("conv2d_2a", c(32), c(32), K3, 1, P0, NormRelu);
    conv("conv2d_2b", c(32), c(64), K3, 1, P1, NormRelu);
    // max pool 3/2
    conv("conv2d_3b", c(64), c(80), K1, 1, P0, NormRelu);
    conv("conv2d_4a", c(80), c(192), K3, 1, P0, NormRelu);
    conv("conv2d_4b", c(192), stage1, K3, 2, P0, NormRelu);

    for i in 0..BLOCK35.0 {
        let at = |branch: &str| format!("repeat_1.{i}.{branch}");
        conv(&at("branch0"), stage1, c(32), K1, 1, P0, NormRelu);
        conv(&at("branch1.0"), stage1, c(32), K1, 1, P0, NormRelu);
        conv(&at("branch1.1"), c(32), c(32), K3, 1, P1, NormRelu);
        conv(&at("branch2.0"), stage1, c(32), K1, 1, P0, NormRelu);
        conv(&at("branch2.1"), c(32), c(32), K3, 1, P1, NormRelu);
        conv(&at("branch2.2"), c(32), c(32), K3, 1, P1, NormRelu);
        conv(&at("conv2d"), 3 * c(32), stage1, K1, 1, P0, Bias);
    }

    conv("mixed_6a.branch0", stage1, c(384), K3, 2, P0, NormRelu);
    conv("mixed_6a.branch1.0", stage1, c(192), K1, 1, P0, NormRelu);
    conv("mixed_6a.branch1.1", c(192), c(192), K3, 1, P1, NormRelu);
    conv("mixed_6a.branch1.2", c(192), c(256), K3, 2, P0, NormRelu);
    // max pool 3/2 of the input is the third branch

    for i in 0..BLOCK17.0 {
        let at = |branch: &str| format!("repeat_2.{i}.{branch}");
        conv(&at("branch0"), stage2, c(128), K1, 1, P0, NormRelu);
        conv(&at("branch1.0"), stage2, c(128), K1, 1, P0, NormRelu);
        conv(&at("branch1.1"), c(128), c(128), (1, 7), 1, (0, 3), NormRelu);
        conv(&at("branch1.2"), c(128), c(128), (7, 1), 1, (3, 0), NormRelu);
        conv(&at("conv2d"), 2 * c(128), stage2, K1, 1, P0, Bias);
    }

    conv("mixed_7a.branch0.0", stage2, c(256), K1, 1, P0, NormRelu);
    conv("mixed_7a.branch0.1", c(256), c(384), K3, 2, P0, NormRelu);
    conv("mixed_7a.branch1.0", stage2, c(256), K1, 1, P0, NormRelu);
    conv("mixed_7a.branch1.1", c(256), c(256), K3, 2, P0, NormRelu);
    conv("mixed_7a.branch2.0", stage2, c(256), K1, 1, P0, NormRelu);
    conv("mixed_7a.branch2.1", c(256), c(256), K3, 1, P1, NormRelu);
    conv("mixed_7a.branch2.2", c(256), c(256), K3, 2, P0, NormRelu);
    // max pool 3/2 of the input is the fourth branch

    let last = "block8".to_owned();
    for block in (0..BLOCK8.0).map(|i| format!("repeat_3.{i}")).chain([last]) {
        let at = |branch: &str| format!("{block}.{branch}");
        conv(&at("branch0"), stage3, c(192), K1, 1, P0, NormRelu);
        conv(&at("branch1.0"), stage3, c(192), K1, 1, P0, NormRelu);
        conv(&at("branch1.1"), c(192), c(192), (1, 3), 1, (0, 1), NormRelu);
        conv(&at("branch1.2"), c(192), c(192), (3, 1), 1, (1, 0), NormRelu);
        conv(&at("conv2d"), 2 * c(192), stage3, K1, 1, P0, Bias);
    }
    all
}

/// Every parameter that a checkpoint must hold, with its shape.
#[must_use]
pub fn parameters(width: f64) -> Vec<Parameter> {
    let mut all = ParameterList::default();
    for Convolution { key, inputs, outputs, kernel, after, .. } in convolutions(width) {
        let weight = [outputs, inputs, kernel.0, kernel.1];
        match after {
            After::NormRelu => {
                all.add(&format!("{key}.conv.weight"), &weight);
                all.batch_norm(&format!("{key}.bn"), outputs);
            }
            After::Bias => all.layer(&key, &weight),
        }
    }
    all.add("last_linear.weight", &[DIMENSION, stage_channels(width)[2]]);
    all.batch_norm("last_bn", DIMENSION);
    all.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_appears_once() {
        let mut keys: Vec<_> = parameters(0.25).into_iter().map(|p| p.key).collect();
        let all = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }
}

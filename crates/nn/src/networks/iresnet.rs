//! iResNet-50 and iResNet-100: 3×112×112 RGB → 512, 43.6 M and 65.2 M parameters: what most published face networks since
//! ArcFace are.
//!
//! Papers: Deng et al. 2019, "ArcFace" (arXiv 1801.07698); Duta et al. 2020, "Improved Residual Networks" (arXiv
//! 2004.04989). Reference implementation: insightface, `recognition/arcface_torch/backbones/iresnet.py`; keys below are the
//! keys of its `backbone.pth`. Faces are aligned by five points and standardised as (x − 127.5) / 127.5.
//!
//! The network is data first, as [`super::inception_resnet_v1`] is: [`blocks`] lists its blocks, and the parameters and
//! the graph are read off that list.

use facevault_graph::ValueId;

use super::Network;
use super::definition::{Definition, Window};

/// Numbers in one embedding.
pub const DIMENSION: usize = 512;
/// Side of the input, pixels.
pub const SIDE: usize = 112;
/// Channels that leave the stem.
pub const STEM: usize = 64;
/// Height and width of the map that the last product reads; it has 512 channels.
pub const LAST_SIDE: usize = 7;
/// Added to the variance in every BatchNorm.
pub const BATCH_NORM_EPSILON: f64 = 1e-5;

/// Keys of the published checkpoints that the embedding does not need: BatchNorm's counters.
pub const UNUSED_KEYS: &[&str] = &["*.num_batches_tracked"];

/// One residual block: BatchNorm, 3×3 convolution, BatchNorm, PReLU, 3×3 convolution with the stride, BatchNorm; added to
/// the input, which a strided 1×1 convolution with BatchNorm brings to its shape where it has another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidualBlock {
    /// Path in the checkpoint, e.g. `layer1.0`.
    pub key: String,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Stride of the second convolution and of the shortcut; 2 in the first block of each layer, whose shortcut is a
    /// convolution.
    pub stride: usize,
}

/// Blocks of each of the four layers.
fn depths(network: Network) -> [usize; 4] {
    match network {
        Network::Iresnet18 => [2, 2, 2, 2],
        Network::Iresnet34 => [3, 4, 6, 3],
        Network::Iresnet100 => [3, 13, 30, 3],
        Network::Iresnet200 => [6, 26, 60, 6],
        _ => [3, 4, 14, 3],
    }
}

/// Every block, in the order of the forward pass.
#[must_use]
pub fn blocks(network: Network) -> Vec<ResidualBlock> {
    let mut all = Vec::new();
    let mut inputs = STEM;
    for (layer, (depth, outputs)) in depths(network).into_iter().zip([64, 128, 256, 512]).enumerate() {
        for i in 0..depth {
            let stride = if i == 0 { 2 } else { 1 };
            all.push(ResidualBlock { key: format!("layer{}.{i}", layer + 1), inputs, outputs, stride });
            inputs = outputs;
        }
    }
    all
}

/// Face → embedding.
pub fn embedding(d: &mut Definition<'_>, face: ValueId, network: Network) -> ValueId {
    let x = d.convolution(face, "conv1", STEM, Window::same(3, 1), false);
    let x = d.batch_norm(x, "bn1", BATCH_NORM_EPSILON);
    let x = d.prelu(x, "prelu");
    let x = blocks(network).iter().fold(x, |x, block| residual(d, x, block));
    let x = d.batch_norm(x, "bn2", BATCH_NORM_EPSILON);
    let x = d.flatten(x);
    let x = d.linear(x, "fc", DIMENSION, true);
    d.batch_norm(x, "features", BATCH_NORM_EPSILON)
}

fn residual(d: &mut Definition<'_>, x: ValueId, block: &ResidualBlock) -> ValueId {
    let &ResidualBlock { ref key, outputs, stride, .. } = block;
    let at = |name: &str| format!("{key}.{name}");
    let y = d.batch_norm(x, &at("bn1"), BATCH_NORM_EPSILON);
    let y = d.convolution(y, &at("conv1"), outputs, Window::same(3, 1), false);
    let y = d.batch_norm(y, &at("bn2"), BATCH_NORM_EPSILON);
    let y = d.prelu(y, &at("prelu"));
    let y = d.convolution(y, &at("conv2"), outputs, Window::same(3, stride), false);
    let y = d.batch_norm(y, &at("bn3"), BATCH_NORM_EPSILON);
    let shortcut = if stride > 1 {
        let shortcut = d.convolution(x, &at("downsample.0"), outputs, Window::same(1, stride), false);
        d.batch_norm(shortcut, &at("downsample.1"), BATCH_NORM_EPSILON)
    } else {
        x
    };
    d.add(y, shortcut)
}

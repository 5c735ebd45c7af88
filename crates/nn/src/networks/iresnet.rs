//! iResNet-50 and iResNet-100: 3×112×112 RGB → 512, 43.6 M and 65.2 M parameters: what most published face networks since
//! ArcFace are.
//!
//! Papers: Deng et al. 2019, "ArcFace" (arXiv 1801.07698); Duta et al. 2020, "Improved Residual Networks" (arXiv
//! 2004.04989). Reference implementation: insightface, `recognition/arcface_torch/backbones/iresnet.py`; keys below are the
//! keys of its `backbone.pth`. Faces are aligned by five points and standardised as (x − 127.5) / 127.5.
//!
//! The network is data first, as [`super::inception_resnet_v1`] is: [`blocks`] lists its blocks, and the parameters and
//! the graph are read off that list.

use super::Network;
use super::parameter_list::ParameterList;
use crate::weights::Parameter;

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
        Network::Iresnet100 => [3, 13, 30, 3],
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

/// Every parameter that a checkpoint must hold, with its shape.
#[must_use]
pub fn parameters(network: Network) -> Vec<Parameter> {
    let mut all = ParameterList::default();
    all.add("conv1.weight", &[STEM, 3, 3, 3]);
    all.batch_norm("bn1", STEM);
    all.add("prelu.weight", &[STEM]);
    for ResidualBlock { key, inputs, outputs, stride } in blocks(network) {
        all.batch_norm(&format!("{key}.bn1"), inputs);
        all.add(&format!("{key}.conv1.weight"), &[outputs, inputs, 3, 3]);
        all.batch_norm(&format!("{key}.bn2"), outputs);
        all.add(&format!("{key}.prelu.weight"), &[outputs]);
        all.add(&format!("{key}.conv2.weight"), &[outputs, outputs, 3, 3]);
        all.batch_norm(&format!("{key}.bn3"), outputs);
        if stride > 1 {
            all.add(&format!("{key}.downsample.0.weight"), &[outputs, inputs, 1, 1]);
            all.batch_norm(&format!("{key}.downsample.1"), outputs);
        }
    }
    all.batch_norm("bn2", 512);
    all.layer("fc", &[DIMENSION, 512 * LAST_SIDE * LAST_SIDE]);
    all.batch_norm("features", DIMENSION);
    all.0
}

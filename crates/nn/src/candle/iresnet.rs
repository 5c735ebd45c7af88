//! [iResNet](net). BatchNorm is folded into the product before it, the last one into the product after it. BatchNorm before a
//! padded convolution remains: its shift does not apply to the padding.

use candle_core::{Device, Result, Tensor};
use candle_nn::{Conv2d, Conv2dConfig, Module, PReLU};

use super::missing;
use crate::Network;
use crate::batch_norm::{self, Affine, Folded};
use crate::networks::iresnet::{self as net, BATCH_NORM_EPSILON, DIMENSION, LAST_SIDE, STEM};
use crate::weights::Tensors;

/// The network with its weights on one device.
pub(super) struct IresnetGraph {
    stem: Conv2d,
    prelu: PReLU,
    blocks: Vec<BlockLayers>,
    /// `bn2`, `fc` and `features` in one: (25,088 × 512, transposed for the product), and 512 biases.
    head: (Tensor, Tensor),
}

impl IresnetGraph {
    pub(super) fn new(network: Network, tensors: &Tensors, device: &Device) -> Result<Self> {
        let parts = Parts { tensors, device };
        let Folded { weight, bias } = head(tensors).map_err(missing)?;
        let weight = Tensor::from_vec(weight, (DIMENSION, ()), device)?.t()?.contiguous()?;
        Ok(Self {
            stem: parts.convolution("conv1", "bn1", [STEM, 3, 3, 3], 1)?,
            prelu: parts.prelu("prelu")?,
            blocks: net::blocks(network).iter().map(|block| BlockLayers::new(block, &parts)).collect::<Result<_>>()?,
            head: (weight, Tensor::from_vec(bias, (1, DIMENSION), device)?),
        })
    }
}

impl super::CandleGraph for IresnetGraph {
    /// (n, 3, 112, 112) → (n, 512).
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.prelu.forward(&self.stem.forward(x)?)?; //                            64×112×112
        // 64×56×56, 128×28×28, 256×14×14 and 512×7×7 leave the four layers.
        let x = self.blocks.iter().try_fold(x, |x, block| block.forward(&x))?;
        x.flatten_from(1)?.matmul(&self.head.0)?.broadcast_add(&self.head.1) //            512
    }
}

/// `bn2` on the last map, `fc` and `features`: a product of 512×7×7 inputs.
fn head(tensors: &Tensors) -> std::result::Result<Folded, String> {
    let before = batch_norm::affine(tensors, "bn2", BATCH_NORM_EPSILON)?;
    let after = batch_norm::affine(tensors, "features", BATCH_NORM_EPSILON)?;
    let (weight, bias) = (batch_norm::data(tensors, "fc", "weight")?, batch_norm::data(tensors, "fc", "bias")?);
    let plane = LAST_SIDE * LAST_SIDE;
    let mut folded = Folded { weight: Vec::with_capacity(weight.len()), bias: Vec::with_capacity(DIMENSION) };
    for (o, row) in weight.chunks_exact(weight.len() / DIMENSION).enumerate() {
        let mut sum = f64::from(bias[o]);
        for (channel, values) in row.chunks_exact(plane).enumerate() {
            sum += values.iter().map(|&w| f64::from(w)).sum::<f64>() * before.shift[channel];
            let factor = before.scale[channel] * after.scale[o];
            folded.weight.extend(values.iter().map(|&w| (f64::from(w) * factor) as f32));
        }
        folded.bias.push((sum * after.scale[o] + after.shift[o]) as f32);
    }
    Ok(folded)
}

struct BlockLayers {
    /// `bn1`: scale and shift, (1, inputs, 1, 1).
    norm: (Tensor, Tensor),
    conv1: Conv2d,
    prelu: PReLU,
    conv2: Conv2d,
    /// Where the shape changes.
    shortcut: Option<Conv2d>,
}

impl BlockLayers {
    fn new(block: &net::ResidualBlock, parts: &Parts<'_>) -> Result<Self> {
        let &net::ResidualBlock { ref key, inputs, outputs, stride } = block;
        let at = |name: &str| format!("{key}.{name}");
        let shortcut = (stride > 1)
            .then(|| parts.convolution(&at("downsample.0"), &at("downsample.1"), [outputs, inputs, 1, 1], stride));
        Ok(Self {
            norm: parts.norm(&at("bn1"))?,
            conv1: parts.convolution(&at("conv1"), &at("bn2"), [outputs, inputs, 3, 3], 1)?,
            prelu: parts.prelu(&at("prelu"))?,
            conv2: parts.convolution(&at("conv2"), &at("bn3"), [outputs, outputs, 3, 3], stride)?,
            shortcut: shortcut.transpose()?,
        })
    }

    /// (n, inputs, side, side) → (n, outputs, side / stride, side / stride).
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = x.broadcast_mul(&self.norm.0)?.broadcast_add(&self.norm.1)?;
        let y = self.conv2.forward(&self.prelu.forward(&self.conv1.forward(&y)?)?)?;
        match &self.shortcut {
            Some(shortcut) => y + shortcut.forward(x)?,
            None => y + x,
        }
    }
}

/// Makes layers from a checkpoint.
struct Parts<'a> {
    tensors: &'a Tensors,
    device: &'a Device,
}

impl Parts<'_> {
    /// A convolution that keeps the size but for the stride, with the BatchNorm behind it.
    fn convolution(&self, key: &str, norm: &str, shape: [usize; 4], stride: usize) -> Result<Conv2d> {
        let weight = batch_norm::data(self.tensors, key, "weight").map_err(missing)?;
        let folded = batch_norm::batch_norm(weight, self.tensors, norm, BATCH_NORM_EPSILON);
        let Folded { weight, bias } = folded.map_err(missing)?;
        let config = Conv2dConfig { padding: shape[2] / 2, stride, ..Conv2dConfig::default() };
        let bias = Tensor::from_vec(bias, shape[0], self.device)?;
        Ok(Conv2d::new(Tensor::from_vec(weight, &shape, self.device)?, Some(bias), config))
    }

    fn norm(&self, key: &str) -> Result<(Tensor, Tensor)> {
        let Affine { scale, shift } = batch_norm::affine(self.tensors, key, BATCH_NORM_EPSILON).map_err(missing)?;
        let channels = |values: &[f64]| {
            let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
            let count = values.len();
            Tensor::from_vec(values, (1, count, 1, 1), self.device)
        };
        Ok((channels(&scale)?, channels(&shift)?))
    }

    fn prelu(&self, key: &str) -> Result<PReLU> {
        let slopes = batch_norm::data(self.tensors, key, "weight").map_err(missing)?;
        Ok(PReLU::new(Tensor::new(slopes, self.device)?, false))
    }
}

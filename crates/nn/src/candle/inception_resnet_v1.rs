//! [`InceptionResnetV1`](net) with BatchNorm folded into the convolutions: the reference implementation on the CPU, and
//! the GPU path.

use std::collections::HashMap;

use candle_core::{Device, Result, Tensor};

use super::missing;
use crate::batch_norm::Folded;
use crate::folding;
use crate::networks::inception_resnet_v1::{self as net, After, Convolution, DIMENSION};
use crate::weights::Tensors;

/// The network with its weights on one device.
pub(super) struct InceptionGraph {
    convolutions: HashMap<String, FoldedConvolution>,
    /// `last_linear` and `last_bn` in one: (channels × 512, transposed for the product), and 512 biases.
    head: (Tensor, Tensor),
}

/// A convolution with whatever normalisation follows it folded in.
struct FoldedConvolution {
    spec: Convolution,
    /// (out, in, height, width).
    weight: Tensor,
    /// (1, out, 1, 1).
    bias: Tensor,
}

impl InceptionGraph {
    /// # Errors
    /// Those of the device. The tensors must hold [`net::parameters`], which `weights::require` checks.
    pub(super) fn new(tensors: &Tensors, width: f64, device: &Device) -> Result<Self> {
        let mut convolutions = HashMap::new();
        for spec in net::convolutions(width) {
            let Folded { weight, bias } = folding::convolution(tensors, &spec).map_err(missing)?;
            let (outputs, kernel) = (spec.outputs, spec.kernel);
            let weight = Tensor::from_vec(weight, (outputs, spec.inputs, kernel.0, kernel.1), device)?;
            let bias = Tensor::from_vec(bias, (1, outputs, 1, 1), device)?;
            convolutions.insert(spec.key.clone(), FoldedConvolution { spec, weight, bias });
        }
        let channels = net::stage_channels(width)[2];
        let Folded { weight, bias } = folding::head(tensors).map_err(missing)?;
        let weight = Tensor::from_vec(weight, (DIMENSION, channels), device)?.t()?.contiguous()?;
        Ok(Self { convolutions, head: (weight, Tensor::from_vec(bias, (1, DIMENSION), device)?) })
    }

    /// Convolution, bias and, where the network has one, ReLU.
    fn conv(&self, key: &str, x: &Tensor) -> Result<Tensor> {
        let FoldedConvolution { spec, weight, bias } =
            self.convolutions.get(key).ok_or_else(|| candle_core::Error::Msg(format!("no convolution {key}")))?;
        // candle knows one padding for both axes; the 1×7 and 7×1 layers need one per axis.
        let (height, width) = spec.padding;
        let y = if height == width {
            x.conv2d(weight, height, spec.stride, 1, 1)?
        } else {
            let padded = x.pad_with_zeros(2, height, height)?.pad_with_zeros(3, width, width)?;
            padded.conv2d(weight, 0, spec.stride, 1, 1)?
        };
        let y = y.broadcast_add(bias)?;
        if spec.after == After::NormRelu { y.relu() } else { Ok(y) }
    }

    /// A chain of convolutions inside `block`.
    fn branch(&self, block: &str, layers: &[&str], x: &Tensor) -> Result<Tensor> {
        layers.iter().try_fold(x.clone(), |x, layer| self.conv(&format!("{block}.{layer}"), &x))
    }

    /// x + scale · conv2d(concat(branches(x))).
    fn residual(&self, block: &str, branches: &[&[&str]], scale: f64, x: &Tensor) -> Result<Tensor> {
        let parts = branches.iter().map(|layers| self.branch(block, layers, x)).collect::<Result<Vec<_>>>()?;
        let y = self.conv(&format!("{block}.conv2d"), &Tensor::cat(&parts, 1)?)?;
        x + (y * scale)?
    }

    /// concat(branches(x), max pool(x)).
    fn reduce(&self, block: &str, branches: &[&[&str]], x: &Tensor) -> Result<Tensor> {
        let mut parts = branches.iter().map(|layers| self.branch(block, layers, x)).collect::<Result<Vec<_>>>()?;
        parts.push(max_pool(x)?);
        Tensor::cat(&parts, 1)
    }
}

impl super::CandleGraph for InceptionGraph {
    /// (n, 3, side, side) → (n, 512). Sizes in the comments are those of side 160 at width 1.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.conv("conv2d_1a", x)?; //                            32×79×79
        let x = self.conv("conv2d_2a", &x)?; //                           32×77×77
        let x = self.conv("conv2d_2b", &x)?; //                           64×77×77
        let x = max_pool(&x)?; //                                         64×38×38
        let x = self.conv("conv2d_3b", &x)?; //                           80×38×38
        let x = self.conv("conv2d_4a", &x)?; //                          192×36×36
        let mut x = self.conv("conv2d_4b", &x)?; //                      256×17×17
        for i in 0..net::BLOCK35.0 {
            let block = format!("repeat_1.{i}");
            x = self
                .residual(&block, &[&["branch0"], &["branch1.0", "branch1.1"], &BRANCH2], net::BLOCK35.1, &x)?
                .relu()?;
        }
        let x = self.reduce("mixed_6a", &[&["branch0"], &BRANCH1], &x)?; // 896×8×8
        let mut x = x;
        for i in 0..net::BLOCK17.0 {
            let block = format!("repeat_2.{i}");
            x = self.residual(&block, &[&["branch0"], &BRANCH1], net::BLOCK17.1, &x)?.relu()?;
        }
        let branches: [&[&str]; 3] = [&["branch0.0", "branch0.1"], &["branch1.0", "branch1.1"], &BRANCH2];
        let mut x = self.reduce("mixed_7a", &branches, &x)?; //         1792×3×3
        for i in 0..net::BLOCK8.0 {
            let block = format!("repeat_3.{i}");
            x = self.residual(&block, &[&["branch0"], &BRANCH1], net::BLOCK8.1, &x)?.relu()?;
        }
        let x = self.residual("block8", &[&["branch0"], &BRANCH1], 1.0, &x)?;
        let x = x.mean((2, 3))?; //                                      1792
        x.matmul(&self.head.0)?.broadcast_add(&self.head.1) //            512
    }
}

const BRANCH1: [&str; 3] = ["branch1.0", "branch1.1", "branch1.2"];
const BRANCH2: [&str; 3] = ["branch2.0", "branch2.1", "branch2.2"];

fn max_pool(x: &Tensor) -> Result<Tensor> {
    x.max_pool2d_with_stride(3, 2)
}

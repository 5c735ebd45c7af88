//! [`InceptionResnetV1`](super::inception_resnet_v1) as a candle graph with BatchNorm folded into the convolutions: the
//! reference implementation on the CPU, and the GPU path.

use std::collections::HashMap;

use candle_core::{D, Device, Result, Tensor};
use rayon::prelude::*;

use super::device::reason;
use super::folding::{self, Folded as FoldedParameters};
use super::inception_resnet_v1::{self as net, After, Convolution, DIMENSION};
use super::{Embedder, EmbedderInfo, FaceBatch, ModelError};
use crate::config::{DeviceKind, Precision};
use crate::weights::Tensors;

/// The network with its weights on one device.
struct Graph {
    convolutions: HashMap<String, Folded>,
    /// `last_linear` and `last_bn` in one: (channels × 512, transposed for the product), and 512 biases.
    head: (Tensor, Tensor),
}

/// A convolution with whatever normalisation follows it folded in.
struct Folded {
    spec: Convolution,
    /// (out, in, height, width).
    weight: Tensor,
    /// (1, out, 1, 1).
    bias: Tensor,
}

impl Graph {
    /// # Errors
    /// Those of the device. The tensors must hold [`net::parameters`], which `weights::require` checks.
    fn new(tensors: &Tensors, width: f64, device: &Device) -> Result<Self> {
        let mut convolutions = HashMap::new();
        for spec in net::convolutions(width) {
            let FoldedParameters { weight, bias } = folding::convolution(tensors, &spec).map_err(missing)?;
            let (outputs, kernel) = (spec.outputs, spec.kernel);
            let weight = Tensor::from_vec(weight, (outputs, spec.inputs, kernel.0, kernel.1), device)?;
            let bias = Tensor::from_vec(bias, (1, outputs, 1, 1), device)?;
            convolutions.insert(spec.key.clone(), Folded { spec, weight, bias });
        }
        let channels = net::stage_channels(width)[2];
        let FoldedParameters { weight, bias } = folding::head(tensors).map_err(missing)?;
        let weight = Tensor::from_vec(weight, (DIMENSION, channels), device)?.t()?.contiguous()?;
        Ok(Self { convolutions, head: (weight, Tensor::from_vec(bias, (1, DIMENSION), device)?) })
    }

    /// (n, 3, side, side) → (n, 512), unit rows. Sizes in the comments are those of side 160 at width 1.
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
        let x = x.matmul(&self.head.0)?.broadcast_add(&self.head.1)?; //  512
        // `torch.nn.functional.normalize`: the norm is bounded from below so that a zero vector stays zero.
        let norm = x.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?.maximum(1e-12f64)?;
        x.broadcast_div(&norm)
    }

    /// Convolution, bias and, where the network has one, ReLU.
    fn conv(&self, key: &str, x: &Tensor) -> Result<Tensor> {
        let Folded { spec, weight, bias } =
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

const BRANCH1: [&str; 3] = ["branch1.0", "branch1.1", "branch1.2"];
const BRANCH2: [&str; 3] = ["branch2.0", "branch2.1", "branch2.2"];

fn max_pool(x: &Tensor) -> Result<Tensor> {
    x.max_pool2d_with_stride(3, 2)
}

#[allow(clippy::needless_pass_by_value)] // What `map_err` hands over.
fn missing(key: String) -> candle_core::Error {
    candle_core::Error::Msg(format!("no tensor {key}"))
}

/// The graph as an [`Embedder`].
pub struct CandleEmbedder {
    graph: Graph,
    device: Device,
    info: EmbedderInfo,
    /// Runs images side by side on the CPU.
    pool: Option<rayon::ThreadPool>,
}

impl CandleEmbedder {
    /// Puts the network on a device. `threads` bounds the CPU path; `None` takes all cores.
    ///
    /// # Errors
    /// [`ModelError::Device`].
    pub fn new(
        tensors: &Tensors,
        width: f64,
        device: Device,
        device_name: String,
        threads: Option<usize>,
    ) -> std::result::Result<Self, ModelError> {
        let failed = |reason: String| ModelError::Device { device: device_name.clone(), reason };
        let graph = Graph::new(tensors, width, &device).map_err(|error| failed(reason(&error)))?;
        let (kind, pool) = if device.is_cpu() {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads.unwrap_or(0))
                .thread_name(|i| format!("forward-{i}"))
                .build()
                .map_err(|error| failed(error.to_string()))?;
            (DeviceKind::Cpu, Some(pool))
        } else {
            (DeviceKind::Cuda, None)
        };
        Ok(Self { graph, device, info: Self::describe(kind, device_name), pool })
    }

    /// What it is on a device.
    #[must_use]
    pub fn describe(device: DeviceKind, device_name: String) -> EmbedderInfo {
        EmbedderInfo {
            name: "inception-resnet-v1 (candle)".into(),
            dimension: DIMENSION,
            device,
            device_name,
            precision: Precision::F32,
        }
    }

    /// Standardises `count` interleaved 8-bit faces into a (count, 3, side, side) tensor and runs the graph.
    fn forward(&self, pixels: &[u8], count: usize, batch: &FaceBatch<'_>) -> Result<Vec<f32>> {
        let side = batch.side;
        // All 256 values once: the same division that the reference does for each pixel.
        let table: Vec<f32> =
            (0..=255u8).map(|v| (f32::from(v) - batch.standardise.mean) / batch.standardise.scale).collect();
        let plane = side * side;
        let mut values = vec![0f32; count * 3 * plane];
        for (face, planes) in pixels.chunks_exact(3 * plane).zip(values.chunks_exact_mut(3 * plane)) {
            for (i, rgb) in face.chunks_exact(3).enumerate() {
                for (channel, &v) in rgb.iter().enumerate() {
                    planes[channel * plane + i] = table[usize::from(v)];
                }
            }
        }
        let input = Tensor::from_vec(values, (count, 3, side, side), &self.device)?;
        self.graph.forward(&input)?.flatten_all()?.to_vec1()
    }
}

impl Embedder for CandleEmbedder {
    fn info(&self) -> &EmbedderInfo {
        &self.info
    }

    fn embed(&mut self, batch: FaceBatch<'_>, out: &mut [f32]) -> std::result::Result<(), ModelError> {
        batch.check(out, DIMENSION)?;
        let failed = |error: candle_core::Error| ModelError::Device {
            device: self.info.device_name.clone(),
            reason: reason(&error),
        };
        let Some(pool) = &self.pool else {
            out.copy_from_slice(&self.forward(batch.pixels, batch.count, &batch).map_err(failed)?);
            return Ok(());
        };
        // One image a task: no barrier between layers, and a row cannot depend on its neighbours in the batch.
        pool.install(|| {
            let face = batch.side * batch.side * 3;
            batch.pixels.par_chunks_exact(face).zip(out.par_chunks_exact_mut(DIMENSION)).try_for_each(
                |(pixels, row)| {
                    row.copy_from_slice(&self.forward(pixels, 1, &batch).map_err(failed)?);
                    Ok(())
                },
            )
        })
    }
}

//! The network in training mode: every `BatchNorm` normalises by its batch. Same list of convolutions and same topology as
//! the library's graph, which is what the result is judged with.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use candle_core::{D, Device, Result, Tensor, Var};
use facevault::model::BATCH_NORM;
use facevault::model::inception_resnet_v1::{self as net, After, Convolution, DIMENSION};
use facevault::model::weights::{self, Tensors};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::ops::{ConvNorm, MaxPool, Residual, Statistics, Window};

struct Layer {
    spec: Convolution,
    /// (kh·kw·in, out); with a bias: one row more.
    weight: Var,
    /// γ over β (2, out).
    norm: Option<Norm>,
}

struct Norm {
    gamma_beta: Var,
    last: Arc<Mutex<Statistics>>,
    /// Statistics for inference.
    running: Statistics,
}

pub struct Network {
    layers: HashMap<String, Layer>,
    /// `last_linear` and `last_bn`.
    head: Layer,
    side: usize,
}

impl Network {
    pub fn new(width: f64, side: usize, seed: u64) -> Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut layers = HashMap::new();
        for spec in net::convolutions(width) {
            layers.insert(spec.key.clone(), Layer::new(spec, &mut random)?);
        }
        let head = Convolution {
            key: "last_linear".into(),
            inputs: net::stage_channels(width)[2],
            outputs: DIMENSION,
            kernel: (1, 1),
            stride: 1,
            padding: (0, 0),
            after: After::NormRelu,
        };
        Ok(Self { layers, head: Layer::new(head, &mut random)?, side })
    }

    pub fn variables(&self) -> Vec<Var> {
        let mut all = Vec::new();
        for layer in self.every_layer() {
            all.push(layer.weight.clone());
            all.extend(layer.norm.iter().map(|norm| norm.gamma_beta.clone()));
        }
        all
    }

    fn every_layer(&self) -> impl Iterator<Item = &Layer> {
        self.layers.values().chain([&self.head])
    }

    /// 8-bit faces → (n, 512), unit rows.
    pub fn forward(&self, pixels: &[u8]) -> Result<Tensor> {
        let values: Vec<f32> = pixels.iter().map(|&v| (f32::from(v) - 127.5) / 127.5).collect();
        let x = Tensor::from_vec(values, ((), self.side, self.side, 3), &Device::Cpu)?;
        let x = self.conv("conv2d_1a", &x)?;
        let x = self.conv("conv2d_2a", &x)?;
        let x = self.conv("conv2d_2b", &x)?.apply_op1(MaxPool)?;
        let x = self.conv("conv2d_3b", &x)?;
        let x = self.conv("conv2d_4a", &x)?;
        let mut x = self.conv("conv2d_4b", &x)?;
        for i in 0..net::BLOCK35.0 {
            let branches: [&[&str]; 3] = [&["branch0"], &["branch1.0", "branch1.1"], &BRANCH2];
            x = self.residual(&format!("repeat_1.{i}"), &branches, net::BLOCK35.1, true, &x)?;
        }
        let mut x = self.reduce("mixed_6a", &[&["branch0"], &BRANCH1], &x)?;
        for i in 0..net::BLOCK17.0 {
            x = self.residual(&format!("repeat_2.{i}"), &[&["branch0"], &BRANCH1], net::BLOCK17.1, true, &x)?;
        }
        let branches: [&[&str]; 3] = [&["branch0.0", "branch0.1"], &["branch1.0", "branch1.1"], &BRANCH2];
        let mut x = self.reduce("mixed_7a", &branches, &x)?;
        for i in 0..net::BLOCK8.0 {
            x = self.residual(&format!("repeat_3.{i}"), &[&["branch0"], &BRANCH1], net::BLOCK8.1, true, &x)?;
        }
        let x = self.residual("block8", &[&["branch0"], &BRANCH1], 1.0, false, &x)?;
        let x = x.mean_keepdim((1, 2))?;
        let x = self.head.forward(&x, false)?.reshape(((), DIMENSION))?;
        let norm = (x.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?;
        x.broadcast_div(&norm)
    }

    fn layer(&self, key: &str) -> Result<&Layer> {
        self.layers.get(key).ok_or_else(|| candle_core::Error::Msg(format!("no convolution {key}")))
    }

    fn conv(&self, key: &str, x: &Tensor) -> Result<Tensor> {
        self.layer(key)?.forward(x, true)
    }

    fn branches(&self, block: &str, branches: &[&[&str]], x: &Tensor) -> Result<Vec<Tensor>> {
        let branch =
            |layers: &&[&str]| layers.iter().try_fold(x.clone(), |x, layer| self.conv(&format!("{block}.{layer}"), &x));
        branches.iter().map(branch).collect()
    }

    fn residual(&self, block: &str, branches: &[&[&str]], scale: f64, relu: bool, x: &Tensor) -> Result<Tensor> {
        let y = Tensor::cat(&self.branches(block, branches, x)?, 3)?.contiguous()?;
        let weight = &self.layer(&format!("{block}.conv2d"))?.weight;
        x.apply_op3(&y, weight, Residual { scale: scale as f32, relu })
    }

    fn reduce(&self, block: &str, branches: &[&[&str]], x: &Tensor) -> Result<Tensor> {
        let mut parts = self.branches(block, branches, x)?;
        parts.push(x.apply_op1(MaxPool)?);
        Tensor::cat(&parts, 3)?.contiguous()
    }

    /// Sets the statistics for inference to the mean over `batches`.
    pub fn calibrate(&mut self, batches: &[Vec<u8>]) -> Result<()> {
        for layer in self.layers.values_mut().chain([&mut self.head]) {
            if let Some(norm) = &mut layer.norm {
                norm.running = Statistics::default();
            }
        }
        let share = 1.0 / batches.len() as f32;
        for batch in batches {
            self.forward(batch)?;
            for norm in self.layers.values_mut().chain([&mut self.head]).filter_map(|layer| layer.norm.as_mut()) {
                let last = norm.last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let running = &mut norm.running;
                running.mean.resize(last.mean.len(), 0.0);
                running.variance.resize(last.mean.len(), 0.0);
                running.mean.iter_mut().zip(&last.mean).for_each(|(sum, v)| *sum += v * share);
                running.variance.iter_mut().zip(&last.variance).for_each(|(sum, v)| *sum += v * share);
            }
        }
        Ok(())
    }

    /// The checkpoint's tensors, in the published layout.
    pub fn tensors(&self) -> Result<Tensors> {
        let mut all = Tensors::new();
        for layer in self.every_layer() {
            let Convolution { key, inputs, outputs, kernel, .. } = &layer.spec;
            let mut put = |name: String, shape: &[usize], data: Vec<f32>, dtype: &str| {
                all.insert(name, weights::Tensor { shape: shape.to_vec(), data, dtype: dtype.into() });
            };
            let weight = layer.weight.narrow(0, 0, kernel.0 * kernel.1 * inputs)?;
            let weight = weight.reshape((kernel.0, kernel.1, *inputs, *outputs))?.permute((3, 2, 0, 1))?;
            let weight = weight.flatten_all()?.to_vec1()?;
            let shape = [*outputs, *inputs, kernel.0, kernel.1];
            let Some(norm) = &layer.norm else {
                put(format!("{key}.weight"), &shape, weight, "F16");
                let bias = layer.weight.get(kernel.0 * kernel.1 * inputs)?.to_vec1()?;
                put(format!("{key}.bias"), &[*outputs], bias, "F32");
                continue;
            };
            let bn = if key == "last_linear" {
                put(format!("{key}.weight"), &shape[..2], weight, "F16");
                "last_bn".to_owned()
            } else {
                put(format!("{key}.conv.weight"), &shape, weight, "F16");
                format!("{key}.bn")
            };
            let vectors = [
                norm.gamma_beta.get(0)?.to_vec1()?,
                norm.gamma_beta.get(1)?.to_vec1()?,
                norm.running.mean.clone(),
                norm.running.variance.clone(),
            ];
            for (name, data) in BATCH_NORM.iter().zip(vectors) {
                put(format!("{bn}.{name}"), &[*outputs], data, "F32");
            }
        }
        Ok(all)
    }
}

impl Layer {
    fn new(spec: Convolution, random: &mut ChaCha8Rng) -> Result<Self> {
        let inner = spec.kernel.0 * spec.kernel.1 * spec.inputs;
        let deviation = (2.0 / inner as f64).sqrt();
        let mut values: Vec<f32> = (0..inner * spec.outputs)
            .map(|_| {
                // Twelve uniforms: near enough to a normal distribution.
                let sum: f64 = (0..12).map(|_| random.random::<f64>()).sum();
                ((sum - 6.0) * deviation) as f32
            })
            .collect();
        let (rows, norm) = match spec.after {
            After::NormRelu => {
                let gamma_beta = [vec![1f32; spec.outputs], vec![0f32; spec.outputs]].concat();
                let gamma_beta = Var::from_vec(gamma_beta, (2, spec.outputs), &Device::Cpu)?;
                (inner, Some(Norm { gamma_beta, last: Arc::default(), running: Statistics::default() }))
            }
            After::Bias => {
                values.resize((inner + 1) * spec.outputs, 0.0);
                (inner + 1, None)
            }
        };
        let weight = Var::from_vec(values, (rows, spec.outputs), &Device::Cpu)?;
        Ok(Self { spec, weight, norm })
    }

    fn forward(&self, x: &Tensor, relu: bool) -> Result<Tensor> {
        let spec = &self.spec;
        let norm = self.norm.as_ref().ok_or_else(|| candle_core::Error::Msg(format!("{} has no norm", spec.key)))?;
        let op = ConvNorm {
            window: Window { kernel: spec.kernel, stride: spec.stride, padding: spec.padding },
            relu,
            input_gradient: spec.key != "conv2d_1a",
            statistics: Arc::clone(&norm.last),
            kept: Mutex::default(),
        };
        x.apply_op3(&self.weight, &norm.gamma_beta, op)
    }
}

const BRANCH1: [&str; 3] = ["branch1.0", "branch1.1", "branch1.2"];
const BRANCH2: [&str; 3] = ["branch2.0", "branch2.1", "branch2.2"];

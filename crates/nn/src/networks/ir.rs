//! The iResNets of two other code bases, 3×112×112 → 512, aligned faces standardised as (x − 127.5) / 127.5.
//!
//! - `ir-se-50`: 43.8 M parameters, RGB, BatchNorm only before the first convolution of a block, squeeze-and-excite at its end.
//!   Reference implementation: TreB1eN, `InsightFace_Pytorch/model.py` (`model_ir_se50.pth`), the same as face.evoLVe's.
//! - `adaface-ir-18`, `-50`, `-101`: BGR, BatchNorm around both convolutions. Paper: Kim et al. 2022, "AdaFace: Quality
//!   Adaptive Margin for Face Recognition" (arXiv 2204.00964). Reference implementation: `AdaFace/net.py`, whose checkpoints
//!   have these keys behind `model.`.
//!
//! A block without a change of channels takes every second pixel as its shortcut where it has a stride.

use facevault_graph::{Binary, Function, ValueId};

use super::Network;
use super::definition::{Definition, Window};

/// Numbers in one embedding.
const DIMENSION: usize = 512;
const EPSILON: f64 = 1e-5;
/// Channels between the two products of squeeze-and-excite are so many times fewer.
const SQUEEZE: usize = 16;

/// Keys of the published checkpoints that the embedding does not need: counters, and the classes of the training.
pub const UNUSED_KEYS: &[&str] = &["*.num_batches_tracked", "head.*"];

/// Blocks of each of the four parts.
fn depths(network: Network) -> [usize; 4] {
    match network {
        Network::AdafaceIr18 => [2, 2, 2, 2],
        Network::AdafaceIr101 => [3, 13, 30, 3],
        _ => [3, 4, 14, 3],
    }
}

/// Face → embedding.
pub fn embedding(d: &mut Definition<'_>, face: ValueId, network: Network) -> ValueId {
    let adaface = network != Network::IrSe50;
    let x = d.convolution(face, "input_layer.0", 64, Window::same(3, 1), false);
    let x = d.batch_norm(x, "input_layer.1", EPSILON);
    let mut x = d.prelu(x, "input_layer.2");
    let mut index = 0;
    for (blocks, channels) in depths(network).into_iter().zip([64, 128, 256, 512]) {
        for block in 0..blocks {
            let stride = if block == 0 { 2 } else { 1 };
            x = residual(d, x, &format!("body.{index}"), channels, stride, adaface);
            index += 1;
        }
    }
    let x = d.batch_norm(x, "output_layer.0", EPSILON);
    let x = d.flatten(x);
    let x = d.linear(x, "output_layer.3", DIMENSION, true);
    if adaface {
        d.batch_norm_without_affine(x, "output_layer.4", EPSILON)
    } else {
        d.batch_norm(x, "output_layer.4", EPSILON)
    }
}

fn residual(d: &mut Definition<'_>, x: ValueId, key: &str, channels: usize, stride: usize, adaface: bool) -> ValueId {
    let at = |layer: usize| format!("{key}.res_layer.{layer}");
    let shortcut = if d.shape(x)[1] != channels {
        let shortcut = d.convolution(x, &format!("{key}.shortcut_layer.0"), channels, Window::same(1, stride), false);
        d.batch_norm(shortcut, &format!("{key}.shortcut_layer.1"), EPSILON)
    } else if stride > 1 {
        d.every(x, stride)
    } else {
        x
    };
    let y = d.batch_norm(x, &at(0), EPSILON);
    let mut y = d.convolution(y, &at(1), channels, Window::same(3, 1), false);
    let mut layer = 2;
    if adaface {
        y = d.batch_norm(y, &at(2), EPSILON);
        layer = 3;
    }
    let y = d.prelu(y, &at(layer));
    let y = d.convolution(y, &at(layer + 1), channels, Window::same(3, stride), false);
    let mut y = d.batch_norm(y, &at(layer + 2), EPSILON);
    if !adaface {
        let gate = d.mean(y);
        let gate = d.convolution(gate, &format!("{}.fc1", at(5)), channels / SQUEEZE, Window::same(1, 1), false);
        let gate = d.function(gate, Function::Relu);
        let gate = d.convolution(gate, &format!("{}.fc2", at(5)), channels, Window::same(1, 1), false);
        let gate = d.function(gate, Function::Sigmoid);
        y = d.binary("excite", Binary::Mul, y, gate);
    }
    d.add(y, shortcut)
}

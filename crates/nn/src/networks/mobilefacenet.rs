//! MobileFaceNet as insightface trains it, 3×112×112 → 512, twice as wide as the paper's. Aligned RGB faces standardised as
//! (x − 127.5) / 127.5.
//!
//! Paper: Chen et al. 2018, "MobileFaceNets: Efficient CNNs for Accurate Real-Time Face Verification on Mobile Devices" (arXiv
//! 1804.07573). Reference implementation: insightface, `recognition/arcface_torch/backbones/mobilefacenet.py` (`mbf`), whose
//! keys these are.

use facevault_graph::ValueId;

use super::definition::{Definition, Window};

/// Numbers in one embedding.
const DIMENSION: usize = 512;
const EPSILON: f64 = 1e-5;

/// Keys of the published checkpoints that the embedding does not need: BatchNorm's counters.
pub const UNUSED_KEYS: &[&str] = &["*.num_batches_tracked"];

/// Face → embedding.
pub fn embedding(d: &mut Definition<'_>, face: ValueId) -> ValueId {
    let x = block(d, face, "layers.0", 128, Window::same(3, 2));
    let x = block(d, x, "layers.1", 128, Window::same(3, 1).in_groups(64));
    let x = bottleneck(d, x, "layers.2", 128, 128, 2);
    let x = residuals(d, x, "layers.3", 4, 128);
    let x = bottleneck(d, x, "layers.4", 256, 256, 2);
    let x = residuals(d, x, "layers.5", 6, 256);
    let x = bottleneck(d, x, "layers.6", 512, 256, 2);
    let x = residuals(d, x, "layers.7", 2, 256);
    let x = block(d, x, "conv_sep", 512, Window::same(1, 1));
    // One number a channel, from all of its map.
    let all = Window { kernel: d.shape(x)[2], stride: 1, padding: 0, groups: 512 };
    let x = linear_block(d, x, "features.layers.0", 512, all);
    let x = d.flatten(x);
    let x = d.linear(x, "features.layers.2", DIMENSION, false);
    d.batch_norm(x, "features.layers.3", EPSILON)
}

fn linear_block(d: &mut Definition<'_>, x: ValueId, key: &str, channels: usize, window: Window) -> ValueId {
    let x = d.convolution(x, &format!("{key}.layers.0"), channels, window, false);
    d.batch_norm(x, &format!("{key}.layers.1"), EPSILON)
}

fn block(d: &mut Definition<'_>, x: ValueId, key: &str, channels: usize, window: Window) -> ValueId {
    let x = linear_block(d, x, key, channels, window);
    d.prelu(x, &format!("{key}.layers.2"))
}

/// Wider, each channel by itself, narrower.
fn bottleneck(d: &mut Definition<'_>, x: ValueId, key: &str, wide: usize, channels: usize, stride: usize) -> ValueId {
    let at = |layer: usize| format!("{key}.layers.{layer}");
    let x = block(d, x, &at(0), wide, Window::same(1, 1));
    let x = block(d, x, &at(1), wide, Window::same(3, stride).in_groups(wide));
    linear_block(d, x, &at(2), channels, Window::same(1, 1))
}

fn residuals(d: &mut Definition<'_>, x: ValueId, key: &str, count: usize, channels: usize) -> ValueId {
    (0..count).fold(x, |x, i| {
        let y = bottleneck(d, x, &format!("{key}.layers.{i}"), channels, channels, 1);
        d.add(x, y)
    })
}

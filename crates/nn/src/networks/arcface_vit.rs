//! insightface's vision transformers, 3×112×112 → 512: 144 patches of 9×9 pixels (the last
//! four rows and columns are not seen), no class token, one product over all tokens at the end. Aligned RGB faces standardised as (x − 127.5) / 127.5.
//!
//! Reference implementation: insightface, `recognition/arcface_torch/backbones/vit.py` (`vit_t`, `vit_s`, `vit_b`), whose keys
//! these are.

use facevault_graph::{Function, ValueId};

use super::Network;
use super::definition::Definition;

/// Numbers in one embedding.
const DIMENSION: usize = 512;
const PATCH: usize = 9;
const HEADS: usize = 8;
const LAYER_NORM_EPSILON: f64 = 1e-5;
/// Of the two BatchNorms behind the last products.
const BATCH_NORM_EPSILON: f64 = 2e-5;

/// Keys of the published checkpoints that the embedding does not need: what masked patches are replaced by in training, and
/// BatchNorm's counters.
pub const UNUSED_KEYS: &[&str] = &["mask_token", "*.num_batches_tracked"];

/// Channels of a token, and blocks.
fn size(network: Network) -> (usize, usize) {
    match network {
        Network::ArcfaceVitT => (256, 12),
        Network::ArcfaceVitB => (512, 24),
        _ => (512, 12),
    }
}

/// Face → embedding.
pub fn embedding(d: &mut Definition<'_>, face: ValueId, network: Network) -> ValueId {
    let (channels, blocks) = size(network);
    let x = d.patches(face, "patch_embed.proj", channels, PATCH, true);
    let tokens = d.shape(x)[1];
    let positions = d.parameter("pos_embed", &[1, tokens, channels], &[1, tokens, channels]);
    let x = d.add(x, positions);
    let x = (0..blocks).fold(x, |x, i| block(d, x, &format!("blocks.{i}"), channels));
    let x = d.layer_norm(x, "norm", LAYER_NORM_EPSILON);
    let x = d.flatten(x);
    let x = d.linear(x, "feature.0", channels, false);
    let x = d.batch_norm(x, "feature.1", BATCH_NORM_EPSILON);
    let x = d.linear(x, "feature.2", DIMENSION, false);
    d.batch_norm(x, "feature.3", BATCH_NORM_EPSILON)
}

fn block(d: &mut Definition<'_>, x: ValueId, key: &str, channels: usize) -> ValueId {
    let at = |name: &str| format!("{key}.{name}");
    let y = d.layer_norm(x, &at("norm1"), LAYER_NORM_EPSILON);
    let y = d.linear(y, &at("attn.qkv"), 3 * channels, false);
    let tokens = d.shape(y)[1];
    let y = d.reshape(y, &[1, tokens, 3, channels]);
    let parts = [0, 1, 2].map(|part| {
        let part = d.at(y, 2, part);
        d.reshape(part, &[1, tokens, channels])
    });
    let y = d.attention(parts, HEADS);
    let y = d.linear(y, &at("attn.proj"), channels, true);
    let x = d.add(x, y);
    let y = d.layer_norm(x, &at("norm2"), LAYER_NORM_EPSILON);
    let y = d.linear(y, &at("mlp.fc1"), 4 * channels, true);
    let y = d.function(y, Function::Clip(0.0, 6.0));
    let y = d.linear(y, &at("mlp.fc2"), channels, true);
    d.add(x, y)
}

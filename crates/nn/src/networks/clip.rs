//! CLIP ViT-B/32, its image tower: 3×224×224 RGB → 512, 87.85 M parameters. A model of pictures and their captions that was
//! not trained to tell faces apart: the second baseline that a face network has to beat.
//!
//! Paper: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision" (arXiv 2103.00020).
//! Reference implementation: `transformers.CLIPModel` with the checkpoint `openai/clip-vit-base-patch32`, whose keys these
//! are; the embedding is what `get_image_features` gives. The text tower is in the file and unused.

use facevault_graph::{Binary, Function, ValueId};

use super::definition::Definition;

/// Numbers in one embedding.
pub const DIMENSION: usize = 512;
/// Side of the input, pixels.
pub const SIDE: usize = 224;
/// Side of a patch, pixels.
pub const PATCH: usize = 32;
/// Channels of each token.
pub const CHANNELS: usize = 768;
/// Transformer blocks.
pub const BLOCKS: usize = 12;
/// Attention heads of a block, 64 channels each.
pub const HEADS: usize = 12;
/// Channels between the two layers of a block's MLP.
pub const HIDDEN: usize = 4 * CHANNELS;
/// Added to the variance in every LayerNorm.
pub const LAYER_NORM_EPSILON: f64 = 1e-5;
/// Subtracted from each channel of the input in 0..=1 (`OPENAI_CLIP_MEAN`).
pub const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Divided by, channel by channel.
pub const DEVIATION: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// Keys of the published checkpoint that the embedding does not need: the text tower, and counters of positions.
pub const UNUSED_KEYS: &[&str] =
    &["text_model.*", "text_projection.weight", "logit_scale", "vision_model.embeddings.position_ids"];

/// Face → embedding.
pub fn embedding(d: &mut Definition<'_>, face: ValueId) -> ValueId {
    let x = d.standardise(face, MEAN, DEVIATION);
    let x = d.patches(x, "vision_model.embeddings.patch_embedding", CHANNELS, PATCH, false);
    let class = d.parameter("vision_model.embeddings.class_embedding", &[CHANNELS], &[1, 1, CHANNELS]);
    let x = d.concat(&[class, x], 1);
    let tokens = d.shape(x)[1];
    let key = "vision_model.embeddings.position_embedding.weight";
    let positions = d.parameter(key, &[tokens, CHANNELS], &[1, tokens, CHANNELS]);
    let x = d.add(x, positions);
    // Spelled so in the checkpoint.
    let x = d.layer_norm(x, "vision_model.pre_layrnorm", LAYER_NORM_EPSILON);
    let x = (0..BLOCKS).fold(x, |x, i| block(d, x, &format!("vision_model.encoder.layers.{i}")));
    let x = d.at(x, 1, 0);
    let x = d.layer_norm(x, "vision_model.post_layernorm", LAYER_NORM_EPSILON);
    d.linear(x, "visual_projection", DIMENSION, false)
}

fn block(d: &mut Definition<'_>, x: ValueId, key: &str) -> ValueId {
    let at = |name: &str| format!("{key}.{name}");
    let y = d.layer_norm(x, &at("layer_norm1"), LAYER_NORM_EPSILON);
    let parts =
        ["q_proj", "k_proj", "v_proj"].map(|name| d.linear(y, &at(&format!("self_attn.{name}")), CHANNELS, true));
    let y = d.attention(parts, HEADS);
    let y = d.linear(y, &at("self_attn.out_proj"), CHANNELS, true);
    let x = d.add(x, y);
    let y = d.layer_norm(x, &at("layer_norm2"), LAYER_NORM_EPSILON);
    let y = d.linear(y, &at("mlp.fc1"), HIDDEN, true);
    // x · sigmoid(1.702·x), what CLIP calls quick GELU.
    let factor = d.constant(&[1.702], &[]);
    let gate = d.binary("quick_gelu", Binary::Mul, y, factor);
    let gate = d.function(gate, Function::Sigmoid);
    let y = d.binary("quick_gelu", Binary::Mul, y, gate);
    let y = d.linear(y, &at("mlp.fc2"), CHANNELS, true);
    d.add(x, y)
}

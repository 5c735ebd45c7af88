//! CLIP ViT-B/32, its image tower: 3×224×224 RGB → 512, 87.85 M parameters. A model of pictures and their captions that was
//! not trained to tell faces apart: the second baseline that a face network has to beat.
//!
//! Paper: Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision" (arXiv 2103.00020).
//! Reference implementation: `transformers.CLIPModel` with the checkpoint `openai/clip-vit-base-patch32`, whose keys these
//! are; the embedding is what `get_image_features` gives. The text tower is in the file and unused.

use super::parameter_list::ParameterList;
use crate::weights::Parameter;

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
/// Channels between the two layers of a block's MLP.
pub const HIDDEN: usize = 4 * CHANNELS;
/// Subtracted from each channel of the input in 0..=1 (`OPENAI_CLIP_MEAN`).
pub const MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Divided by, channel by channel.
pub const DEVIATION: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

/// Keys of the published checkpoint that the embedding does not need: the text tower, and counters of positions.
pub const UNUSED_KEYS: &[&str] =
    &["text_model.*", "text_projection.weight", "logit_scale", "vision_model.embeddings.position_ids"];

/// Every parameter that a checkpoint must hold, with its shape.
#[must_use]
pub fn parameters() -> Vec<Parameter> {
    let mut all = ParameterList::default();
    let tokens = 1 + (SIDE / PATCH) * (SIDE / PATCH);
    all.add("vision_model.embeddings.class_embedding", &[CHANNELS]);
    all.add("vision_model.embeddings.patch_embedding.weight", &[CHANNELS, 3, PATCH, PATCH]);
    all.add("vision_model.embeddings.position_embedding.weight", &[tokens, CHANNELS]);
    // Spelled so in the checkpoint.
    all.layer("vision_model.pre_layrnorm", &[CHANNELS]);
    for block in 0..BLOCKS {
        let at = |name: &str| format!("vision_model.encoder.layers.{block}.{name}");
        for (name, outputs, inputs) in [
            ("self_attn.q_proj", CHANNELS, CHANNELS),
            ("self_attn.k_proj", CHANNELS, CHANNELS),
            ("self_attn.v_proj", CHANNELS, CHANNELS),
            ("self_attn.out_proj", CHANNELS, CHANNELS),
            ("mlp.fc1", HIDDEN, CHANNELS),
            ("mlp.fc2", CHANNELS, HIDDEN),
        ] {
            all.layer(&at(name), &[outputs, inputs]);
        }
        for name in ["layer_norm1", "layer_norm2"] {
            all.layer(&at(name), &[CHANNELS]);
        }
    }
    all.layer("vision_model.post_layernorm", &[CHANNELS]);
    all.add("visual_projection.weight", &[DIMENSION, CHANNELS]);
    all.0
}

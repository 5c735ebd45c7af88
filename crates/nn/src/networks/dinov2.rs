//! DINOv2 ViT-S/14: 3×224×224 RGB → 384, 22.06 M parameters. A generic vision model that never saw a face label: the
//! baseline that a face network has to beat.
//!
//! Paper: Oquab et al. 2023, "DINOv2: Learning Robust Visual Features without Supervision" (arXiv 2304.07793). Reference
//! implementation: `transformers.Dinov2Model` with the checkpoint `facebook/dinov2-small`, whose keys these are; the
//! embedding is `pooler_output`, the normalised class token.
//!
//! The layout of the original repository and of timm (`dinov2_vits14_pretrain.pth`,
//! `timm/vit_small_patch14_dinov2.lvd142m`) is read too: [`adopt`] gives its tensors the keys below.

use facevault_graph::{Binary, Function, ValueId};

use super::definition::Definition;
use crate::weights::{Tensor, Tensors};

/// Numbers in one embedding, and channels of each token.
pub const DIMENSION: usize = 384;
/// Side of the input, pixels.
pub const SIDE: usize = 224;
/// Side of a patch, pixels.
pub const PATCH: usize = 14;
/// Patches along a side of the input, 16.
pub const GRID: usize = SIDE / PATCH;
/// Patches along a side of the published position embeddings, which were trained at 518 pixels.
pub const TRAINED_GRID: usize = 37;
/// Transformer blocks.
pub const BLOCKS: usize = 12;
/// Attention heads of a block, 64 channels each.
pub const HEADS: usize = 6;
/// Channels between the two layers of a block's MLP.
pub const HIDDEN: usize = 4 * DIMENSION;
/// Added to the variance in every LayerNorm.
pub const LAYER_NORM_EPSILON: f64 = 1e-6;
/// Subtracted from each channel of the input in 0..=1 (ImageNet).
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Divided by, channel by channel.
pub const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// Keys of the published checkpoint that the embedding does not need: what masked patches are replaced by in training.
pub const UNUSED_KEYS: &[&str] = &["embeddings.mask_token"];

/// Face → embedding.
pub fn embedding(d: &mut Definition<'_>, face: ValueId) -> ValueId {
    let x = d.standardise(face, MEAN, DEVIATION);
    let x = d.patches(x, "embeddings.patch_embeddings.projection", DIMENSION, PATCH, true);
    let class = d.parameter("embeddings.cls_token", &[1, 1, DIMENSION], &[1, 1, DIMENSION]);
    let x = d.concat(&[class, x], 1);
    let trained = [1, 1 + TRAINED_GRID * TRAINED_GRID, DIMENSION];
    let positions = [1, 1 + GRID * GRID, DIMENSION];
    let positions = d.computed("embeddings.position_embeddings", &trained, &positions, resample_positions);
    let x = d.add(x, positions);
    let x = (0..BLOCKS).fold(x, |x, i| block(d, x, &format!("encoder.layer.{i}")));
    let x = d.at(x, 1, 0);
    d.layer_norm(x, "layernorm", LAYER_NORM_EPSILON)
}

/// x + λ₁·attention(norm₁(x)), then x + λ₂·mlp(norm₂(x)).
fn block(d: &mut Definition<'_>, x: ValueId, key: &str) -> ValueId {
    let at = |name: &str| format!("{key}.{name}");
    let scaled = |d: &mut Definition<'_>, y: ValueId, name: &str| {
        let lambda = d.parameter(&at(name), &[DIMENSION], &[DIMENSION]);
        d.binary(name, Binary::Mul, y, lambda)
    };
    let y = d.layer_norm(x, &at("norm1"), LAYER_NORM_EPSILON);
    let parts =
        ["query", "key", "value"].map(|name| d.linear(y, &at(&format!("attention.attention.{name}")), DIMENSION, true));
    let y = d.attention(parts, HEADS);
    let y = d.linear(y, &at("attention.output.dense"), DIMENSION, true);
    let y = scaled(d, y, "layer_scale1.lambda1");
    let x = d.add(x, y);
    let y = d.layer_norm(x, &at("norm2"), LAYER_NORM_EPSILON);
    let y = d.linear(y, &at("mlp.fc1"), HIDDEN, true);
    let y = d.function(y, Function::Gelu);
    let y = d.linear(y, &at("mlp.fc2"), DIMENSION, true);
    let y = scaled(d, y, "layer_scale2.lambda1");
    d.add(x, y)
}

/// The original repository's keys become transformers' keys, its joint query, key and value three tensors. Tensors of
/// another layout stay what they are.
#[must_use]
pub fn adopt(tensors: Tensors) -> Tensors {
    if !tensors.contains_key("pos_embed") {
        return tensors;
    }
    let mut adopted = Tensors::new();
    for (key, tensor) in tensors {
        let joint = key.strip_prefix("blocks.").and_then(|rest| rest.split_once(".attn.qkv."));
        match joint.zip(thirds(&tensor)) {
            Some(((block, name), parts)) => {
                for (which, part) in ["query", "key", "value"].into_iter().zip(parts) {
                    adopted.insert(format!("encoder.layer.{block}.attention.attention.{which}.{name}"), part);
                }
            }
            None => {
                adopted.insert(renamed(&key), tensor);
            }
        }
    }
    adopted
}

/// Prefixes of the original repository's keys, and transformers' prefixes.
const TOP: [(&str, &str); 5] = [
    ("cls_token", "embeddings.cls_token"),
    ("mask_token", "embeddings.mask_token"),
    ("pos_embed", "embeddings.position_embeddings"),
    ("patch_embed.proj", "embeddings.patch_embeddings.projection"),
    ("norm", "layernorm"),
];
/// The same inside a block.
const INSIDE: [(&str, &str); 3] = [
    ("attn.proj", "attention.output.dense"),
    ("ls1.gamma", "layer_scale1.lambda1"),
    ("ls2.gamma", "layer_scale2.lambda1"),
];

/// The key in transformers' layout; unknown keys stay, so that they are reported.
fn renamed(key: &str) -> String {
    let replace = |key: &str, table: &[(&str, &str)]| {
        let fits = |from: &str| key.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('.'));
        table.iter().find_map(|(from, to)| Some(format!("{to}{}", fits(from)?))).unwrap_or_else(|| key.to_owned())
    };
    match key.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
        Some((block, inside)) => format!("encoder.layer.{block}.{}", replace(inside, &INSIDE)),
        None => replace(key, &TOP),
    }
}

/// Three tensors of a third of the rows each, in order; `None` where there is no such third.
fn thirds(tensor: &Tensor) -> Option<[Tensor; 3]> {
    let (rows, rest) = tensor.shape.split_first()?;
    if !rows.is_multiple_of(3) || !tensor.data.len().is_multiple_of(3) {
        return None;
    }
    let length = tensor.data.len() / 3;
    Some([0, 1, 2].map(|i| Tensor {
        shape: [&[rows / 3], rest].concat(),
        data: tensor.data[i * length..(i + 1) * length].to_vec(),
        dtype: tensor.dtype.clone(),
    }))
}

/// Position embeddings of the trained grid → those of the input's grid: (1, 1 + 37², 384) → (1 + 16²) × 384 numbers, the
/// class token's first.
///
/// Bicubic with a = −0.75, half-pixel centres and no antialiasing, taps beyond the edge taking the edge's value:
/// `torch.nn.functional.interpolate(mode="bicubic", align_corners=False)`, which is what transformers does. (timm
/// antialiases, the original repository shifts the grid by a tenth of a patch; each gives slightly other embeddings.)
#[must_use]
pub fn resample_positions(trained: &[f32]) -> Vec<f32> {
    let (class, patches) = trained.split_at(DIMENSION.min(trained.len()));
    let taps: Vec<_> = (0..GRID).map(taps).collect();
    let mut out = class.to_vec();
    for rows in &taps {
        for columns in &taps {
            let mut sums = [0f64; DIMENSION];
            for (y, wy) in rows {
                for (x, wx) in columns {
                    let token = &patches[(y * TRAINED_GRID + x) * DIMENSION..][..DIMENSION];
                    sums.iter_mut().zip(token).for_each(|(sum, &value)| *sum += wy * wx * f64::from(value));
                }
            }
            out.extend(sums.map(|sum| sum as f32));
        }
    }
    out
}

/// Source positions and weights of one target position along an axis.
fn taps(target: usize) -> [(usize, f64); 4] {
    const A: f64 = -0.75;
    let near = |d: f64| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    let centre = (target as f64 + 0.5) * TRAINED_GRID as f64 / GRID as f64 - 0.5;
    let (first, t) = (centre.floor(), centre - centre.floor());
    let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
    std::array::from_fn(|i| {
        let source = (first + i as f64 - 1.0).clamp(0.0, (TRAINED_GRID - 1) as f64);
        (source as usize, weights[i])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_the_taps_sum_to_one_and_stay_inside() {
        for target in 0..GRID {
            let taps = taps(target);
            assert!((taps.iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-12, "{taps:?}");
            assert!(taps.iter().all(|(source, _)| *source < TRAINED_GRID));
        }
        assert_eq!(taps(0).map(|(source, _)| source), [0, 0, 1, 2]);
        assert_eq!(taps(GRID - 1).map(|(source, _)| source), [34, 35, 36, 36]);
    }

    #[test]
    fn every_key_of_the_original_layout_becomes_one_of_ours() {
        let tensor = |shape: &[usize]| Tensor {
            shape: shape.to_vec(),
            data: (0..shape.iter().product()).map(|i: usize| i as f32).collect(),
            dtype: "F32".into(),
        };
        let mut original: Tensors = ["cls_token", "mask_token", "pos_embed", "patch_embed.proj.weight", "norm.bias"]
            .into_iter()
            .chain(["blocks.11.norm1.weight", "blocks.0.attn.proj.bias", "blocks.0.ls1.gamma", "blocks.3.ls2.gamma"])
            .chain(["blocks.0.mlp.fc1.weight", "register_tokens", "blocks.0.odd", "normal"])
            .map(|key| (key.to_owned(), tensor(&[1])))
            .collect();
        original.insert("blocks.2.attn.qkv.weight".into(), tensor(&[6, 2]));
        original.insert("blocks.2.attn.qkv.bias".into(), tensor(&[6]));
        let adopted = adopt(original);
        insta::assert_snapshot!(adopted.keys().cloned().collect::<Vec<_>>().join("\n"), @r#"
embeddings.cls_token
embeddings.mask_token
embeddings.patch_embeddings.projection.weight
embeddings.position_embeddings
encoder.layer.0.attention.output.dense.bias
encoder.layer.0.layer_scale1.lambda1
encoder.layer.0.mlp.fc1.weight
encoder.layer.0.odd
encoder.layer.11.norm1.weight
encoder.layer.2.attention.attention.key.bias
encoder.layer.2.attention.attention.key.weight
encoder.layer.2.attention.attention.query.bias
encoder.layer.2.attention.attention.query.weight
encoder.layer.2.attention.attention.value.bias
encoder.layer.2.attention.attention.value.weight
encoder.layer.3.layer_scale2.lambda1
layernorm.bias
normal
register_tokens
"#);
        let value = &adopted["encoder.layer.2.attention.attention.value.weight"];
        assert_eq!((value.shape.as_slice(), value.data.as_slice()), (&[2, 2][..], &[8.0, 9.0, 10.0, 11.0][..]));
        assert_eq!(adopted["encoder.layer.2.attention.attention.key.bias"].data, [2.0, 3.0]);
        assert_eq!(adopt(adopted.clone()), adopted);
    }
}

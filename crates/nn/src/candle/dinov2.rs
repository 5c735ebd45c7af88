//! [DINOv2](net) from candle's building blocks.
//!
//! candle-transformers 0.11 has a DINOv2, which is not used: it takes position embeddings of other sizes from the nearest
//! patch where the reference is bicubic, its GELU is the tanh approximation, its LayerNorm adds 1e-5 where the reference
//! adds 1e-6, it wants the classification head that the published file lacks, does not give the class token, and takes
//! one image at a time.

use candle_core::{D, Device, IndexOp, Result, Tensor};
use candle_nn::{
    Conv2d, Conv2dConfig, LayerNorm, Linear, Module, VarBuilder, layer_norm, linear, ops::softmax_last_dim,
};

use super::checkpoint::paths;
use super::standardise::ChannelStandardise;
use crate::networks::dinov2::{
    self as net, BLOCKS, DIMENSION, GRID, HEADS, HIDDEN, LAYER_NORM_EPSILON, PATCH, TRAINED_GRID,
};
use crate::weights::Tensors;

/// Tokens of an image: the class token and 16×16 patches.
const TOKENS: usize = 1 + GRID * GRID;

/// The network with its weights on one device.
pub(super) struct Dinov2Graph {
    channels: ChannelStandardise,
    patches: Conv2d,
    /// (1, 1, 384).
    class: Tensor,
    /// (1, 257, 384).
    positions: Tensor,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
}

impl Dinov2Graph {
    pub(super) fn new(tensors: &Tensors, device: &Device) -> Result<Self> {
        let vb = paths(tensors, device);
        let embeddings = vb.pp("embeddings");
        let trained = embeddings.get((1, 1 + TRAINED_GRID * TRAINED_GRID, DIMENSION), "position_embeddings")?;
        let positions = net::resample_positions(&trained.flatten_all()?.to_vec1::<f32>()?);
        let stride = Conv2dConfig { stride: PATCH, ..Conv2dConfig::default() };
        let layers = vb.pp("encoder").pp("layer");
        Ok(Self {
            channels: ChannelStandardise::new(net::MEAN, net::DEVIATION, device)?,
            patches: candle_nn::conv2d(
                3,
                DIMENSION,
                PATCH,
                stride,
                embeddings.pp("patch_embeddings").pp("projection"),
            )?,
            class: embeddings.get((1, 1, DIMENSION), "cls_token")?,
            positions: Tensor::from_vec(positions, (1, TOKENS, DIMENSION), device)?,
            blocks: (0..BLOCKS).map(|i| TransformerBlock::new(&layers.pp(i))).collect::<Result<_>>()?,
            norm: layer_norm(DIMENSION, LAYER_NORM_EPSILON, vb.pp("layernorm"))?,
        })
    }
}

impl super::CandleGraph for Dinov2Graph {
    /// (n, 3, 224, 224) in 0..=1 → (n, 384).
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.channels.forward(x)?;
        let x = self.patches.forward(&x)?.flatten_from(2)?.transpose(1, 2)?; //  256×384
        let class = self.class.expand((x.dim(0)?, 1, DIMENSION))?;
        let x = Tensor::cat(&[&class, &x], 1)?.broadcast_add(&self.positions)?; // 257×384
        let x = self.blocks.iter().try_fold(x, |x, block| block.forward(&x))?;
        self.norm.forward(&x.i((.., 0))?.contiguous()?) //                         384
    }
}

/// x + λ₁·attention(norm₁(x)), then x + λ₂·mlp(norm₂(x)).
struct TransformerBlock {
    norm1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    lambda1: Tensor,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    lambda2: Tensor,
}

impl TransformerBlock {
    fn new(vb: &VarBuilder) -> Result<Self> {
        let (attention, mlp) = (vb.pp("attention"), vb.pp("mlp"));
        let product = |name| linear(DIMENSION, DIMENSION, attention.pp("attention").pp(name));
        Ok(Self {
            norm1: layer_norm(DIMENSION, LAYER_NORM_EPSILON, vb.pp("norm1"))?,
            query: product("query")?,
            key: product("key")?,
            value: product("value")?,
            output: linear(DIMENSION, DIMENSION, attention.pp("output").pp("dense"))?,
            lambda1: vb.pp("layer_scale1").get(DIMENSION, "lambda1")?,
            norm2: layer_norm(DIMENSION, LAYER_NORM_EPSILON, vb.pp("norm2"))?,
            fc1: linear(DIMENSION, HIDDEN, mlp.pp("fc1"))?,
            fc2: linear(HIDDEN, DIMENSION, mlp.pp("fc2"))?,
            lambda2: vb.pp("layer_scale2").get(DIMENSION, "lambda1")?,
        })
    }

    /// (n, 257, 384) → the same.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = (x + self.attention(&self.norm1.forward(x)?)?.broadcast_mul(&self.lambda1)?)?;
        let y = self.fc1.forward(&self.norm2.forward(&x)?)?.gelu_erf()?;
        &x + self.fc2.forward(&y)?.broadcast_mul(&self.lambda2)?
    }

    /// softmax(q·kᵀ/√64)·v in 6 heads, then the output product.
    fn attention(&self, x: &Tensor) -> Result<Tensor> {
        let (n, tokens, _) = x.dims3()?;
        let size = DIMENSION / HEADS;
        let heads = |x: Tensor| x.reshape((n, tokens, HEADS, size))?.transpose(1, 2)?.contiguous();
        let q = heads(self.query.forward(x)?)?; //                                  6×257×64
        let k = heads(self.key.forward(x)?)?;
        let v = heads(self.value.forward(x)?)?;
        let scores = (q.matmul(&k.t()?)? * (size as f64).powf(-0.5))?; //           6×257×257
        let mixed = softmax_last_dim(&scores)?.matmul(&v)?;
        self.output.forward(&mixed.transpose(1, 2)?.flatten_from(D::Minus2)?)
    }
}

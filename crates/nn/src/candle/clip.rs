//! [CLIP's image tower](net) as candle-transformers has it, with the projection behind it.
//!
//! `ClipVisionTransformer` gives the normalised class token; the projection is not part of it.

use candle_core::{Device, Result, Tensor};
use candle_nn::{Linear, Module, linear_no_bias};
use candle_transformers::models::clip::vision_model::{ClipVisionConfig, ClipVisionTransformer};

use super::checkpoint::paths;
use super::standardise::ChannelStandardise;
use crate::networks::clip::{self as net, CHANNELS, DIMENSION};
use crate::weights::Tensors;

/// The network with its weights on one device.
pub(super) struct ClipGraph {
    channels: ChannelStandardise,
    tower: ClipVisionTransformer,
    projection: Linear,
}

impl ClipGraph {
    pub(super) fn new(tensors: &Tensors, device: &Device) -> Result<Self> {
        let vb = paths(tensors, device);
        Ok(Self {
            channels: ChannelStandardise::new(net::MEAN, net::DEVIATION, device)?,
            tower: ClipVisionTransformer::new(vb.pp("vision_model"), &ClipVisionConfig::vit_base_patch32())?,
            projection: linear_no_bias(CHANNELS, DIMENSION, vb.pp("visual_projection"))?,
        })
    }
}

impl super::CandleGraph for ClipGraph {
    /// (n, 3, 224, 224) in 0..=1 → (n, 512).
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let x = self.tower.forward(&self.channels.forward(x)?)?; // 768
        self.projection.forward(&x) //                               512
    }
}

//! The first step of networks with a mean and a deviation for each channel.

use candle_core::{Device, Result, Tensor};

/// (x − mean) / deviation, channel by channel. It belongs to the network, as its weights do: preprocessing gives 0..=1.
pub(super) struct ChannelStandardise {
    /// (1, 3, 1, 1).
    mean: Tensor,
    deviation: Tensor,
}

impl ChannelStandardise {
    pub fn new(mean: [f32; 3], deviation: [f32; 3], device: &Device) -> Result<Self> {
        let channels = |values: [f32; 3]| Tensor::new(&values, device)?.reshape((1, 3, 1, 1));
        Ok(Self { mean: channels(mean)?, deviation: channels(deviation)? })
    }

    /// (n, 3, height, width) → the same.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        x.broadcast_sub(&self.mean)?.broadcast_div(&self.deviation)
    }
}

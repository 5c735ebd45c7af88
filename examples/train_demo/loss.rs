//! What is minimised: pictures of one person attract, all others repel (supervised contrastive loss, Khosla et al.
//! 2020, arXiv 2004.11362), and cosines between persons are pushed to zero, so that persons use all dimensions.

use candle_core::{D, Device, Result, Tensor};

pub struct Loss {
    /// −∞ for a picture with itself.
    diagonal: Tensor,
    /// 1/(samples − 1) for pictures of one person.
    positive: Tensor,
    /// 1/pairs for pictures of two.
    negative: Tensor,
    temperature: f64,
    spread: f64,
}

impl Loss {
    pub fn new(persons: usize, samples: usize, temperature: f64, spread: f64) -> Result<Self> {
        let n = persons * samples;
        let mask = |value: &dyn Fn(usize, usize) -> f32| {
            let values: Vec<f32> = (0..n * n).map(|i| value(i / n, i % n)).collect();
            Tensor::from_vec(values, (n, n), &Device::Cpu)
        };
        let same = |i: usize, j: usize| i / samples == j / samples;
        let pairs = (n * (n - samples)) as f32;
        Ok(Self {
            diagonal: mask(&|i, j| if i == j { -1e4 } else { 0.0 })?,
            positive: mask(&|i, j| if i != j && same(i, j) { 1.0 / (samples - 1) as f32 } else { 0.0 })?,
            negative: mask(&|i, j| if same(i, j) { 0.0 } else { 1.0 / pairs })?,
            temperature,
            spread,
        })
    }

    /// Contrastive loss, and mean cos² between persons; the sum that is minimised comes first.
    pub fn of(&self, embeddings: &Tensor) -> Result<[Tensor; 3]> {
        let cosines = embeddings.matmul(&embeddings.t()?)?;
        let logits = ((&cosines / self.temperature)? + &self.diagonal)?;
        let attraction = (logits.mul(&self.positive)?).sum(D::Minus1)?;
        let contrast = (logits.log_sum_exp(D::Minus1)? - attraction)?.mean_all()?;
        let spread = cosines.sqr()?.mul(&self.negative)?.sum_all()?;
        let total = (&contrast + (&spread * self.spread)?)?;
        Ok([total, contrast, spread])
    }
}

//! The parameters that a network's checkpoint must hold, collected layer by layer.

use crate::batch_norm::BATCH_NORM;
use crate::weights::Parameter;

/// Parameters in the order they were added.
#[derive(Default)]
pub struct ParameterList(pub Vec<Parameter>);

impl ParameterList {
    /// One tensor.
    pub fn add(&mut self, key: &str, shape: &[usize]) {
        self.0.push(Parameter { key: key.to_owned(), shape: shape.to_vec() });
    }

    /// `key.weight`, and `key.bias` with one number per output.
    pub fn layer(&mut self, key: &str, weight: &[usize]) {
        self.add(&format!("{key}.weight"), weight);
        self.add(&format!("{key}.bias"), &weight[..1]);
    }

    /// The vectors of a BatchNorm.
    pub fn batch_norm(&mut self, key: &str, channels: usize) {
        for name in BATCH_NORM {
            self.add(&format!("{key}.{name}"), &[channels]);
        }
    }
}

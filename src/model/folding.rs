//! Convolutions with whatever normalisation follows them folded in: what every implementation of the network runs on.

use super::inception_resnet_v1::{After, BATCH_NORM, BATCH_NORM_EPSILON, Convolution};
use crate::weights::Tensors;

/// A product's parameters: `weight` in the checkpoint's order (out × in × kh × kw), `bias` of each output.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Folded {
    /// out × in × kh × kw.
    pub weight: Vec<f32>,
    /// Of each output channel.
    pub bias: Vec<f32>,
}

/// The folded parameters of a convolution; the key of the tensor that is not there.
pub fn convolution(tensors: &Tensors, spec: &Convolution) -> Result<Folded, String> {
    match spec.after {
        After::NormRelu => batch_norm(data(tensors, &spec.key, "conv.weight")?, tensors, &format!("{}.bn", spec.key)),
        After::Bias => Ok(Folded {
            weight: data(tensors, &spec.key, "weight")?.to_vec(),
            bias: data(tensors, &spec.key, "bias")?.to_vec(),
        }),
    }
}

/// `last_linear` and `last_bn` in one.
pub fn head(tensors: &Tensors) -> Result<Folded, String> {
    batch_norm(data(tensors, "last_linear", "weight")?, tensors, "last_bn")
}

fn data<'a>(tensors: &'a Tensors, path: &str, name: &str) -> Result<&'a [f32], String> {
    let key = format!("{path}.{name}");
    match tensors.get(&key) {
        Some(tensor) => Ok(&tensor.data),
        None => Err(key),
    }
}

/// Folds BatchNorm `norm` into the weight before it: w·γ/√(σ²+ε) and β − μ·γ/√(σ²+ε), in f64, one row an output.
fn batch_norm(weight: &[f32], tensors: &Tensors, norm: &str) -> Result<Folded, String> {
    let [gamma, beta, mean, variance] = BATCH_NORM.map(|name| data(tensors, norm, name));
    let (gamma, beta, mean, variance) = (gamma?, beta?, mean?, variance?);
    let per_output = weight.len() / gamma.len();
    let mut folded = Folded { weight: Vec::with_capacity(weight.len()), bias: Vec::with_capacity(gamma.len()) };
    for (o, row) in weight.chunks_exact(per_output).enumerate() {
        let factor = f64::from(gamma[o]) / (f64::from(variance[o]) + BATCH_NORM_EPSILON).sqrt();
        folded.weight.extend(row.iter().map(|&w| (f64::from(w) * factor) as f32));
        folded.bias.push((f64::from(beta[o]) - f64::from(mean[o]) * factor) as f32);
    }
    Ok(folded)
}

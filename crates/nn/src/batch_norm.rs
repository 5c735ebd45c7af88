//! BatchNorm as arithmetic: one scale and shift a channel, and what a product becomes that takes them in.

use crate::weights::Tensors;

/// The four vectors of a BatchNorm layer.
pub const BATCH_NORM: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// A product's parameters: `weight` in the checkpoint's order (out × in × kh × kw), `bias` of each output.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Folded {
    /// out × in × kh × kw.
    pub weight: Vec<f32>,
    /// Of each output channel.
    pub bias: Vec<f32>,
}

/// The values under a path, or the key of the missing tensor.
pub fn data<'a>(tensors: &'a Tensors, path: &str, name: &str) -> Result<&'a [f32], String> {
    let key = format!("{path}.{name}");
    match tensors.get(&key) {
        Some(tensor) => Ok(&tensor.data),
        None => Err(key),
    }
}

/// A BatchNorm as one scale and shift per channel: x·scale + shift.
pub struct Affine {
    /// γ/√(σ²+ε).
    pub scale: Vec<f64>,
    /// β − μ·γ/√(σ²+ε).
    pub shift: Vec<f64>,
}

/// BatchNorm `norm`, or the key of the missing tensor.
pub fn affine(tensors: &Tensors, norm: &str, epsilon: f64) -> Result<Affine, String> {
    let [gamma, beta, mean, variance] = BATCH_NORM.map(|name| data(tensors, norm, name));
    let (gamma, beta, mean, variance) = (gamma?, beta?, mean?, variance?);
    let scale: Vec<f64> =
        gamma.iter().zip(variance).map(|(&g, &v)| f64::from(g) / (f64::from(v) + epsilon).sqrt()).collect();
    let shift =
        beta.iter().zip(mean).zip(&scale).map(|((&b, &m), scale)| f64::from(b) - f64::from(m) * scale).collect();
    Ok(Affine { scale, shift })
}

/// Folds BatchNorm `norm` into the weight before it, in f64, one row an output.
pub fn batch_norm(weight: &[f32], tensors: &Tensors, norm: &str, epsilon: f64) -> Result<Folded, String> {
    let Affine { scale, shift } = affine(tensors, norm, epsilon)?;
    let per_output = weight.len() / scale.len();
    let rows = weight.chunks_exact(per_output).zip(&scale);
    Ok(Folded {
        weight: rows.flat_map(|(row, scale)| row.iter().map(move |&w| (f64::from(w) * scale) as f32)).collect(),
        bias: shift.iter().map(|&shift| shift as f32).collect(),
    })
}

//! Tensors → safetensors. Weights are stored in 16 bits, the vectors of `BatchNorm` and biases in 32.

use facevault::model::weights::Tensors;
use half::f16;
use safetensors::{Dtype, tensor::TensorView};

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The tensors as a safetensors file.
pub fn encode(tensors: &Tensors) -> Result<Vec<u8>, Failure> {
    let bytes: Vec<(Dtype, Vec<u8>)> = tensors
        .values()
        .map(|tensor| match tensor.dtype.as_str() {
            "F16" => (Dtype::F16, tensor.data.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect()),
            _ => (Dtype::F32, tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect()),
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((key, tensor), (dtype, bytes))| {
        Ok((key.as_str(), TensorView::new(*dtype, tensor.shape.clone(), bytes)?))
    });
    let views = views.collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    Ok(safetensors::serialize(views, None)?)
}

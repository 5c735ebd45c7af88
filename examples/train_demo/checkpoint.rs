//! Tensors ⇄ safetensors. Weights are stored in 16 bits, the vectors of `BatchNorm` and biases in 32.

use std::path::Path;

use facevault::files::{self, FileError};
use facevault::model::weights::{Tensor, Tensors};
use half::f16;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

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

/// What [`encode`] wrote, widened to 32 bits.
pub fn decode(bytes: &[u8]) -> Result<Tensors, Failure> {
    let file = SafeTensors::deserialize(bytes)?;
    let mut tensors = Tensors::new();
    for (key, view) in file.iter() {
        let data = match view.dtype() {
            Dtype::F16 => view.data().chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
            Dtype::F32 => view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            other => return Err(format!("{key} is {other:?}").into()),
        };
        let tensor = Tensor { shape: view.shape().to_vec(), data, dtype: format!("{:?}", view.dtype()) };
        tensors.insert(key.to_owned(), tensor);
    }
    Ok(tensors)
}

/// Writes a checkpoint as one commit.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    files::commit_bytes(path, bytes)
}

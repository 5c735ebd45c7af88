//! A checkpoint as candle's building blocks ask for it: by path and shape.

use candle_core::{DType, Device, Error, Result, Shape, Tensor};
use candle_nn::Init;
use candle_nn::var_builder::{SimpleBackend, VarBuilder};

use super::missing;
use crate::weights::Tensors;

/// Paths of a checkpoint's tensors, for `vb.pp("…")`: a tensor that is not there, or has another shape, is an error.
pub(super) fn paths<'a>(tensors: &'a Tensors, device: &Device) -> VarBuilder<'a> {
    VarBuilder::from_backend(Box::new(CheckpointBackend(tensors)), DType::F32, device.clone())
}

struct CheckpointBackend<'a>(&'a Tensors);

impl SimpleBackend for CheckpointBackend<'_> {
    fn get(&self, shape: Shape, name: &str, _: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let tensor = self.get_unchecked(name, dtype, device)?;
        if *tensor.shape() == shape {
            return Ok(tensor);
        }
        Err(Error::Msg(format!("{name} is {:?}, needed is {shape:?}", tensor.shape())))
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let tensor = self.0.get(name).ok_or_else(|| missing(name.to_owned()))?;
        Tensor::from_slice(&tensor.data, tensor.shape.as_slice(), device)?.to_dtype(dtype)
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
}

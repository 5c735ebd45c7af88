//! FaceNet's parameters with the normalisation folded in; every implementation of it uses the result.

use crate::batch_norm::{Folded, batch_norm, data};
use crate::networks::inception_resnet_v1::{After, BATCH_NORM_EPSILON, Convolution};
use crate::weights::Tensors;

/// The folded parameters of a convolution, or the key of the missing tensor.
pub fn convolution(tensors: &Tensors, spec: &Convolution) -> Result<Folded, String> {
    match spec.after {
        After::NormRelu => {
            let weight = data(tensors, &spec.key, "conv.weight")?;
            batch_norm(weight, tensors, &format!("{}.bn", spec.key), BATCH_NORM_EPSILON)
        }
        After::Bias => Ok(Folded {
            weight: data(tensors, &spec.key, "weight")?.to_vec(),
            bias: data(tensors, &spec.key, "bias")?.to_vec(),
        }),
    }
}

/// `last_linear` and `last_bn` in one.
pub fn head(tensors: &Tensors) -> Result<Folded, String> {
    batch_norm(data(tensors, "last_linear", "weight")?, tensors, "last_bn", BATCH_NORM_EPSILON)
}

/// The folded parameters of a layer of a fused program; `weights::require` has checked that they exist.
pub fn folded(tensors: &Tensors, spec: &Convolution) -> Folded {
    let folded = if spec.key == "last_linear" { head(tensors) } else { convolution(tensors, spec) };
    folded.unwrap_or_default()
}

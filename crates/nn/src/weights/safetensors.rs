//! `.safetensors`: a JSON header, then raw little-endian values.

use safetensors::{Dtype, SafeTensors};

use super::storage::{Element, widen};
use super::{FormatError, Tensor, Tensors};

/// All tensors of a file.
pub(super) fn read(bytes: &[u8]) -> Result<Tensors, FormatError> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| FormatError::Safetensors(error.to_string()))?;
    let tensor = |view: &safetensors::tensor::TensorView| {
        let element = match view.dtype() {
            Dtype::F64 => Some(Element::F64),
            Dtype::F32 => Some(Element::F32),
            Dtype::F16 => Some(Element::F16),
            Dtype::BF16 => Some(Element::Bf16),
            _ => None,
        };
        let data = element.map_or_else(Vec::new, |element| widen(element, view.data()).collect());
        Tensor { shape: view.shape().to_vec(), data, dtype: format!("{:?}", view.dtype()) }
    };
    Ok(file.iter().map(|(key, view)| (key.to_owned(), tensor(&view))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn file() -> Vec<u8> {
        let view = |dtype, data| TensorView::new(dtype, vec![2], data).unwrap();
        let f64s: Vec<_> = [1.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let f16s: Vec<_> = [1.5f32, -2.0].iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect();
        let bf16s: Vec<_> = [1.5f32, -2.0].iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect();
        let f32s: Vec<_> = [1.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let i64s: Vec<_> = [1i64, 2].iter().flat_map(|v| v.to_le_bytes()).collect();
        let tensors = [
            ("F64", view(Dtype::F64, &f64s)),
            ("F16", view(Dtype::F16, &f16s)),
            ("BF16", view(Dtype::BF16, &bf16s)),
            ("F32", view(Dtype::F32, &f32s)),
            ("I64", view(Dtype::I64, &i64s)),
        ];
        safetensors::serialize(tensors, None).unwrap()
    }

    #[test]
    fn floats_of_every_width_are_widened_and_integers_keep_their_shape() {
        for (key, tensor) in read(&file()).unwrap() {
            assert_eq!((tensor.dtype.as_str(), tensor.shape.as_slice()), (key.as_str(), &[2][..]));
            let expected: &[f32] = if key == "I64" { &[] } else { &[1.5, -2.0] };
            assert_eq!(tensor.data, expected, "{key}");
        }
    }

    /// Fault (weights): a `.safetensors` file cut at any byte → refused as damaged
    #[test]
    fn a_truncated_file_is_refused_at_every_length() {
        let bytes = file();
        for length in 0..bytes.len() {
            assert!(read(&bytes[..length]).is_err(), "{length}");
        }
        insta::assert_snapshot!(read(&bytes[..bytes.len() - 1]).unwrap_err(), @"damaged .safetensors file: incomplete metadata, file not fully covered; download or copy it again");
    }
}

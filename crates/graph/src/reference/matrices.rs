//! Products of matrices.

use super::Tensor;
use super::movement::{broadcast_strides, offsets};

pub(super) fn multiply(a: &Tensor<'_>, b: &Tensor<'_>, shape: &[usize]) -> Vec<f64> {
    let (rows, depth) = (a.shape[a.shape.len() - 2], a.shape[a.shape.len() - 1]);
    let columns = b.shape[b.shape.len() - 1];
    assert_eq!(depth, b.shape[b.shape.len() - 2], "{:?} and {:?} multiply", a.shape, b.shape);
    let outer = &shape[..shape.len() - 2];
    let matrices = |tensor: &Tensor<'_>| {
        offsets(outer, 0, &broadcast_strides(&tensor.shape[..tensor.shape.len() - 2], outer)).collect::<Vec<_>>()
    };
    let mut output = vec![0.0; shape.iter().product()];
    for (at, (i, j)) in matrices(a).into_iter().zip(matrices(b)).enumerate() {
        let (left, right) = (&a.data[i * rows * depth..], &b.data[j * depth * columns..]);
        for row in 0..rows {
            let sums = &mut output[(at * rows + row) * columns..][..columns];
            for (k, factor) in left[row * depth..][..depth].iter().enumerate() {
                for (sum, x) in sums.iter_mut().zip(&right[k * columns..][..columns]) {
                    *sum += factor * x;
                }
            }
        }
    }
    output
}

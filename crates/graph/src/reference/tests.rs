use std::sync::Arc;

use super::*;
use crate::graph::{Binary, Function, Node, Pool, Reduction, Value};

fn computed(operator: &Operator, inputs: &[(&[usize], &[f64])], shape: &[usize]) -> Vec<f64> {
    let tensors: Vec<_> = inputs.iter().map(|(shape, data)| Tensor { shape, data }).collect();
    compute(operator, &tensors, shape)
}

fn counting(n: usize) -> Vec<f64> {
    (1..=n).map(|x| x as f64).collect()
}

#[test]
fn a_convolution_sums_its_window_and_takes_what_lies_outside_for_zero() {
    let convolution =
        |stride, padding, dilation, groups| Operator::Convolution { kernel: (2, 2), stride, padding, dilation, groups };
    let x: (&[usize], &[f64]) = (&[1, 1, 3, 3], &counting(9));
    let w: (&[usize], &[f64]) = (&[1, 1, 2, 2], &[1.0, 10.0, 100.0, 1000.0]);
    let plain = computed(&convolution((1, 1), [0; 4], (1, 1), 1), &[x, w, (&[1], &[0.5])], &[1, 1, 2, 2]);
    assert_eq!(plain, [5421.5, 6532.5, 8754.5, 9865.5]);
    // A column of zeros to the left and a row above.
    let padded = computed(&convolution((2, 2), [1, 1, 0, 0], (1, 1), 1), &[x, w], &[1, 1, 2, 2]);
    assert_eq!(padded, [1000.0, 3200.0, 7040.0, 9865.0]);
    let dilated = computed(&convolution((1, 1), [0; 4], (2, 2), 1), &[x, w], &[1, 1, 1, 1]);
    assert_eq!(dilated, [1.0 + 30.0 + 700.0 + 9000.0]);
    let two: (&[usize], &[f64]) = (&[1, 2, 2, 2], &counting(8));
    let weights: (&[usize], &[f64]) = (&[2, 1, 2, 2], &[1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
    assert_eq!(computed(&convolution((1, 1), [0; 4], (1, 1), 2), &[two, weights], &[1, 2, 1, 1]), [1.0, 8.0]);
}

#[test]
fn pools_differ_in_what_padding_and_overhang_count_for() {
    let pool = |pool| Operator::Pool { pool, kernel: (2, 2), stride: (2, 2), padding: [1, 0, 0, 0], dilation: (1, 1) };
    let x: (&[usize], &[f64]) = (&[1, 1, 3, 3], &counting(9));
    let of = |kind| computed(&pool(kind), &[x], &[1, 1, 2, 2]);
    assert_eq!(of(Pool::Max), [2.0, 3.0, 8.0, 9.0]);
    assert_eq!(of(Pool::Mean), [1.5, 3.0, 6.0, 7.5]);
    // The row above counts; the column that hangs over does not.
    assert_eq!(of(Pool::MeanWithPadding), [0.75, 1.5, 6.0, 7.5]);
}

#[test]
fn matrices_broadcast() {
    let product = computed(&Operator::MatMul, &[(&[2, 1, 2], &counting(4)), (&[2, 1], &[1.0, 10.0])], &[2, 1, 1]);
    assert_eq!(product, [21.0, 43.0]);
}

#[test]
fn reductions_take_the_axes_that_are_named() {
    let x: (&[usize], &[f64]) = (&[2, 2, 2], &[1.0, -2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let of = |reduction, axes: &[usize]| {
        let left = 8 >> axes.len();
        computed(&Operator::Reduce { reduction, axes: axes.to_vec() }, &[x], &[left])
    };
    assert_eq!(of(Reduction::Sum, &[0, 2]), [10.0, 22.0]);
    assert_eq!(of(Reduction::Mean, &[1]), [2.0, 1.0, 6.0, 7.0]);
    assert_eq!(of(Reduction::Max, &[0]), [5.0, 6.0, 7.0, 8.0]);
    assert_eq!(of(Reduction::Min, &[1, 2]), [-2.0, 5.0]);
    assert_eq!(of(Reduction::L1, &[2]), [3.0, 7.0, 11.0, 15.0]);
    assert_eq!(of(Reduction::L2, &[0, 1, 2]), [204f64.sqrt()]);
}

#[test]
fn softmax_sums_to_one_along_its_axis_and_layer_norm_has_no_mean() {
    let x: (&[usize], &[f64]) = (&[1, 2, 2], &[0.0, 1000.0, 3f64.ln(), 1000.0]);
    let softmax = computed(&Operator::Softmax { axis: 1 }, &[x], &[1, 2, 2]);
    assert!(softmax.iter().zip([0.25, 0.5, 0.75, 0.5]).all(|(a, b)| (a - b).abs() < 1e-12), "{softmax:?}");
    let norm = Operator::LayerNorm { axis: 1, epsilon: 0.0 };
    let normed = computed(&norm, &[(&[2, 2], &[1.0, 3.0, 5.0, 5.5]), (&[2], &[2.0, 1.0]), (&[1], &[0.5])], &[2, 2]);
    assert!(normed.iter().zip([-1.5, 1.5, -1.5, 1.5]).all(|(a, b)| (a - b).abs() < 1e-12), "{normed:?}");
}

#[test]
fn movement_puts_each_number_where_it_belongs() {
    let x: (&[usize], &[f64]) = (&[2, 3], &counting(6));
    let of = |operator, shape: &[usize]| computed(&operator, &[x], shape);
    assert_eq!(of(Operator::Transpose { order: vec![1, 0] }, &[3, 2]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    assert_eq!(of(Operator::Slice { axis: 1, start: 2, step: -2 }, &[2, 2]), [3.0, 1.0, 6.0, 4.0]);
    assert_eq!(of(Operator::Gather { axis: 1, indices: vec![2, 2] }, &[2, 2]), [3.0, 3.0, 6.0, 6.0]);
    assert_eq!(of(Operator::Pad { before: vec![0, 1], value: 9.0 }, &[3, 4])[..4], [9.0, 1.0, 2.0, 3.0]);
    assert_eq!(of(Operator::Pad { before: vec![0, 1], value: 9.0 }, &[3, 4])[8..], [9.0; 4]);
    let row: (&[usize], &[f64]) = (&[2, 1], &[7.0, 8.0]);
    assert_eq!(computed(&Operator::Broadcast, &[row], &[2, 2]), [7.0, 7.0, 8.0, 8.0]);
    let joined = computed(&Operator::Concat { axis: 1 }, &[x, row], &[2, 4]);
    assert_eq!(joined, [1.0, 2.0, 3.0, 7.0, 4.0, 5.0, 6.0, 8.0]);
}

#[test]
fn functions_have_the_values_of_tables() {
    let close = |function, x: f64, expected: f64| {
        let y = elementwise::function(function, x);
        assert!((y - expected).abs() < 1e-9, "{function:?} of {x} is {y}, not {expected}");
    };
    close(Function::Gelu, 1.0, 0.841_344_746_068_543);
    close(Function::GeluTanh, 1.0, 0.841_191_990_608_276);
    close(Function::Mish, 1.0, 0.865_098_388_267_310);
    close(Function::Silu, -2.0, -0.238_405_844_044_234);
    close(Function::HardSwish, 1.0, 4.0 / 6.0);
    close(Function::HardSigmoid(0.2, 0.5), 9.0, 1.0);
    close(Function::Elu(2.0), -1.0, 2.0 * (-1f64).exp_m1());
    close(Function::Softplus, 800.0, 800.0);
    close(Function::LeakyRelu(0.5), -3.0, -1.5);
    close(Function::Clip(-1.0, 6.0), 7.0, 6.0);
    let quantise = Function::Quantise { scale: 0.5, zero: 3.0, low: 0.0, high: 255.0 };
    close(quantise, 0.25, 3.0);
    close(quantise, 0.75, 5.0);
    close(quantise, -9.0, 0.0);
}

#[test]
fn a_graph_is_computed_in_its_order_and_every_value_can_be_seen() {
    let value = |name: &str, constant: Option<&[f32]>| Value {
        name: name.to_owned(),
        shape: vec![1, 2],
        constant: constant.map(Arc::from),
    };
    let node =
        |operator, inputs: &[usize], output| Node { name: String::new(), operator, inputs: inputs.to_vec(), output };
    let graph = Graph {
        values: vec![value("x", None), value("c", Some(&[1.0, 2.0])), value("sum", None), value("y", None)],
        nodes: vec![node(Operator::Binary(Binary::Sub), &[0, 1], 2), node(Operator::Binary(Binary::Mul), &[2, 2], 3)],
        input: 0,
        output: 3,
    };
    assert_eq!(run(&graph, &[4.0, 4.0]), [9.0, 4.0]);
    assert_eq!(values(&graph, &[4.0, 4.0]), [vec![4.0, 4.0], vec![1.0, 2.0], vec![3.0, 2.0], vec![9.0, 4.0]]);
}

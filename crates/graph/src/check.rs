//! Whether the shapes of a graph fit its operators: what engines rely on when they read and write memory.

use crate::graph::{Graph, Node, Operator, ValueId};

/// A node whose values do not fit what it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("node `{node}`: {rule}")]
pub struct Misshapen {
    /// Its name.
    pub node: String,
    /// What is not so.
    pub rule: String,
}

/// Checks every node and value.
///
/// # Errors
/// The first that is wrong.
pub fn check(graph: &Graph) -> Result<(), Misshapen> {
    let mut computed = vec![false; graph.values.len()];
    let known = |value: ValueId| value < graph.values.len();
    let whole = |node: &str, rule: &str| Misshapen { node: node.to_owned(), rule: rule.to_owned() };
    if !known(graph.input) || !known(graph.output) {
        return Err(whole("the graph", "its input or output is no value"));
    }
    for (value, computed) in graph.values.iter().zip(&mut computed) {
        let Some(constant) = &value.constant else { continue };
        *computed = true;
        if !constant.is_empty() && constant.len() != value.len() {
            return Err(whole(&value.name, "a constant has as many numbers as its shape says"));
        }
    }
    computed[graph.input] = true;
    for node in &graph.nodes {
        let fail = |rule: &str| Err(whole(&node.name, rule));
        if !node.inputs.iter().chain([&node.output]).all(|&value| known(value)) {
            return fail("what it reads and writes are values");
        }
        if !node.inputs.iter().all(|&input| computed[input]) {
            return fail("what it reads is computed before it");
        }
        if std::mem::replace(&mut computed[node.output], true) {
            return fail("a value is computed once");
        }
        for &input in &node.inputs {
            let value = &graph.values[input];
            if value.constant.as_ref().is_some_and(|constant| constant.len() != value.len()) {
                return fail("a constant has as many numbers as its shape says");
            }
        }
        let shapes: Vec<&[usize]> = node.inputs.iter().map(|&input| &graph.values[input].shape[..]).collect();
        let out = &graph.values[node.output].shape;
        if shapes.iter().copied().chain([&out[..]]).flatten().any(|&extent| extent == 0) {
            return fail("no extent is 0");
        }
        if let Err(rule) = fits(node, &shapes, out) {
            return fail(rule);
        }
    }
    if computed[graph.output] { Ok(()) } else { Err(whole("the graph", "its output is computed")) }
}

/// As NumPy broadcasts.
fn broadcasts(from: &[usize], to: &[usize]) -> bool {
    from.len() <= to.len() && from.iter().rev().zip(to.iter().rev()).all(|(&from, &to)| from == 1 || from == to)
}

fn fits(node: &Node, inputs: &[&[usize]], out: &[usize]) -> Result<(), &'static str> {
    let holds = |rule: bool, text: &'static str| if rule { Ok(()) } else { Err(text) };
    let numbers = |shape: &[usize]| shape.iter().product::<usize>();
    // Windows may end outside of the padded map where the output's shape asks for it, but must begin inside.
    let begins = |x: &[usize], stride: (usize, usize), padding: [usize; 4]| {
        (out[2] - 1) * stride.0 < x[2] + padding[0] + padding[2]
            && (out[3] - 1) * stride.1 < x[3] + padding[1] + padding[3]
    };
    match (&node.operator, inputs) {
        (Operator::Convolution { kernel, stride, padding, dilation, groups }, [x, weight, bias @ ..]) => {
            let maps = x.len() == 4 && out.len() == 4 && weight.len() == 4 && x[0] == 1 && out[0] == 1 && *groups > 0;
            holds(maps, "it takes and gives maps of one face")?;
            let parts = x[1].is_multiple_of(*groups) && out[1].is_multiple_of(*groups);
            let shape = [out[1], x[1] / groups, kernel.0, kernel.1];
            holds(parts && **weight == shape, "its weights fit its channels")?;
            holds(
                bias.is_empty() || (bias.len() == 1 && *bias[0] == [out[1]]),
                "its bias has a number for each channel",
            )?;
            let sound =
                kernel.0 > 0 && kernel.1 > 0 && stride.0 > 0 && stride.1 > 0 && dilation.0 > 0 && dilation.1 > 0;
            holds(sound && begins(x, *stride, *padding), "its windows begin inside the padded map")
        }
        (Operator::Pool { kernel, stride, padding, dilation, .. }, [x]) => {
            let maps = x.len() == 4 && out.len() == 4 && x[..2] == out[..2] && x[0] == 1;
            holds(maps, "it takes and gives maps of the same channels")?;
            let sound =
                kernel.0 > 0 && kernel.1 > 0 && stride.0 > 0 && stride.1 > 0 && dilation.0 > 0 && dilation.1 > 0;
            holds(sound && begins(x, *stride, *padding), "its windows begin inside the padded map")
        }
        (Operator::MatMul, [a, b]) => {
            let axes = a.len() >= 2 && b.len() >= 2 && out.len() == a.len().max(b.len());
            holds(axes, "both sides are matrices")?;
            let ([m, k], [k_too, n]) = (tail(a), tail(b));
            holds(k == k_too && tail(out) == [m, n], "rows and columns fit")?;
            let batch = &out[..out.len() - 2];
            let rest = broadcasts(&a[..a.len() - 2], batch) && broadcasts(&b[..b.len() - 2], batch);
            holds(rest, "what is multiplied side by side fits")
        }
        (Operator::Function(_), [x]) => holds(*x == out, "the shape stays"),
        (Operator::Binary(_), [a, b]) => {
            holds(broadcasts(a, out) && broadcasts(b, out), "both sides broadcast to the result")
        }
        (Operator::PRelu, [x, slope]) => holds(*x == out && broadcasts(slope, out), "the slopes broadcast to x"),
        (Operator::Reduce { axes, .. }, [x]) => {
            let ascending =
                axes.windows(2).all(|pair| pair[0] < pair[1]) && axes.last().is_none_or(|&last| last < x.len());
            holds(ascending, "its axes are axes of x")?;
            let kept =
                (0..x.len()).filter(|axis| !axes.contains(axis)).map(|axis| x[axis]).filter(|&extent| extent != 1);
            holds(kept.eq(out.iter().copied().filter(|&extent| extent != 1)), "the other axes stay")
        }
        (Operator::Softmax { axis }, [x]) => holds(*x == out && *axis < x.len(), "the shape stays"),
        (Operator::LayerNorm { axis, .. }, [x, rest @ ..]) => {
            let parts = matches!(rest.len(), 1 | 2) && rest.iter().all(|part| broadcasts(part, x));
            holds(*x == out && *axis < x.len() && parts, "scale and shift broadcast to x")
        }
        (Operator::Concat { axis }, [_, ..]) => {
            let same = |x: &&[usize]| {
                x.len() == out.len() && (0..out.len()).all(|other| other == *axis || x[other] == out[other])
            };
            holds(*axis < out.len() && inputs.iter().all(same), "all other axes are alike")?;
            holds(inputs.iter().map(|x| x[*axis]).sum::<usize>() == out[*axis], "the parts fill the axis")
        }
        (Operator::Slice { axis, start, step }, [x]) => {
            holds(one_axis(x, out, *axis), "all other axes stay")?;
            let last = *start as isize + (out[*axis] as isize - 1) * step;
            holds(*start < x[*axis] && (0..x[*axis] as isize).contains(&last), "it stays inside the axis")
        }
        (Operator::Gather { axis, indices }, [x]) => {
            holds(one_axis(x, out, *axis) && indices.len() == out[*axis], "all other axes stay")?;
            holds(indices.iter().all(|&index| index < x[*axis]), "it stays inside the axis")
        }
        (Operator::Transpose { order }, [x]) => {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            holds(sorted.iter().copied().eq(0..x.len()), "its order is one of the axes")?;
            holds(order.iter().map(|&axis| x[axis]).eq(out.iter().copied()), "the extents move with their axes")
        }
        (Operator::Reshape, [x]) => holds(numbers(x) == numbers(out), "the numbers stay as many"),
        (Operator::Broadcast, [x]) => holds(broadcasts(x, out), "x broadcasts to the result"),
        (Operator::Pad { before, .. }, [x]) => {
            let fits = x.len() == out.len() && before.len() == x.len();
            let inside = fits && (0..x.len()).all(|axis| before[axis] + x[axis] <= out[axis]);
            holds(inside, "x lies inside the result")
        }
        _ => Err("it has as many inputs as its operator takes"),
    }
}

/// The last two extents.
fn tail(shape: &[usize]) -> [usize; 2] {
    [shape[shape.len() - 2], shape[shape.len() - 1]]
}

fn one_axis(x: &[usize], out: &[usize], axis: usize) -> bool {
    axis < x.len() && x.len() == out.len() && (0..x.len()).all(|other| other == axis || x[other] == out[other])
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::graph::{Binary, Value};

    /// A face (1, 3, 4, 4), a constant, and one node on both or on the face alone.
    fn graph(operator: Operator, constant: Option<&[usize]>, out: &[usize]) -> Graph {
        let value = |shape: &[usize], is_constant: bool| Value {
            name: "v".into(),
            shape: shape.to_vec(),
            constant: is_constant.then(|| Arc::from(vec![0.5; shape.iter().product()])),
        };
        let mut values = vec![value(&[1, 3, 4, 4], false)];
        values.extend(constant.map(|shape| value(shape, true)));
        values.push(value(out, false));
        let (inputs, output) = ((0..values.len() - 1).collect(), values.len() - 1);
        let nodes = vec![Node { name: "n".into(), operator, inputs, output }];
        Graph { values, nodes, input: 0, output }
    }

    fn convolution(padding: [usize; 4]) -> Operator {
        Operator::Convolution { kernel: (3, 3), stride: (1, 1), padding, dilation: (1, 1), groups: 1 }
    }

    #[test]
    fn shapes_that_fit_pass() {
        assert_eq!(check(&graph(convolution([1; 4]), Some(&[8, 3, 3, 3]), &[1, 8, 4, 4])), Ok(()));
        assert_eq!(check(&graph(Operator::Binary(Binary::Add), Some(&[3, 1, 1]), &[1, 3, 4, 4])), Ok(()));
        assert_eq!(check(&graph(Operator::Slice { axis: 3, start: 3, step: -1 }, None, &[1, 3, 4, 4])), Ok(()));
    }

    #[test]
    fn each_that_does_not_is_named() {
        let wrong = [
            graph(convolution([1; 4]), Some(&[8, 2, 3, 3]), &[1, 8, 4, 4]),
            graph(convolution([0; 4]), Some(&[8, 3, 3, 3]), &[1, 8, 9, 4]),
            graph(Operator::MatMul, Some(&[3, 5]), &[1, 3, 4, 5]),
            graph(Operator::Binary(Binary::Add), Some(&[2, 1, 1]), &[1, 3, 4, 4]),
            graph(Operator::Slice { axis: 2, start: 2, step: 1 }, None, &[1, 3, 3, 4]),
            graph(Operator::Gather { axis: 1, indices: vec![3] }, None, &[1, 1, 4, 4]),
            graph(Operator::Transpose { order: vec![0, 1, 1, 3] }, None, &[1, 3, 3, 4]),
            graph(Operator::Reshape, None, &[1, 49]),
            graph(Operator::Softmax { axis: 4 }, None, &[1, 3, 4, 4]),
            graph(Operator::Pad { before: vec![0, 0, 1, 0], value: 0.0 }, None, &[1, 3, 4, 4]),
            graph(Operator::Concat { axis: 1 }, Some(&[1, 1, 4, 4]), &[1, 5, 4, 4]),
            graph(Operator::Reshape, None, &[0]),
        ];
        for (index, graph) in wrong.iter().enumerate() {
            let found = check(graph).expect_err(&format!("{index}"));
            assert_eq!(found.node, "n", "{index}: {found}");
        }
        let mut cyclic = graph(Operator::Reshape, None, &[48]);
        cyclic.nodes[0].inputs = vec![1];
        assert!(check(&cyclic).is_err());
    }
}

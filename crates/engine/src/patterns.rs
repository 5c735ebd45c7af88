//! What exporters take apart is put together again: one node for each activation function and each norm, so that it is one
//! pass over memory, or none.

use std::sync::Arc;

use facevault_graph::{Binary, Function, Graph, Operator, Reduction, Value, ValueId};

/// How far a constant may be from what a pattern asks for, relative: exporters print them in f32, some with few digits.
const CLOSE: f32 = 1e-3;

/// The graph with the patterns that are known as single nodes.
pub fn join(graph: &Graph) -> Graph {
    let mut patterns = Patterns::new(graph.clone());
    for node in 0..patterns.graph.nodes.len() {
        let joined = patterns.gated(node).or_else(|| patterns.gelu(node)).or_else(|| patterns.layer_norm(node));
        if let Some((operator, inputs)) = joined {
            let node = &mut patterns.graph.nodes[node];
            (node.operator, node.inputs) = (operator, inputs);
        }
    }
    without_dead_nodes(patterns.graph)
}

type Joined = Option<(Operator, Vec<ValueId>)>;

struct Patterns {
    graph: Graph,
    /// Which node computes a value.
    source: Vec<Option<usize>>,
}

impl Patterns {
    fn new(graph: Graph) -> Self {
        let mut source = vec![None; graph.values.len()];
        for (index, node) in graph.nodes.iter().enumerate() {
            source[node.output] = Some(index);
        }
        Self { graph, source }
    }

    fn operator(&self, value: ValueId) -> Option<(&Operator, &[ValueId])> {
        let node = &self.graph.nodes[self.source[value]?];
        Some((&node.operator, &node.inputs))
    }

    /// The constant that a value is, if it is one number.
    fn number(&self, value: ValueId) -> Option<f32> {
        match self.graph.values[value].constant.as_deref() {
            Some([number]) => Some(*number),
            _ => None,
        }
    }

    fn is(&self, value: ValueId, number: f32) -> bool {
        self.number(value).is_some_and(|found| (found - number).abs() <= CLOSE * number.abs())
    }

    /// The two sides of a product or sum.
    fn sides(&self, value: ValueId, wanted: Binary) -> Option<[ValueId; 2]> {
        match self.operator(value)? {
            (Operator::Binary(binary), &[a, b]) if *binary == wanted => Some([a, b]),
            _ => None,
        }
    }

    /// The other side of an operation with this number.
    fn beside(&self, value: ValueId, wanted: Binary, number: f32) -> Option<ValueId> {
        let [a, b] = self.sides(value, wanted)?;
        if self.is(b, number) {
            Some(a)
        } else if wanted != Binary::Div && wanted != Binary::Sub && self.is(a, number) {
            Some(b)
        } else {
            None
        }
    }

    /// x times or divided by a number.
    fn times(&self, value: ValueId, number: f32) -> Option<ValueId> {
        self.beside(value, Binary::Mul, number).or_else(|| self.beside(value, Binary::Div, 1.0 / number))
    }

    fn function(&self, value: ValueId) -> Option<(Function, ValueId)> {
        match self.operator(value)? {
            (Operator::Function(function), &[x]) => Some((*function, x)),
            _ => None,
        }
    }

    /// x · gate(x): `Silu`, `HardSwish`, `Mish`.
    fn gated(&self, node: usize) -> Joined {
        let output = self.graph.nodes[node].output;
        let gated = |value: ValueId| {
            let [a, b] = self.sides(value, Binary::Mul)?;
            [(a, b), (b, a)].into_iter().find_map(|(x, gate)| self.gate(x, gate).map(|function| (function, x)))
        };
        // The sixth of hard swish may come after the product.
        let (function, x) = gated(output).or_else(|| {
            let product = self.times(output, 1.0 / 6.0)?;
            let [a, b] = self.sides(product, Binary::Mul)?;
            let x = if self.six(a, b) {
                a
            } else if self.six(b, a) {
                b
            } else {
                return None;
            };
            Some((Function::HardSwish, x))
        })?;
        Some((Operator::Function(function), vec![x]))
    }

    /// min(max(x + 3, 0), 6).
    fn six(&self, x: ValueId, value: ValueId) -> bool {
        let Some((Function::Clip(0.0, 6.0), sum)) = self.function(value) else { return false };
        self.beside(sum, Binary::Add, 3.0) == Some(x)
    }

    fn gate(&self, x: ValueId, gate: ValueId) -> Option<Function> {
        if let Some(sixfold) = self.times(gate, 1.0 / 6.0)
            && self.six(x, sixfold)
        {
            return Some(Function::HardSwish);
        }
        match self.function(gate)? {
            (Function::Sigmoid, of) if of == x => Some(Function::Silu),
            (Function::HardSigmoid(a, b), of) if of == x && (a - 1.0 / 6.0).abs() < 1e-4 && b == 0.5 => {
                Some(Function::HardSwish)
            }
            (Function::Tanh, of) => match self.function(of)? {
                (Function::Softplus, of) if of == x => Some(Function::Mish),
                _ => None,
            },
            _ => None,
        }
    }

    /// x · (1 + erf(x / √2)) / 2, whichever product comes first.
    fn gelu(&self, node: usize) -> Joined {
        let output = self.graph.nodes[node].output;
        let curve = |x: ValueId, value: ValueId| {
            let erf = self.beside(value, Binary::Add, 1.0)?;
            match self.function(erf)? {
                (Function::Erf, scaled) => (self.times(scaled, std::f32::consts::FRAC_1_SQRT_2)? == x).then_some(()),
                _ => None,
            }
        };
        let product = |value: ValueId| {
            let [a, b] = self.sides(value, Binary::Mul)?;
            [(a, b), (b, a)].into_iter().find(|&(x, other)| curve(x, other).is_some()).map(|(x, _)| x)
        };
        let x = self.times(output, 0.5).and_then(product).or_else(|| {
            let [a, b] = self.sides(output, Binary::Mul)?;
            [(a, b), (b, a)].into_iter().find_map(|(half, other)| {
                if let Some(x) = self.times(half, 0.5)
                    && curve(x, other).is_some()
                {
                    return Some(x);
                }
                let whole = self.times(other, 0.5)?;
                curve(half, whole).is_some().then_some(half)
            })
        })?;
        Some((Operator::Function(Function::Gelu), vec![x]))
    }

    /// (x − mean) / √(mean of squares + ε) · scale + shift over the last axes.
    fn layer_norm(&mut self, node: usize) -> Joined {
        let output = self.graph.nodes[node].output;
        let [a, b] = self.sides(output, Binary::Add)?;
        let is_constant = |value: ValueId| self.graph.values[value].constant.is_some();
        let (product, shift) = if is_constant(b) { (a, b) } else { (b, a) };
        let [c, d] = self.sides(product, Binary::Mul)?;
        let (normalised, scale) = if is_constant(d) { (c, d) } else { (d, c) };
        if !is_constant(shift) || !is_constant(scale) {
            return None;
        }
        let [centred, deviation] = self.sides(normalised, Binary::Div)?;
        let (Function::Sqrt, moved) = self.function(deviation)? else { return None };
        let [e, f] = self.sides(moved, Binary::Add)?;
        let (variance, epsilon) = if is_constant(f) { (e, f) } else { (f, e) };
        let epsilon = self.number(epsilon)?;
        let (square, axes) = self.mean(variance)?;
        let root = match self.operator(square)? {
            (Operator::Function(Function::Power(2.0)), &[x]) => x,
            (Operator::Binary(Binary::Mul), &[x, y]) if x == y => x,
            (Operator::Binary(Binary::Pow), &[x, power]) if self.is(power, 2.0) => x,
            _ => return None,
        };
        let [x, mean] = self.sides(centred, Binary::Sub)?;
        // Some exporters subtract the mean twice.
        let again = self.sides(root, Binary::Sub) == Some([x, mean]);
        let (of, axes_too) = self.mean(mean)?;
        let rank = self.graph.values[x].shape.len();
        let last = axes.iter().copied().eq(rank - axes.len()..rank);
        let row = &self.graph.values[x].shape[rank - axes.len()..];
        let fits = |value: ValueId| {
            let shape = &self.graph.values[value].shape;
            let extra = shape.len().saturating_sub(row.len());
            shape[..extra].iter().all(|&extent| extent == 1)
        };
        if of != x || (root != centred && !again) || axes != axes_too || !last || !fits(scale) || !fits(shift) {
            return None;
        }
        let operator = Operator::LayerNorm { axis: rank - axes.len(), epsilon: f64::from(epsilon) };
        Some((operator, vec![x, scale, shift]))
    }

    fn mean(&self, value: ValueId) -> Option<(ValueId, Vec<usize>)> {
        match self.operator(value)? {
            (Operator::Reduce { reduction: Reduction::Mean, axes }, &[x]) => Some((x, axes.clone())),
            _ => None,
        }
    }
}

/// Without what nothing reads any more.
fn without_dead_nodes(mut graph: Graph) -> Graph {
    let mut read = vec![false; graph.values.len()];
    read[graph.output] = true;
    let mut kept: Vec<_> = Vec::with_capacity(graph.nodes.len());
    for node in graph.nodes.drain(..).rev() {
        if read[node.output] {
            node.inputs.iter().for_each(|&input| read[input] = true);
            kept.push(node);
        }
    }
    kept.reverse();
    graph.nodes = kept;
    for (value, read) in graph.values.iter_mut().zip(read) {
        if !read {
            // Its numbers may be many.
            *value = Value { constant: value.constant.as_ref().map(|_| Arc::from([])), ..std::mem::take(value) };
        }
    }
    graph
}

#[cfg(test)]
mod tests {
    use super::*;
    use facevault_graph::{Node, reference};

    /// A graph over (1, 3, 2, 4) from operators with their inputs: 0 is the face, 1 … the constants, then the nodes in order.
    fn graph(constants: &[f32], nodes: &[(Operator, Vec<usize>)]) -> Graph {
        let value = |shape: &[usize], constant: Option<&[f32]>| Value {
            name: String::new(),
            shape: shape.to_vec(),
            constant: constant.map(Arc::from),
        };
        let mut graph = Graph { values: vec![value(&[1, 3, 2, 4], None)], ..Graph::default() };
        graph.values.extend(constants.iter().map(|number| value(&[], Some(&[*number]))));
        graph.values.push(value(&[4], Some(&[0.5, 1.0, 1.5, 2.0])));
        for (operator, inputs) in nodes {
            let shape: &[usize] = if matches!(operator, Operator::Reduce { .. }) {
                &[1, 3, 2, 1]
            } else {
                &graph.values[inputs[0]].shape.clone()
            };
            // Sums with a mean have the shape of the other side.
            let shape = if shape[3] == 1 && inputs.len() == 2 && graph.values[inputs[1]].shape.len() == 4 {
                graph.values[inputs[1]].shape.clone()
            } else {
                shape.to_vec()
            };
            graph.values.push(value(&shape, None));
            let output = graph.values.len() - 1;
            graph.nodes.push(Node { name: String::new(), operator: operator.clone(), inputs: inputs.clone(), output });
        }
        graph.output = graph.values.len() - 1;
        graph
    }

    /// Joins the graph; it must become one node that computes the same.
    fn joins(graph: &Graph, expected: &Operator) {
        let joined = join(graph);
        let operators: Vec<_> = joined.nodes.iter().map(|node| &node.operator).collect();
        assert_eq!(operators, [expected]);
        let input: Vec<f32> = (0..24).map(|i| (i as f32 - 12.0) / 3.0).collect();
        for (ours, theirs) in reference::run(&joined, &input).iter().zip(reference::run(graph, &input)) {
            assert!((ours - theirs).abs() < 1e-4, "{ours} instead of {theirs}");
        }
    }

    #[test]
    fn what_exporters_take_apart_is_put_together() {
        use Operator::Binary as B;
        let f = Operator::Function;
        let silu = graph(&[], &[(f(Function::Sigmoid), vec![0]), (B(Binary::Mul), vec![0, 2])]);
        joins(&silu, &f(Function::Silu));
        let swish = [
            (B(Binary::Add), vec![0, 1]),
            (f(Function::Clip(0.0, 6.0)), vec![4]),
            (B(Binary::Mul), vec![0, 5]),
            (B(Binary::Div), vec![6, 2]),
        ];
        joins(&graph(&[3.0, 6.0], &swish), &f(Function::HardSwish));
        let gelu = [
            (B(Binary::Div), vec![0, 1]),
            (f(Function::Erf), vec![5]),
            (B(Binary::Add), vec![6, 2]),
            (B(Binary::Mul), vec![0, 7]),
            (B(Binary::Mul), vec![8, 3]),
        ];
        joins(&graph(&[std::f32::consts::SQRT_2, 1.0, 0.5], &gelu), &f(Function::Gelu));
        let mean = || Operator::Reduce { reduction: Reduction::Mean, axes: vec![3] };
        let norm = [
            (mean(), vec![0]),
            (B(Binary::Sub), vec![0, 3]),
            (f(Function::Power(2.0)), vec![4]),
            (mean(), vec![5]),
            (B(Binary::Add), vec![6, 1]),
            (f(Function::Sqrt), vec![7]),
            (B(Binary::Div), vec![4, 8]),
            (B(Binary::Mul), vec![9, 2]),
            (B(Binary::Add), vec![10, 2]),
        ];
        joins(&graph(&[1e-3], &norm), &Operator::LayerNorm { axis: 3, epsilon: f64::from(1e-3f32) });
    }

    #[test]
    fn what_only_looks_like_a_pattern_stays() {
        let f = Operator::Function;
        let other = [
            (f(Function::Sigmoid), vec![0]),
            (f(Function::Relu), vec![0]),
            (Operator::Binary(Binary::Mul), vec![3, 2]),
        ];
        assert_eq!(join(&graph(&[], &other)).nodes.len(), 3);
    }
}

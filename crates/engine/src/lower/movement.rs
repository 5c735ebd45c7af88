//! What moves numbers without computing: views where that is possible, copies elsewhere.

use facevault_graph::{Node, Operator};

use super::Lowering;
use crate::step::Work;
use crate::view::View;

impl Lowering<'_> {
    pub(super) fn movement(&mut self, node: &Node) {
        let shape = self.shape(node.output).to_vec();
        match &node.operator {
            Operator::Concat { axis } => self.concat(node, *axis),
            Operator::Slice { axis, start, step } => {
                let view = self.view(node.inputs[0]).sliced(*axis, *start, *step, shape[*axis]);
                // Kernels step forward.
                let view =
                    if *step < 0 { self.copied(&node.name, &view, &Self::usual_order(shape.len())) } else { view };
                self.be(node.output, view);
            }
            Operator::Gather { axis, indices } => self.gather(node, *axis, indices),
            Operator::Transpose { order } => {
                let view = self.view(node.inputs[0]).transposed(order);
                self.be(node.output, view);
            }
            Operator::Broadcast => {
                let view = self.view(node.inputs[0]).broadcast(&shape);
                self.be(node.output, view);
            }
            Operator::Pad { before, value } => self.pad(node, before, *value),
            _ => {
                let view = self.view(node.inputs[0]);
                let view = view.reshaped(&shape).unwrap_or_else(|| {
                    let order: Vec<usize> = (0..view.shape.len()).collect();
                    let copy = self.copied(&node.name, &view, &order);
                    copy.reshaped(&shape).expect("contiguous numbers take any shape")
                });
                self.be(node.output, view);
            }
        }
    }

    fn copy(&mut self, node: &Node, from: View, to: View) {
        self.step(&node.name, 0.0, Work::Copy { from, to });
    }

    fn concat(&mut self, node: &Node, axis: usize) {
        let rank = self.shape(node.output).len();
        let whole = self.allot(node.output, &Self::usual_order(rank));
        let mut start = 0;
        for &input in &node.inputs {
            let length = self.shape(input)[axis];
            if self.claims.get(&input) != Some(&(node.output, axis, start)) {
                let from = self.view(input);
                self.copy(node, from, whole.sliced(axis, start, 1, length));
            }
            start += length;
        }
    }

    /// Runs of evenly spaced indices are copied as one.
    fn gather(&mut self, node: &Node, axis: usize, indices: &[usize]) {
        let from = self.view(node.inputs[0]);
        if let [index] = indices {
            self.be(node.output, from.sliced(axis, *index, 1, 1));
            return;
        }
        let rank = self.shape(node.output).len();
        let to = self.allot(node.output, &Self::usual_order(rank));
        let mut first = 0;
        while first < indices.len() {
            let step = indices.get(first + 1).map_or(1, |&next| next as isize - indices[first] as isize);
            let mut last = first;
            while indices.get(last + 1).is_some_and(|&next| next as isize - indices[last] as isize == step) {
                last += 1;
            }
            let length = last + 1 - first;
            self.copy(node, from.sliced(axis, indices[first], step, length), to.sliced(axis, first, 1, length));
            first = last + 1;
        }
    }

    /// Zeros around a map become the padding of the convolutions that read it.
    fn pad(&mut self, node: &Node, before: &[usize], value: f32) {
        let readers = &self.readers[node.output];
        let convolution = |&reader: &usize| {
            let node_of = &self.graph.nodes[reader];
            matches!(node_of.operator, Operator::Convolution { .. }) && node_of.inputs[0] == node.output
        };
        let (from, shape) = (self.shape(node.inputs[0]), self.shape(node.output));
        let outside = from.len() == 4 && from[..2] == shape[..2];
        if value == 0.0 && outside && !readers.is_empty() && readers.iter().all(convolution) {
            self.padded.insert(node.output, (node.inputs[0], (before[2], before[3])));
            return;
        }
        let from = self.view(node.inputs[0]);
        let order = from.order();
        let to = self.allot(node.output, &order);
        self.step(&format!("{}: fill", node.name), 0.0, Work::Fill { value, to: to.clone() });
        let inner =
            before.iter().enumerate().fold(to, |view, (axis, &start)| view.sliced(axis, start, 1, from.shape[axis]));
        self.copy(node, from, inner);
    }
}

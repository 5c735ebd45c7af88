//! Products of two tensors.

use facevault_graph::{Node, Operator, ValueId};

use super::{Lowering, product};
use crate::kernels::storage::Storage;
use crate::step::{MatMul, Work};
use crate::view::View;

impl Lowering<'_> {
    pub(super) fn mat_mul(&mut self, node: &Node) {
        let (left, right) = (node.inputs[0], node.inputs[1]);
        let graph = self.graph;
        if let Some(weight) = &graph.values[right].constant {
            let view = View::row_major(crate::view::Home::Constants, 0, self.shape(right));
            if let Some(matrix) = product::matrix(&view, weight) {
                self.linear(node, left, weight, matrix);
                return;
            }
        }
        let shape = self.shape(node.output).to_vec();
        let rank = shape.len();
        let batch = &shape[..rank - 2];
        let extended = |view: &View| {
            let own = view.shape.len() - 2;
            let wanted: Vec<usize> = batch.iter().chain(&view.shape[own..]).copied().collect();
            view.broadcast(&wanted)
        };
        let (left, right) = (self.view(left), self.view(right));
        let (mut left, right) = (extended(&left), extended(&right));
        let plain: Vec<usize> = (0..rank).collect();
        if (left.shape[rank - 1] > 1 && left.strides[rank - 1] != 1) || self.storage(&left) != Storage::F32 {
            left = self.copied_as(&node.name, &left, &plain, Storage::F32);
        }
        let right = if self.storage(&right) == Storage::F32 {
            right
        } else {
            self.copied_as(&node.name, &right, &plain, Storage::F32)
        };
        let order = self.order_of(node.output, rank - 1);
        let place = self.allot(node.output, &order);
        let lies = shape[rank - 1] == 1 || place.strides[rank - 1] == 1;
        let out = if lies { place.clone() } else { self.fresh(&shape, &(0..rank).collect::<Vec<_>>()) };
        let inner = left.shape[rank - 1];
        let room = (inner * shape[rank - 1].next_multiple_of(2 * self.set.lanes)).next_multiple_of(16);
        let scratch = self.scratch(room * self.threads);
        let flop = 2.0 * (shape.iter().product::<usize>() * inner) as f64;
        self.step(&node.name, flop, Work::MatMul(MatMul { left, right, out: out.clone(), scratch, room }));
        if !lies {
            self.step(&format!("{}: copy", node.name), 0.0, Work::Copy { from: out, to: place });
        }
    }

    /// The order of a result's axes: such that a transposition that alone reads it needs no copy.
    fn order_of(&self, value: ValueId, innermost: usize) -> Vec<usize> {
        let rank = self.shape(value).len();
        if let [reader] = self.readers[value][..]
            && let Operator::Transpose { order } = &self.graph.nodes[reader].operator
            && order.last() == Some(&innermost)
        {
            return order.clone();
        }
        (0..rank).collect()
    }
}

//! Elementwise nodes that no product has taken along.

use facevault_graph::{Node, Operator};

use super::Lowering;
use super::chain::Chain;
use crate::kernels::chain::Link;
use crate::step::{Map, Work};
use crate::view::View;

impl Lowering<'_> {
    pub(super) fn elementwise(&mut self, node: &Node) {
        let shape = self.shape(node.output).to_vec();
        // The operand that is not broadcast, and not a constant, comes first: the chain starts with it.
        let whole =
            |&&value: &&usize| self.graph.values[value].constant.is_none() && self.graph.values[value].shape == shape;
        let moving = |&&value: &&usize| self.graph.values[value].constant.is_none();
        let first = *node.inputs.iter().find(whole).or(node.inputs.iter().find(moving)).unwrap_or(&node.inputs[0]);
        let input = self.view(first).broadcast(&shape);
        let index = self.graph.nodes.iter().position(|other| other.output == node.output).unwrap_or_default();
        let mut chain = Chain { last: node.output, links: Vec::new(), operands: Vec::new() };
        self.first_link(&mut chain, index, first);
        let rest = self.chain(node.output, |_| true);
        let shifted = |link| shift_operands(link, chain.operands.len());
        chain.links.extend(rest.links.into_iter().map(shifted));
        chain.operands.extend(rest.operands);
        let order = if self.shape(first) == shape { input.order() } else { Self::usual_order(shape.len()) };
        let out = self.allot(rest.last, &order);
        let inner = out.order().into_iter().rev().find(|&axis| shape[axis] > 1);
        let mut steady = |view: View| match inner {
            Some(axis) if !matches!(view.strides[axis], 0 | 1) => self.copied(&node.name, &view, &out.order()),
            _ => view,
        };
        let input = steady(input);
        let operands = chain.operands.into_iter().map(&mut steady).collect();
        // What a concatenation along another axis claimed may not be contiguous itself.
        let lies = inner.is_none_or(|axis| out.strides[axis] == 1);
        let target = if lies { out.clone() } else { self.fresh(&shape, &order) };
        let map = Map { input, links: chain.links, operands, out: target.clone() };
        self.step(&node.name, 0.0, Work::Map(map));
        if !lies {
            self.step(&format!("{}: copy", node.name), 0.0, Work::Copy { from: target, to: out });
        }
    }

    /// The node itself, as the chain's first link on `first`.
    fn first_link(&mut self, chain: &mut Chain, node: usize, first: usize) {
        let node = &self.graph.nodes[node];
        let shape = self.shape(node.output);
        let other = match node.inputs[..] {
            [a, b] => Some(if a == first { b } else { a }),
            _ => None,
        };
        let swapped = node.inputs[0] != first;
        let link = match (&node.operator, other) {
            (Operator::Function(function), _) => Link::Function(*function),
            (Operator::Binary(binary), Some(other)) => {
                if let Some([value]) = self.graph.values[other].constant.as_deref() {
                    Link::Scalar { binary: *binary, value: *value, swapped }
                } else {
                    chain.operands.push(self.view(other).broadcast(shape));
                    Link::Operand { binary: *binary, operand: 0, swapped }
                }
            }
            (_, Some(other)) => {
                chain.operands.push(self.view(other).broadcast(shape));
                Link::PRelu { operand: 0 }
            }
            (_, None) => return,
        };
        chain.links.push(link);
    }
}

fn shift_operands(link: Link, by: usize) -> Link {
    match link {
        Link::Operand { binary, operand, swapped } => Link::Operand { binary, operand: operand + by, swapped },
        Link::PRelu { operand } => Link::PRelu { operand: operand + by },
        other => other,
    }
}

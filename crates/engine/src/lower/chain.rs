//! Elementwise nodes that follow one another become one chain.

use facevault_graph::{Operator, ValueId};

use super::Lowering;
use crate::kernels::chain::Link;
use crate::view::View;

/// A chain from a value on.
pub(super) struct Chain {
    /// What it computes in the end.
    pub last: ValueId,
    pub links: Vec<Link>,
    /// Broadcast to the value's shape.
    pub operands: Vec<View>,
}

impl Lowering<'_> {
    /// The elementwise nodes behind a value, as far as each has no other reader and its operands are there. Those that are in
    /// the chain are taken.
    pub(super) fn chain(&mut self, value: ValueId, fits: impl Fn(&View) -> bool) -> Chain {
        let mut chain = Chain { last: value, links: Vec::new(), operands: Vec::new() };
        while let [reader] = self.readers[chain.last][..] {
            if chain.last == self.graph.output || self.taken[reader] || !self.link(&mut chain, reader, &fits) {
                break;
            }
            self.taken[reader] = true;
            chain.last = self.graph.nodes[reader].output;
        }
        chain
    }

    /// Adds a node to a chain, if it can be.
    pub(super) fn link(&mut self, chain: &mut Chain, node: usize, fits: &impl Fn(&View) -> bool) -> bool {
        let node = &self.graph.nodes[node];
        let shape = self.shape(node.output);
        if shape != self.shape(chain.last) {
            return false;
        }
        let (swapped, other) = match node.inputs[..] {
            [_] => (false, None),
            [a, b] if a == chain.last && b != chain.last => (false, Some(b)),
            [a, b] if b == chain.last && a != chain.last => (true, Some(a)),
            _ => return false,
        };
        let operand = |chain: &mut Chain, view: View| {
            chain.operands.push(view);
            chain.operands.len() - 1
        };
        match (&node.operator, other) {
            (Operator::Function(function), None) => {
                chain.links.push(Link::Function(*function));
                true
            }
            (Operator::Binary(binary), Some(other)) => {
                let (binary, constant) = (*binary, self.graph.values[other].constant.clone());
                if let Some([value]) = constant.as_deref() {
                    chain.links.push(Link::Scalar { binary, value: *value, swapped });
                    return true;
                }
                let Some(view) = self.operand(other, shape).filter(|view| fits(view)) else { return false };
                let operand = operand(chain, view);
                chain.links.push(Link::Operand { binary, operand, swapped });
                true
            }
            (Operator::PRelu, Some(slope)) if !swapped => {
                let Some(view) = self.operand(slope, shape).filter(|view| fits(view)) else { return false };
                let operand = operand(chain, view);
                chain.links.push(Link::PRelu { operand });
                true
            }
            _ => false,
        }
    }

    /// A value broadcast to a shape, if it has been computed.
    fn operand(&mut self, value: ValueId, shape: &[usize]) -> Option<View> {
        self.ready[value].then(|| self.view(value).broadcast(shape))
    }
}

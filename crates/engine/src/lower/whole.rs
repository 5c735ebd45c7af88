//! Products of whole numbers of 8 bits. A value that only they read is kept in whole numbers; one that others read too is kept
//! twice, and what computes it writes both where it can, with a normalisation in between where there is one.

use std::borrow::Cow;

use facevault_graph::{Node, Operator, ValueId};

use super::{Lowering, affine, pixels, product, rearranges};
use crate::kernels::storage::{Steps, Storage};
use crate::ranges::Ranges;
use crate::step::{Map, Twin, Work};
use crate::view::{Home, View};
use facevault_kernels::sets::WeightFormat;

/// What products multiply.
#[derive(Debug, Clone, Copy)]
pub enum Factors<'r> {
    /// Numbers as the set has them.
    OfSet,
    /// As for whole numbers, but in f32: to see which range each value has.
    Observed,
    /// Whole numbers over these ranges.
    Whole(&'r Ranges),
}

/// Numbers of a word of bytes.
const BYTES_OF_WORD: usize = 4;

/// Largest factors of either side.
const LARGEST: (f64, f64) = (255.0, 127.0);

impl Lowering<'_> {
    /// Whether products multiply whole numbers, or will.
    pub(super) fn in_wholes(&self) -> bool {
        !matches!(self.factors, Factors::OfSet)
    }

    /// Whether a product of `inputs` channels with these weights, `row` of each output next to each other, can be one of whole
    /// numbers: the same on every set.
    pub(super) fn suits_wholes<'w>(inputs: usize, row: usize, weight: impl FnOnce() -> Cow<'w, [f32]>) -> bool {
        let largest_sum = |weights: &[f32]| {
            let (sum, most) = weights.iter().fold((0.0, 0f64), |(sum, most), weight| {
                let weight = f64::from(weight.abs());
                (sum + weight, most.max(weight))
            });
            // Each may be rounded up.
            LARGEST.0 * (LARGEST.1 * sum / most.max(f64::MIN_POSITIVE) + 0.5 * weights.len() as f64)
        };
        let always = LARGEST.0 * LARGEST.1 * row as f64 <= f64::from(i32::MAX);
        inputs.is_multiple_of(BYTES_OF_WORD)
            && (always || weight().chunks_exact(row).all(|weights| largest_sum(weights) <= f64::from(i32::MAX)))
    }

    /// Whether a node multiplies its first input in whole numbers.
    pub(super) fn takes_wholes(&self, node: &Node) -> bool {
        let Some(weight) = node.inputs.get(1).and_then(|&weight| self.graph.values[weight].constant.as_deref()) else {
            return false;
        };
        let shape = self.shape(node.inputs[0]);
        self.in_wholes()
            && match node.operator {
                Operator::Convolution { kernel, groups, .. } => {
                    let outputs = self.shape(node.output)[1];
                    let small = product::is_small(groups, shape[1], outputs);
                    let inputs = shape[1] / groups;
                    !small && Self::suits_wholes(inputs, inputs * kernel.0 * kernel.1, || Cow::Borrowed(weight))
                }
                Operator::MatMul => {
                    let view = View::row_major(Home::Constants, 0, self.shape(node.inputs[1]));
                    product::matrix(&view, weight).is_some_and(|(inputs, outputs)| {
                        Self::suits_wholes(inputs, inputs, || Cow::Owned(product::transposed(weight, inputs, outputs)))
                    })
                }
                _ => false,
            }
    }

    /// Whether whatever reads a value, as it is or rearranged, multiplies whole numbers.
    pub(super) fn only_in_wholes(&self, value: ValueId) -> bool {
        value != self.graph.output
            && !self.readers[value].is_empty()
            && self.readers[value].iter().all(|&reader| {
                let node = &self.graph.nodes[reader];
                if rearranges(&node.operator) {
                    self.only_in_wholes(node.output)
                } else {
                    node.inputs[0] == value && self.takes_wholes(node)
                }
            })
    }

    /// A new buffer for a value in whole numbers.
    pub(super) fn keep_whole(&mut self, value: ValueId, shape: &[usize], order: &[usize]) -> View {
        let name = &self.graph.values[value].name;
        let storage = match self.factors {
            Factors::OfSet | Factors::Observed => Storage::F32,
            Factors::Whole(ranges) => {
                let range = ranges.get(name).copied().unwrap_or_else(|| {
                    self.missing.get_or_insert_with(|| name.clone());
                    [0.0; 2]
                });
                let steps = Steps::over(range);
                if self.set.weights == WeightFormat::I8 { Storage::U8(steps) } else { Storage::U16(steps) }
            }
        };
        self.result.observed.push((self.result.buffers.len(), name.clone()));
        self.kept(shape, order, storage)
    }

    /// Whether a view is of whole numbers, or will be.
    pub(super) fn is_whole(&self, view: &View) -> bool {
        let Home::Buffer(buffer) = view.home else { return false };
        self.storage(view).steps().is_some() || self.result.observed.iter().any(|(observed, _)| *observed == buffer)
    }

    /// A value in whole numbers: as it is kept, or once more.
    pub(super) fn as_wholes(&mut self, name: &str, value: ValueId) -> View {
        let view = self.view(value);
        if self.is_whole(&view) {
            return view;
        }
        if let Some(copy) = self.whole_copies.get(&value) {
            return copy.clone();
        }
        let order = view.order();
        let to = self.keep_whole(value, &view.shape, &order);
        let steady = order.last().is_none_or(|&axis| view.strides[axis] == 1);
        let work = if steady {
            Work::Map(Map { input: view, links: Vec::new(), operands: Vec::new(), out: to.clone() })
        } else {
            Work::Copy { from: view, to: to.clone() }
        };
        self.step(&format!("{name}: in whole numbers"), 0.0, work);
        self.whole_copies.insert(value, to.clone());
        to
    }

    /// What products read of a value that is kept in f32, for what computes it to write too: itself, and what normalisations
    /// make of it.
    pub(super) fn twins(&mut self, value: ValueId, axis: usize, order: &[usize]) -> Vec<Twin> {
        let mut twins = Vec::new();
        if !self.in_wholes() || value == self.graph.output {
            return twins;
        }
        for reader in self.readers[value].clone() {
            let node = &self.graph.nodes[reader];
            if self.taken[reader] {
                continue;
            }
            if node.inputs[0] == value && self.takes_wholes(node) {
                if !self.whole_copies.contains_key(&value) {
                    let view = self.keep_whole(value, self.shape(value), order);
                    self.whole_copies.insert(value, view.clone());
                    twins.extend(pixels(&view, axis).map(|out| Twin { scale_and_shift: None, out }));
                }
                continue;
            }
            let Some(norm) = self.normalisation(reader, value) else { continue };
            if self.claims.contains_key(&norm.last) || !self.only_in_wholes(norm.last) || !norm.is_finite() {
                continue;
            }
            let affine::Normalisation { nodes, last, scale, shift } = norm;
            for node in nodes {
                self.taken[node] = true;
            }
            let constants = [scale, shift].map(|numbers| self.in_panels(&numbers));
            let view = self.keep_whole(last, self.shape(last), order);
            twins.extend(pixels(&view, axis).map(|out| Twin { scale_and_shift: Some(constants), out }));
            self.be(last, view);
        }
        twins
    }
}

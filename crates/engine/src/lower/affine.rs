//! Normalisation before a convolution goes into its weights. Its shift does not reach the zeros of the padding, so the padding
//! reads a pixel instead that the normalisation takes to zero.

use facevault_graph::{Binary, Operator, ValueId};

use super::Lowering;

/// x · scale + shift of each channel of another value.
#[derive(Debug, Clone)]
pub(super) struct Scaled {
    pub of: ValueId,
    pub scale: Vec<f64>,
    pub shift: Vec<f64>,
}

/// Nodes that scale and shift each channel of a map.
#[derive(Debug)]
pub(super) struct Normalisation {
    pub nodes: Vec<usize>,
    /// What they compute in the end.
    pub last: ValueId,
    pub scale: Vec<f64>,
    pub shift: Vec<f64>,
}

impl Normalisation {
    pub(super) fn is_finite(&self) -> bool {
        self.scale.iter().chain(&self.shift).all(|number| number.is_finite())
    }
}

/// The largest |shift / scale| that a padding pixel may hold: beyond, too little of its neighbours' digits would be left.
const LARGEST_PAD: f64 = 1e4;

/// One operation on (scale, shift) of each channel: false if it is none that keeps the form.
pub(super) fn apply(binary: Binary, swapped: bool, values: &[f32], scale: &mut [f64], shift: &mut [f64]) -> bool {
    for (channel, (scale, shift)) in scale.iter_mut().zip(shift).enumerate() {
        let value = f64::from(if values.len() == 1 { values[0] } else { values[channel] });
        match (binary, swapped) {
            (Binary::Add, _) => *shift += value,
            (Binary::Sub, false) => *shift -= value,
            (Binary::Sub, true) => (*scale, *shift) = (-*scale, value - *shift),
            (Binary::Mul, _) => (*scale, *shift) = (*scale * value, *shift * value),
            (Binary::Div, false) => (*scale, *shift) = (*scale / value, *shift / value),
            _ => return false,
        }
    }
    true
}

impl Lowering<'_> {
    /// The normalisation of each channel of a map that a node begins.
    pub(super) fn normalisation(&self, index: usize, of: ValueId) -> Option<Normalisation> {
        let graph = self.graph;
        if self.shape(of).len() != 4 || self.shape(of)[0] != 1 {
            return None;
        }
        let channels = self.shape(of)[1];
        let (mut scale, mut shift) = (vec![1f64; channels], vec![0f64; channels]);
        let (mut nodes, mut last) = (Vec::new(), of);
        let mut next = index;
        loop {
            let node = &graph.nodes[next];
            let (Operator::Binary(binary), [a, b]) = (&node.operator, &node.inputs[..]) else { break };
            let (swapped, other) = if *a == last { (false, *b) } else { (true, *a) };
            let Some(values) = self.per_channel(other, 4, 1, channels) else { break };
            if self.shape(node.output) != self.shape(of) || !apply(*binary, swapped, &values, &mut scale, &mut shift) {
                break;
            }
            nodes.push(next);
            last = node.output;
            match self.readers[last][..] {
                [reader] if last != graph.output => next = reader,
                _ => break,
            }
        }
        (!nodes.is_empty() && last != graph.output).then_some(Normalisation { nodes, last, scale, shift })
    }

    /// The normalisation that a node begins, if only convolutions read it, which can take it into their weights.
    pub(super) fn foldable(&self, index: usize, of: ValueId) -> Option<Normalisation> {
        let graph = self.graph;
        // Whole numbers are the finer the more alike the channels are.
        if self.in_wholes() {
            return None;
        }
        let norm = self.normalisation(index, of).filter(Normalisation::is_finite)?;
        let Normalisation { last, scale, shift, .. } = &norm;
        let last = *last;
        let convolution = |&reader: &usize| {
            let node = &graph.nodes[reader];
            let Operator::Convolution { padding, .. } = node.operator else { return None };
            (node.inputs[0] == last && graph.values[node.inputs[1]].constant.is_some()).then_some(padding != [0; 4])
        };
        let padded = self.readers[last].iter().map(convolution).collect::<Option<Vec<bool>>>()?;
        let reachable = || scale.iter().zip(shift).all(|(scale, shift)| (shift / scale).abs() <= LARGEST_PAD);
        (!padded.is_empty() && (!padded.contains(&true) || reachable())).then_some(norm)
    }

    /// If a node begins a normalisation that only convolutions read, they take it into their weights.
    pub(super) fn scale_into_convolutions(&mut self, index: usize) -> bool {
        let Operator::Binary(_) = self.graph.nodes[index].operator else { return false };
        let [a, b] = self.graph.nodes[index].inputs[..] else { return false };
        let of = if self.graph.values[a].constant.is_none() { a } else { b };
        let Some(Normalisation { nodes, last, scale, shift }) = self.foldable(index, of) else { return false };
        for node in nodes {
            self.taken[node] = true;
        }
        self.scaled.insert(last, Scaled { of, scale, shift });
        true
    }

    /// A constant that has one number, or one for each channel of a tensor of this rank.
    pub(super) fn per_channel(&self, value: ValueId, rank: usize, axis: usize, channels: usize) -> Option<Vec<f32>> {
        let value = &self.graph.values[value];
        let constant = value.constant.as_ref()?;
        if constant.len() == 1 {
            return Some(constant.to_vec());
        }
        let from_right = rank - axis;
        let fits = constant.len() == channels
            && value.shape.len() >= from_right
            && value.shape[value.shape.len() - from_right] == channels;
        fits.then(|| constant.to_vec())
    }
}

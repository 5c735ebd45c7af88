//! A graph under construction. What depends on constants only is computed as it is added.

use std::collections::HashSet;
use std::sync::Arc;

use super::Limits;
use super::error::{Fault, wrong};
use super::limits::numbers;
use super::shapes;
use super::tensors::{Constant, Numbers, element};
use crate::graph::{Binary, Function, Graph, Node, Operator, Reduction, Value, ValueId};
use crate::reference::{self, Tensor};

/// An operator may split a tensor into many parts, but nothing needs more entries.
const LONGEST_LIST: usize = 1 << 16;

pub(super) struct Builder<'a> {
    pub graph: Graph,
    /// For each value, its numbers if they are whole, and its type in the file.
    kinds: Vec<(Option<Arc<[i64]>>, i32)>,
    /// Names of values.
    names: HashSet<String>,
    /// What nodes are called that are added now.
    node: String,
    /// How many values were given a name.
    unnamed: usize,
    /// Numbers that were computed from constants.
    folded: u64,
    /// Steps that it took.
    work: u64,
    limits: &'a Limits,
}

impl<'a> Builder<'a> {
    /// With the face as its only value.
    pub fn new(input: Value, element: i32, limits: &'a Limits) -> Self {
        let mut builder = Builder {
            graph: Graph::default(),
            kinds: Vec::new(),
            names: HashSet::new(),
            node: String::new(),
            unnamed: 0,
            folded: 0,
            work: 0,
            limits,
        };
        builder.graph.input = builder.add(input, None, element);
        builder
    }

    fn add(&mut self, mut value: Value, whole: Option<Arc<[i64]>>, element: i32) -> ValueId {
        let called = value.name.clone();
        while !self.names.insert(value.name.clone()) {
            self.unnamed += 1;
            value.name = format!("{called}#{}", self.unnamed);
        }
        self.graph.values.push(value);
        self.kinds.push((whole, element));
        self.graph.values.len() - 1
    }

    /// Starts the nodes and values of one node of the file.
    pub fn begin(&mut self, node: &str) {
        node.clone_into(&mut self.node);
    }

    /// Calls a value as the file does, if it was added for it.
    pub fn rename(&mut self, value: ValueId, name: &str) {
        if self.names.insert(name.to_owned()) {
            self.names.remove(&self.graph.values[value].name);
            name.clone_into(&mut self.graph.values[value].name);
        }
    }

    pub fn limits(&self) -> &'a Limits {
        self.limits
    }

    pub fn shape(&self, value: ValueId) -> &[usize] {
        &self.graph.values[value].shape
    }

    pub fn rank(&self, value: ValueId) -> usize {
        self.shape(value).len()
    }

    /// The type that the file gives a constant or the input; f32 for what is computed.
    pub fn element(&self, value: ValueId) -> i32 {
        self.kinds[value].1
    }

    pub fn is_constant(&self, value: ValueId) -> bool {
        self.real(value).is_some() || self.whole(value).is_some()
    }

    /// The numbers of a constant that are real.
    pub fn real(&self, value: ValueId) -> Option<&Arc<[f32]>> {
        self.graph.values[value].constant.as_ref()
    }

    /// The numbers of a constant that are whole.
    pub fn whole(&self, value: ValueId) -> Option<&Arc<[i64]>> {
        self.kinds[value].0.as_ref()
    }

    /// The numbers of a constant, of either kind.
    pub fn numbers(&self, value: ValueId) -> Option<Vec<f64>> {
        let whole = self.whole(value).map(|whole| whole.iter().map(|n| *n as f64).collect());
        whole.or_else(|| Some(self.real(value)?.iter().map(|x| f64::from(*x)).collect()))
    }

    /// Whole numbers that must be known when the file is read: a shape, indices, axes.
    pub fn integers(&self, value: ValueId, what: &str) -> Result<Vec<i64>, Fault> {
        self.whole(value)
            .map(|whole| whole.to_vec())
            .or_else(|| Some(self.real(value)?.iter().map(|x| *x as i64).collect()))
            .ok_or_else(|| wrong!("its {what} depend on the face; only constant ones are supported"))
    }

    /// [`Builder::integers`] of which there are few: a shape, axes, pads.
    pub fn list(&self, value: ValueId, what: &str) -> Result<Vec<i64>, Fault> {
        let count: usize = self.shape(value).iter().product();
        if count > LONGEST_LIST { Err(wrong!("its {what} has {count} entries")) } else { self.integers(value, what) }
    }

    pub fn constant(&mut self, Constant { name, shape, element, numbers }: Constant) -> ValueId {
        let (constant, whole) = match numbers {
            Numbers::Real(numbers) => (Some(numbers), None),
            Numbers::Whole(numbers) => (None, Some(numbers)),
        };
        self.add(Value { name, shape, constant }, whole, element)
    }

    /// Real numbers that no node of the file has.
    pub fn reals(&mut self, shape: Vec<usize>, numbers: Vec<f32>) -> ValueId {
        let (name, numbers) = (self.node.clone(), Numbers::Real(numbers.into()));
        self.constant(Constant { name, shape, element: element::FLOAT, numbers })
    }

    pub fn scalar(&mut self, number: f32) -> ValueId {
        self.reals(Vec::new(), vec![number])
    }

    /// Whole numbers that were computed: a shape, indices, truth values.
    pub fn wholes(&mut self, shape: Vec<usize>, numbers: Vec<i64>) -> Result<ValueId, Fault> {
        self.charge(&shape)?;
        let (name, numbers) = (self.node.clone(), Numbers::Whole(numbers.into()));
        Ok(self.constant(Constant { name, shape, element: element::INT64, numbers }))
    }

    /// Real numbers that were computed.
    pub fn folded(&mut self, shape: Vec<usize>, numbers: impl Iterator<Item = f64>) -> Result<ValueId, Fault> {
        self.charge(&shape)?;
        Ok(self.reals(shape, numbers.map(|x| x as f32).collect()))
    }

    /// Takes what a constant of this shape needs from what may be computed.
    pub fn charge(&mut self, shape: &[usize]) -> Result<(), Fault> {
        self.folded += numbers(shape, self.limits.computed)? as u64;
        if self.folded > self.limits.folded {
            let what = format!("{} numbers in constants that are computed from others", self.folded);
            return Err(Fault::TooMuch { what, limit: self.limits.folded });
        }
        Ok(())
    }

    /// The value as real numbers: engines know no others.
    fn as_real(&mut self, value: ValueId) -> ValueId {
        if let Some(whole) = self.whole(value).cloned() {
            let shape = self.shape(value).to_vec();
            return self.reals(shape, whole.iter().map(|n| *n as f32).collect());
        }
        value
    }

    /// Adds an operation, or what it makes of constants.
    pub fn emit(&mut self, operator: Operator, inputs: &[ValueId], shape: Vec<usize>) -> Result<ValueId, Fault> {
        numbers(&shape, self.limits.computed)?;
        if inputs.iter().all(|value| self.is_constant(*value)) {
            return self.fold(&operator, inputs, shape);
        }
        if shape.contains(&0) {
            return Err(wrong!("it makes a tensor of shape {shape:?}, which is empty"));
        }
        if self.graph.nodes.len() as u64 >= 4 * self.limits.nodes {
            let what = format!("more than {} operations", self.graph.nodes.len());
            return Err(Fault::TooMuch { what, limit: 4 * self.limits.nodes });
        }
        let inputs = inputs.iter().map(|value| self.as_real(*value)).collect();
        let output = self.add(Value { name: self.node.clone(), shape, constant: None }, None, element::FLOAT);
        self.graph.nodes.push(Node { name: self.node.clone(), operator, inputs, output });
        Ok(output)
    }

    fn fold(&mut self, operator: &Operator, inputs: &[ValueId], shape: Vec<usize>) -> Result<ValueId, Fault> {
        self.charge(&shape)?;
        self.charge_work(operator, inputs, &shape)?;
        let element = self.element(inputs[0]);
        let all = |kind: &dyn Fn(ValueId) -> bool| inputs.iter().all(|value| kind(*value));
        let numbers = if reference::is_movement(operator) && all(&|value| self.whole(value).is_some()) {
            let parts: Vec<_> = inputs.iter().filter_map(|v| Some((self.shape(*v), &**self.whole(*v)?))).collect();
            Numbers::Whole(reference::moved(operator, &parts, &shape).into())
        } else if reference::is_movement(operator) && all(&|value| self.real(value).is_some()) {
            let parts: Vec<_> = inputs.iter().filter_map(|v| Some((self.shape(*v), &**self.real(*v)?))).collect();
            Numbers::Real(reference::moved(operator, &parts, &shape).into())
        } else {
            let data: Vec<Vec<f64>> = inputs.iter().map(|value| self.numbers(*value).expect("a constant")).collect();
            let tensors: Vec<Tensor<'_>> =
                (inputs.iter().zip(&data)).map(|(value, data)| Tensor { shape: self.shape(*value), data }).collect();
            let folded = reference::compute(operator, &tensors, &shape);
            Numbers::Real(folded.into_iter().map(|x| x as f32).collect())
        };
        let element = if reference::is_movement(operator) { element } else { element::FLOAT };
        Ok(self.constant(Constant { name: self.node.clone(), shape, element, numbers }))
    }

    /// A small file can ask for years of arithmetic on its constants.
    fn charge_work(&mut self, operator: &Operator, inputs: &[ValueId], shape: &[usize]) -> Result<(), Fault> {
        let len = |shape: &[usize]| shape.iter().product::<usize>() as u64;
        let each = match operator {
            Operator::MatMul => self.shape(inputs[0]).last().map_or(1, |depth| *depth as u64),
            Operator::Convolution { .. } => len(&self.shape(inputs[1])[1..]),
            Operator::Pool { kernel, .. } => kernel.0 as u64 * kernel.1 as u64,
            _ => 1,
        };
        let read: u64 = inputs.iter().map(|value| len(self.shape(*value))).sum();
        self.work = self.work.saturating_add(len(shape).saturating_mul(each)).saturating_add(read);
        let limit = self.limits.folded.saturating_mul(16);
        if self.work > limit {
            return Err(Fault::TooMuch { what: format!("{} steps of arithmetic on constants", self.work), limit });
        }
        Ok(())
    }

    pub fn function(&mut self, function: Function, x: ValueId) -> Result<ValueId, Fault> {
        let shape = self.shape(x).to_vec();
        self.emit(Operator::Function(function), &[x], shape)
    }

    pub fn binary(&mut self, binary: Binary, a: ValueId, b: ValueId) -> Result<ValueId, Fault> {
        let shape = shapes::broadcast(self.shape(a), self.shape(b))?;
        self.emit(Operator::Binary(binary), &[a, b], shape)
    }

    pub fn multiplied(&mut self, x: ValueId, factor: f32) -> Result<ValueId, Fault> {
        if factor == 1.0 {
            return Ok(x);
        }
        let factor = self.scalar(factor);
        self.binary(Binary::Mul, x, factor)
    }

    pub fn reshape(&mut self, x: ValueId, shape: Vec<usize>) -> Result<ValueId, Fault> {
        let (from, to) = (numbers(self.shape(x), u64::MAX)?, numbers(&shape, u64::MAX)?);
        if from != to {
            return Err(wrong!("a tensor of shape {:?} cannot have the shape {shape:?}", self.shape(x)));
        }
        if self.shape(x) == shape { Ok(x) } else { self.emit(Operator::Reshape, &[x], shape) }
    }

    pub fn transpose(&mut self, x: ValueId, order: Vec<usize>) -> Result<ValueId, Fault> {
        if order.iter().enumerate().all(|(axis, from)| axis == *from) {
            return Ok(x);
        }
        let shape = order.iter().map(|axis| self.shape(x)[*axis]).collect();
        self.emit(Operator::Transpose { order }, &[x], shape)
    }

    pub fn broadcast(&mut self, x: ValueId, shape: Vec<usize>) -> Result<ValueId, Fault> {
        if shapes::broadcast(self.shape(x), &shape)? != shape {
            return Err(wrong!("a tensor of shape {:?} cannot be broadcast to {shape:?}", self.shape(x)));
        }
        if self.shape(x) == shape { Ok(x) } else { self.emit(Operator::Broadcast, &[x], shape) }
    }

    /// start, start + step, …: `count` of them.
    pub fn slice(
        &mut self,
        x: ValueId,
        axis: usize,
        start: usize,
        step: isize,
        count: usize,
    ) -> Result<ValueId, Fault> {
        let mut shape = self.shape(x).to_vec();
        if (start, step, count) == (0, 1, shape[axis]) {
            return Ok(x);
        }
        shape[axis] = count;
        // A step that is taken at most once may have any size.
        let step = if count < 2 { 1 } else { step };
        self.emit(Operator::Slice { axis, start, step }, &[x], shape)
    }

    pub fn gather(&mut self, x: ValueId, axis: usize, indices: Vec<usize>) -> Result<ValueId, Fault> {
        let mut shape = self.shape(x).to_vec();
        if let Some(wrong) = indices.iter().find(|index| **index >= shape[axis]) {
            return Err(wrong!("index {wrong} along an axis of {}", shape[axis]));
        }
        if indices.iter().copied().eq(0..shape[axis]) {
            return Ok(x);
        }
        shape[axis] = indices.len();
        self.emit(Operator::Gather { axis, indices }, &[x], shape)
    }

    /// `axes` ascend.
    pub fn reduce(&mut self, x: ValueId, reduction: Reduction, axes: Vec<usize>, keep: bool) -> Result<ValueId, Fault> {
        if axes.iter().any(|axis| self.shape(x)[*axis] == 0) {
            return Err(wrong!("it reduces a tensor of shape {:?}, which is empty", self.shape(x)));
        }
        let extents = self.shape(x).iter().enumerate();
        let shape = extents
            .filter_map(|(axis, extent)| if axes.contains(&axis) { keep.then_some(1) } else { Some(*extent) })
            .collect();
        self.emit(Operator::Reduce { reduction, axes }, &[x], shape)
    }
}

//! Windows, rows, and axes that vanish.

use facevault_graph::{Binary, Node, Operator, Reduction};

use super::Lowering;
use crate::error::EngineError;
use crate::kernels::chain::Link;
use crate::step::{Geometry, Grid, Map, Pool, PoolKind, Rows, RowsKind, Work};
use crate::view::View;

impl Lowering<'_> {
    pub(super) fn pool(&mut self, node: &Node) -> Result<(), EngineError> {
        let Operator::Pool { pool, kernel, stride, padding, dilation } = node.operator else {
            unreachable!("a pool");
        };
        let view = self.view(node.inputs[0]);
        if view.shape.len() != 4 {
            let what = format!("pooling over {} axes", view.shape.len());
            return Err(EngineError::Unsupported { node: node.name.clone(), what });
        }
        let input = self.grid(&node.name, &view);
        let place = self.allot(node.output, &super::CHANNELS_LAST);
        let fits = place.shape[1] == 1 || place.strides[1] == 1;
        let out = if fits { place.clone() } else { self.fresh(&place.shape, &super::CHANNELS_LAST) };
        let kind = match pool {
            facevault_graph::Pool::Max => PoolKind::Max,
            facevault_graph::Pool::Mean => PoolKind::Mean,
            facevault_graph::Pool::MeanWithPadding => {
                PoolKind::MeanOfPlaces(padding[0] + input.height + padding[2], padding[1] + input.width + padding[3])
            }
        };
        let (height, width) = (out.shape[2], out.shape[3]);
        let geometry = Geometry { kernel, stride, padding: (padding[0], padding[1]), dilation, height, width };
        let grid = Grid {
            height,
            width,
            channels: out.shape[1],
            row: out.strides[2],
            pixel: out.strides[3],
            view: out.clone(),
        };
        self.step(&node.name, 0.0, Work::Pool(Pool { input, geometry, kind, out: grid }));
        if !fits {
            self.step(&format!("{}: copy", node.name), 0.0, Work::Copy { from: out, to: place });
        }
        Ok(())
    }

    pub(super) fn along_rows(&mut self, node: &Node) {
        let view = self.view(node.inputs[0]);
        let rank = view.shape.len();
        match &node.operator {
            Operator::Softmax { axis } => {
                let mut order: Vec<usize> = (0..rank).filter(|other| other != axis).collect();
                order.push(*axis);
                let mut back = vec![0; rank];
                order.iter().enumerate().for_each(|(place, &axis)| back[axis] = place);
                self.rows(node, &view, &order, rank - 1, RowsKind::Softmax, |view| view.transposed(&back));
            }
            Operator::LayerNorm { axis, epsilon } => {
                let row: Vec<usize> = view.shape[*axis..].to_vec();
                let fits = |&value: &usize| {
                    let shape = self.shape(value);
                    shape[..shape.len().saturating_sub(row.len())].iter().all(|&extent| extent == 1)
                };
                if !node.inputs[1..].iter().all(fits) {
                    self.norm_then_scale(node, &view, *axis, *epsilon);
                    return;
                }
                let mut numbers = |value: usize| self.spread(value, &row);
                let scale = numbers(node.inputs[1]);
                let shift = node.inputs.get(2).map(|&shift| numbers(shift));
                let kind = RowsKind::LayerNorm { epsilon: *epsilon as f32, scale, shift };
                let order: Vec<usize> = (0..rank).collect();
                self.rows(node, &view, &order, *axis, kind, Clone::clone);
            }
            Operator::Reduce { reduction, axes } => self.reduce(node, &view, *reduction, axes),
            _ => unreachable!("something along rows"),
        }
    }

    /// A norm whose scale and shift differ from row to row, as those of `InstanceNormalization` do: they follow as a step of their own.
    fn norm_then_scale(&mut self, node: &Node, view: &View, axis: usize, epsilon: f64) {
        let length: usize = view.shape[axis..].iter().product();
        let plain: Vec<usize> = (0..view.shape.len()).collect();
        let input = if contiguous_from(view, axis) { view.clone() } else { self.copied(&node.name, view, &plain) };
        let out = self.fresh(&view.shape, &plain);
        let kind = RowsKind::LayerNorm { epsilon: epsilon as f32, scale: vec![1.0; length], shift: None };
        self.step(&node.name, 0.0, Work::Rows(Rows { input, axis, kind, out: out.clone() }));
        let operands: Vec<View> =
            node.inputs[1..].iter().map(|&value| self.view(value).broadcast(&view.shape)).collect();
        let binaries = [Binary::Mul, Binary::Add].into_iter().enumerate().take(operands.len());
        let links = binaries.map(|(operand, binary)| Link::Operand { binary, operand, swapped: false }).collect();
        let place = self.allot(node.output, &Self::usual_order(view.shape.len()));
        let target = self.fresh(&view.shape, &plain);
        self.step(&node.name, 0.0, Work::Map(Map { input: out, links, operands, out: target.clone() }));
        self.step(&format!("{}: copy", node.name), 0.0, Work::Copy { from: target, to: place });
    }

    /// A constant broadcast to a row.
    fn spread(&mut self, value: usize, row: &[usize]) -> Vec<f32> {
        let view = self.view(value);
        // Leading axes of extent 1 say nothing.
        let extra = view.shape.len().saturating_sub(row.len());
        let view = View { shape: view.shape[extra..].to_vec(), strides: view.strides[extra..].to_vec(), ..view };
        let view = view.broadcast(row);
        let mut places = vec![view.offset as isize];
        for (&extent, &stride) in view.shape.iter().zip(&view.strides) {
            places = places.iter().flat_map(|&place| (0..extent as isize).map(move |i| place + i * stride)).collect();
        }
        places.into_iter().map(|place| self.result.constants[place as usize]).collect()
    }

    /// Rows along the axes from `axis` on, after the axes have been put into `order`; `back` undoes that.
    fn rows(
        &mut self,
        node: &Node,
        view: &View,
        order: &[usize],
        axis: usize,
        kind: RowsKind,
        back: impl Fn(&View) -> View,
    ) {
        let turned = view.transposed(order);
        let input = if contiguous_from(&turned, axis) {
            turned
        } else {
            self.copied(&node.name, &turned, &(0..order.len()).collect::<Vec<_>>())
        };
        // The result lies as its input does.
        let place_order = back(&input).order();
        let place = self.allot(node.output, &place_order);
        let target = place.transposed(order);
        let lies = contiguous_from(&target, axis);
        let out = if lies { target.clone() } else { self.fresh(&target.shape, &(0..order.len()).collect::<Vec<_>>()) };
        self.step(&node.name, 0.0, Work::Rows(Rows { input, axis, kind, out: out.clone() }));
        if !lies {
            self.step(&format!("{}: copy", node.name), 0.0, Work::Copy { from: out, to: target });
        }
    }

    fn reduce(&mut self, node: &Node, view: &View, reduction: Reduction, axes: &[usize]) {
        let kept: Vec<usize> = (0..view.shape.len()).filter(|axis| !axes.contains(axis)).collect();
        let kept_shape: Vec<usize> = kept.iter().map(|&axis| view.shape[axis]).collect();
        let out = self.allot(node.output, &Self::usual_order(self.shape(node.output).len()));
        // The axes that are left, without those of extent 1 that stand for the others.
        let left = out.reshaped(&kept_shape);
        let target = match left {
            Some(view) => view,
            None => self.fresh(&kept_shape, &(0..kept.len()).collect::<Vec<_>>()),
        };
        let lies = out.reshaped(&kept_shape).is_some();
        if !self.reduce_pixels(node, view, reduction, axes, &kept, &target) {
            let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
            let turned = view.transposed(&order);
            let input = if contiguous_from(&turned, kept.len()) {
                turned
            } else {
                self.copied(&node.name, &turned, &(0..order.len()).collect::<Vec<_>>())
            };
            let rows = Rows { input, axis: kept.len(), kind: RowsKind::Reduce(reduction), out: target.clone() };
            self.step(&node.name, 0.0, Work::Rows(rows));
        }
        if !lies {
            let from = target.reshaped(&out.shape).expect("contiguous numbers take any shape");
            self.step(&format!("{}: copy", node.name), 0.0, Work::Copy { from, to: out });
        }
    }

    /// Axes that vanish outside of a contiguous one are a window over all pixels.
    fn reduce_pixels(
        &mut self,
        node: &Node,
        view: &View,
        reduction: Reduction,
        axes: &[usize],
        kept: &[usize],
        target: &View,
    ) -> bool {
        let kind = match reduction {
            Reduction::Mean => PoolKind::Mean,
            Reduction::Max => PoolKind::Max,
            Reduction::Sum => PoolKind::Sum,
            Reduction::Min | Reduction::L1 | Reduction::L2 => return false,
        };
        let long: Vec<usize> = (0..kept.len()).filter(|&place| target.shape[place] > 1).collect();
        let [channel] = long[..] else { return false };
        let channel_axis = kept[channel];
        if view.strides[channel_axis] != 1 || target.strides[channel] != 1 {
            return false;
        }
        let gone: Vec<usize> = axes.iter().copied().filter(|&axis| view.shape[axis] > 1).collect();
        let ((height, row), (width, pixel)) = match gone[..] {
            [] => ((1, 0), (1, 0)),
            [x] => ((1, 0), (view.shape[x], view.strides[x])),
            [y, x] => ((view.shape[y], view.strides[y]), (view.shape[x], view.strides[x])),
            _ => return false,
        };
        if row < 0 || pixel < 0 {
            return false;
        }
        let channels = view.shape[channel_axis];
        let input = Grid { view: view.clone(), height, width, channels, row, pixel };
        let out = Grid { view: target.clone(), height: 1, width: 1, channels, row: 0, pixel: 0 };
        let geometry = Geometry {
            kernel: (height, width),
            stride: (1, 1),
            padding: (0, 0),
            dilation: (1, 1),
            height: 1,
            width: 1,
        };
        self.step(&node.name, 0.0, Work::Pool(Pool { input, geometry, kind, out }));
        true
    }
}

/// Whether the axes from one on are one run of numbers.
fn contiguous_from(view: &View, axis: usize) -> bool {
    let mut next = 1;
    for axis in (axis..view.shape.len()).rev() {
        if view.shape[axis] > 1 {
            if view.strides[axis] != next {
                return false;
            }
            next *= view.shape[axis] as isize;
        }
    }
    true
}

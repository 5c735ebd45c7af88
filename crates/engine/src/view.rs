//! Tensors as views of memory: reshaping, transposing and slicing are free where they can be.

/// Where the numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// A buffer of each face's own.
    Buffer(usize),
    /// The constants of the network, the same for all faces.
    Constants,
}

/// A tensor of a face: the number at index (i₀, i₁, …) is `offset` + Σ iₖ · strideₖ numbers from the start of its home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub home: Home,
    pub offset: usize,
    pub shape: Vec<usize>,
    pub strides: Vec<isize>,
}

impl View {
    /// All of a home, laid out with the axes in this order, the last the innermost.
    pub fn whole(home: Home, offset: usize, shape: &[usize], order: &[usize]) -> Self {
        let mut strides = vec![0; shape.len()];
        let mut next = 1;
        for &axis in order.iter().rev() {
            strides[axis] = next as isize;
            next *= shape[axis];
        }
        Self { home, offset, shape: shape.to_vec(), strides }
    }

    /// As [`Self::whole`], the last axis the innermost.
    pub fn row_major(home: Home, offset: usize, shape: &[usize]) -> Self {
        Self::whole(home, offset, shape, &(0..shape.len()).collect::<Vec<_>>())
    }

    /// The axes from the outermost to the innermost in memory; axes that are not stepped along come first.
    pub fn order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.shape.len()).collect();
        let key = |&axis: &usize| match self.strides[axis].unsigned_abs() {
            _ if self.shape[axis] == 1 => usize::MAX,
            stride => stride,
        };
        order.sort_by_key(|axis| std::cmp::Reverse(key(axis)));
        order
    }

    pub fn transposed(&self, order: &[usize]) -> Self {
        Self {
            shape: order.iter().map(|&axis| self.shape[axis]).collect(),
            strides: order.iter().map(|&axis| self.strides[axis]).collect(),
            ..self.clone()
        }
    }

    pub fn sliced(&self, axis: usize, start: usize, step: isize, length: usize) -> Self {
        let mut view = self.clone();
        view.offset = (view.offset as isize + start as isize * view.strides[axis]) as usize;
        view.strides[axis] *= step;
        view.shape[axis] = length;
        view
    }

    /// Broadcast to a shape as NumPy does: axes are added in front, axes of extent 1 repeated.
    pub fn broadcast(&self, shape: &[usize]) -> Self {
        let added = shape.len() - self.shape.len();
        let stride = |axis: usize| match axis.checked_sub(added) {
            Some(axis) if self.shape[axis] > 1 => self.strides[axis],
            _ => 0,
        };
        Self { shape: shape.to_vec(), strides: (0..shape.len()).map(stride).collect(), ..self.clone() }
    }

    /// The same numbers in the same order in another shape, where no copy is needed for that.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        let old: Vec<usize> = (0..self.shape.len()).filter(|&axis| self.shape[axis] != 1).collect();
        let mut strides = vec![0isize; shape.len()];
        let (mut from, mut to) = (0, 0);
        while from < old.len() || to < shape.len() {
            if to < shape.len() && shape[to] == 1 {
                to += 1;
                continue;
            }
            // Groups of axes with as many numbers on both sides.
            let (first, start) = (from, to);
            let (mut left, mut right) = (1, 1);
            loop {
                if left == right && left > 1 {
                    break;
                }
                if left <= right {
                    left *= self.shape[*old.get(from)?];
                    from += 1;
                } else {
                    right *= *shape.get(to)?;
                    to += 1;
                }
            }
            // Within a group the old axes must be one run.
            for pair in old[first..from].windows(2) {
                if self.strides[pair[0]] != self.strides[pair[1]] * self.shape[pair[1]] as isize {
                    return None;
                }
            }
            let mut stride = self.strides[old[from - 1]];
            for axis in (start..to).rev() {
                strides[axis] = stride;
                stride *= shape[axis] as isize;
            }
        }
        Some(Self { shape: shape.to_vec(), strides, ..self.clone() })
    }

    /// All axes but one as a single axis with one stride, and the stride of that one.
    pub fn rows(&self, inner: usize) -> Option<(isize, isize)> {
        let outer: Vec<usize> = (0..self.shape.len()).filter(|&axis| axis != inner && self.shape[axis] > 1).collect();
        let single = |pair: &[usize]| self.strides[pair[0]] == self.strides[pair[1]] * self.shape[pair[1]] as isize;
        let stride = outer.last().map_or(0, |&axis| self.strides[axis]);
        outer.windows(2).all(single).then(|| (stride, if self.shape[inner] > 1 { self.strides[inner] } else { 1 }))
    }
}

/// A loop over several views at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Axis {
    pub extent: usize,
    /// Of each view.
    pub strides: Vec<isize>,
}

/// The loops that visit every index of views of one shape, the first view's innermost axis last; axes that all views step
/// through as one are one loop.
pub fn loops(shape: &[usize], views: &[&View]) -> Vec<Axis> {
    let mut axes: Vec<Axis> = views[0]
        .order()
        .into_iter()
        .filter(|&axis| shape[axis] > 1)
        .map(|axis| Axis { extent: shape[axis], strides: views.iter().map(|view| view.strides[axis]).collect() })
        .collect();
    let mut at = 0;
    while at + 1 < axes.len() {
        let (outer, inner) = (&axes[at], &axes[at + 1]);
        let one = outer.strides.iter().zip(&inner.strides).all(|(o, i)| *o == *i * inner.extent as isize);
        if one {
            let extent = outer.extent * inner.extent;
            axes[at + 1].extent = extent;
            axes.remove(at);
            at = at.saturating_sub(1);
        } else {
            at += 1;
        }
    }
    axes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Every index' place, in row-major order.
    fn places(view: &View) -> Vec<isize> {
        let mut all = vec![view.offset as isize];
        for (&extent, &stride) in view.shape.iter().zip(&view.strides) {
            all = all.iter().flat_map(|&place| (0..extent as isize).map(move |i| place + i * stride)).collect();
        }
        all
    }

    proptest! {
        #[test]
        fn a_reshape_without_a_copy_sees_the_same_numbers(
            factors in prop::collection::vec(1usize..4, 1..6), cut in any::<u64>(), other in any::<u64>(),
            order in Just((0..6usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let shape = |cut: u64| {
                let mut shape = vec![1];
                for (i, factor) in factors.iter().enumerate() {
                    if cut >> i & 1 == 1 { shape.push(1); }
                    *shape.last_mut().unwrap() *= factor;
                }
                shape
            };
            let (from, to) = (shape(cut), shape(other));
            let order: Vec<usize> = order.into_iter().filter(|&axis| axis < from.len()).collect();
            let view = View::whole(Home::Constants, 7, &from, &order);
            if let Some(reshaped) = view.reshaped(&to) {
                prop_assert_eq!(places(&reshaped), places(&view));
            }
            let plain = View::row_major(Home::Constants, 7, &from);
            prop_assert!(plain.reshaped(&to).is_some());
        }

        #[test]
        fn loops_visit_the_same_numbers(extents in prop::collection::vec(1usize..4, 1..5),
            order in Just((0..5usize).collect::<Vec<_>>()).prop_shuffle()) {
            let order: Vec<usize> = order.into_iter().filter(|&axis| axis < extents.len()).collect();
            let first = View::row_major(Home::Constants, 0, &extents);
            let second = View::whole(Home::Constants, 0, &extents, &order);
            let mut pairs = vec![(0isize, 0isize)];
            for axis in loops(&extents, &[&first, &second]) {
                pairs = pairs.iter()
                    .flat_map(|&(a, b)| {
                        let strides = axis.strides.clone();
                        (0..axis.extent as isize).map(move |i| (a + i * strides[0], b + i * strides[1]))
                    })
                    .collect();
            }
            pairs.sort_unstable();
            let expected: Vec<_> = places(&first).into_iter().zip(places(&second)).collect();
            prop_assert_eq!(pairs, expected);
        }
    }
}

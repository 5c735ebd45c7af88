//! Axes and extents.

use super::error::{Fault, wrong};

/// An axis that may count from the end.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, Fault> {
    let from_start = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    usize::try_from(from_start)
        .ok()
        .filter(|axis| *axis < rank)
        .ok_or_else(|| wrong!("axis {axis} of a tensor with {rank} axes"))
}

/// Axes in ascending order, each once.
pub(super) fn axes(list: &[i64], rank: usize) -> Result<Vec<usize>, Fault> {
    let mut axes = list.iter().map(|entry| axis(*entry, rank)).collect::<Result<Vec<_>, _>>()?;
    axes.sort_unstable();
    if axes.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(wrong!("its axes {list:?} name one twice"));
    }
    Ok(axes)
}

/// An extent, or another count.
pub(super) fn extent(number: i64) -> Result<usize, Fault> {
    usize::try_from(number).map_err(|_| wrong!("{number} is no extent"))
}

/// The shape that two tensors are broadcast to, as NumPy does.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Fault> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(wrong!("shapes {a:?} and {b:?} do not go together")),
        })
        .collect()
}

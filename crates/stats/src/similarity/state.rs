//! A part of a comparison as bytes: safetensors, which preserves numbers bit for bit.

use std::collections::BTreeMap;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::Collector;
use super::done::Done;
use super::faces::Between;
use super::hardest::Hardest;
use crate::verification::cells::CosineCell;
use crate::verification::tally::{Moments, Tally};
use facevault_kernels::products::Products;

/// Named columns of numbers.
#[derive(Default)]
struct Columns(BTreeMap<String, (Dtype, Vec<u8>)>);

impl Columns {
    fn put<const N: usize>(&mut self, name: &str, dtype: Dtype, numbers: impl Iterator<Item = [u8; N]>) {
        self.0.insert(name.into(), (dtype, numbers.flatten().collect()));
    }

    fn u64s(&mut self, name: &str, numbers: impl IntoIterator<Item = u64>) {
        self.put(name, Dtype::U64, numbers.into_iter().map(u64::to_le_bytes));
    }

    fn u32s(&mut self, name: &str, numbers: impl IntoIterator<Item = u32>) {
        self.put(name, Dtype::U32, numbers.into_iter().map(u32::to_le_bytes));
    }

    fn f32s(&mut self, name: &str, numbers: impl IntoIterator<Item = f32>) {
        self.put(name, Dtype::F32, numbers.into_iter().map(f32::to_le_bytes));
    }

    fn tally(&mut self, name: &str, tally: &Tally) {
        self.u64s(&format!("{name}.counts"), tally.counts.iter().copied());
        self.u64s(&format!("{name}.moments"), tally.moments.to_words());
        self.f32s(&format!("{name}.range"), [tally.min, tally.max]);
    }

    fn cells(&mut self, name: &str, cells: &[CosineCell]) {
        let parts: Vec<_> = cells.iter().map(CosineCell::parts).collect();
        let shape = parts.iter().flat_map(|(units, _, first, counts)| {
            [u32::from(units.0), u32::from(units.1), *first as u32, counts.len() as u32]
        });
        self.u32s(&format!("{name}.shape"), shape);
        self.u64s(&format!("{name}.moments"), parts.iter().flat_map(|(_, moments, _, _)| moments.to_words()));
        self.u64s(&format!("{name}.counts"), parts.iter().flat_map(|(_, _, _, counts)| counts.iter().copied()));
    }

    fn hardest(&mut self, name: &str, hardest: &Hardest) {
        let kept = hardest.clone().into_sorted();
        self.f32s(&format!("{name}.easiness"), kept.iter().map(|pair| pair.easiness));
        self.u32s(&format!("{name}.rows"), kept.iter().flat_map(|pair| [pair.row_a, pair.row_b]));
    }
}

/// Pieces of work that are done, and their results.
#[must_use]
pub fn write(done: &Done, found: &Collector, products: Products) -> Vec<u8> {
    let mut columns = Columns::default();
    columns.u64s("pieces", done.ranges().iter().flat_map(|range| [range.start as u64, range.end as u64]));
    columns.put("kernels", Dtype::U8, products.rounding().bytes().map(|byte| [byte]));
    columns.tally("genuine", &found.genuine);
    columns.tally("impostor", &found.impostor);
    columns.cells("genuine_cells", &found.genuine_cells);
    columns.cells("impostor_cells", &found.impostor_cells);
    columns.u64s("spread.genuine", found.spread.iter().flat_map(|spread| spread.genuine.to_words()));
    columns.f32s("spread.genuine_min", found.spread.iter().map(|spread| spread.genuine_min));
    columns.f32s("spread.impostor_max", found.spread.iter().map(|spread| spread.impostor_max));
    columns.u32s("spread.nearest", found.spread.iter().map(|spread| spread.nearest));
    columns.hardest("hardest_genuine", &found.hardest_genuine);
    columns.hardest("hardest_impostor", &found.hardest_impostor);
    columns.u32s("faces.genuine", found.faces.genuine.iter().copied());
    columns.u32s("faces.impostor", found.faces.impostor.iter().copied());
    columns.u32s("faces.misses", found.faces.misses.iter().flatten().copied());
    columns.u32s("faces.false_matches", found.faces.false_matches.iter().flatten().copied());
    let between = found.faces.between.iter();
    columns
        .u32s("faces.between", between.flat_map(|pair| [pair.rows[0], pair.rows[1], pair.cosine, pair.genuine.into()]));
    let tensors = columns.0.iter().filter_map(|(name, (dtype, bytes))| {
        let numbers = bytes.len() * 8 / dtype.bitsize();
        Some((name, TensorView::new(*dtype, vec![numbers], bytes).ok()?))
    });
    // Names and shapes are made above, so they are always valid. A reader ignores an empty state.
    safetensors::serialize(tensors, None).unwrap_or_default()
}

/// The pieces of a state; `None` if it is damaged.
#[must_use]
pub fn pieces(bytes: &[u8]) -> Option<Done> {
    Reader(SafeTensors::deserialize(bytes).ok()?).done()
}

/// What was written, in the shape of `empty`; `None` if it has another shape, because it is damaged or of other faces.
#[must_use]
pub fn read(bytes: &[u8], mut empty: Collector, products: Products) -> Option<(Done, Collector)> {
    let file = Reader(SafeTensors::deserialize(bytes).ok()?);
    if file.bytes("kernels", Dtype::U8)? != products.rounding().as_bytes() {
        return None;
    }
    file.tally("genuine", &mut empty.genuine)?;
    file.tally("impostor", &mut empty.impostor)?;
    empty.genuine_cells = file.cells("genuine_cells")?;
    empty.impostor_cells = file.cells("impostor_cells")?;
    let genuine = file.moments("spread.genuine")?;
    let (minima, maxima) = (file.f32s("spread.genuine_min")?, file.f32s("spread.impostor_max")?);
    let nearest = file.u32s("spread.nearest")?;
    let lengths = [genuine.len(), minima.len(), maxima.len(), nearest.len()];
    if lengths != [empty.spread.len(); 4] {
        return None;
    }
    for (who, spread) in empty.spread.iter_mut().enumerate() {
        spread.genuine = genuine[who];
        (spread.genuine_min, spread.impostor_max, spread.nearest) = (minima[who], maxima[who], nearest[who]);
    }
    file.hardest("hardest_genuine", &mut empty.hardest_genuine)?;
    file.hardest("hardest_impostor", &mut empty.hardest_impostor)?;
    let faces = &mut empty.faces;
    for (name, slots) in [("faces.genuine", &mut faces.genuine), ("faces.impostor", &mut faces.impostor)] {
        fill(slots, &file.u32s(name)?)?;
    }
    for (name, slots) in [("faces.misses", &mut faces.misses), ("faces.false_matches", &mut faces.false_matches)] {
        let numbers = file.u32s(name)?;
        let rows = slots.first().map_or(0, Vec::len);
        if numbers.len() != rows * slots.len() {
            return None;
        }
        slots.iter_mut().zip(numbers.chunks_exact(rows.max(1))).try_for_each(|(slots, row)| fill(slots, row))?;
    }
    let between = file.u32s("faces.between")?;
    let (between, []) = between.as_chunks::<4>() else { return None };
    if between.iter().any(|[a, b, ..]| (*a).max(*b) as usize >= faces.genuine.len()) {
        return None;
    }
    let pair = |&[a, b, cosine, genuine]: &[u32; 4]| Between { rows: [a, b], genuine: genuine > 0, cosine };
    faces.between = between.iter().map(pair).collect();
    Some((file.done()?, empty))
}

fn fill<T: Copy>(slots: &mut [T], numbers: &[T]) -> Option<()> {
    (slots.len() == numbers.len()).then(|| slots.copy_from_slice(numbers))
}

struct Reader<'a>(SafeTensors<'a>);

impl<'a> Reader<'a> {
    fn bytes(&self, name: &str, dtype: Dtype) -> Option<&'a [u8]> {
        let tensor = self.0.tensor(name).ok()?;
        (tensor.dtype() == dtype).then(|| tensor.data())
    }

    fn done(&self) -> Option<Done> {
        let pieces = self.u64s("pieces")?;
        let (pieces, []) = pieces.as_chunks::<2>() else { return None };
        let mut done = Done::default();
        let all = pieces.iter().all(|&[start, end]| start < end && done.add(start as usize..end as usize));
        all.then_some(done)
    }

    fn u64s(&self, name: &str) -> Option<Vec<u64>> {
        Some(self.bytes(name, Dtype::U64)?.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect())
    }

    fn u32s(&self, name: &str) -> Option<Vec<u32>> {
        Some(self.bytes(name, Dtype::U32)?.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect())
    }

    fn f32s(&self, name: &str) -> Option<Vec<f32>> {
        Some(self.bytes(name, Dtype::F32)?.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    fn moments(&self, name: &str) -> Option<Vec<Moments>> {
        Some(self.u64s(name)?.as_chunks().0.iter().map(|words| Moments::from_words(*words)).collect())
    }

    fn tally(&self, name: &str, tally: &mut Tally) -> Option<()> {
        fill(&mut tally.counts, &self.u64s(&format!("{name}.counts"))?)?;
        tally.moments = *self.moments(&format!("{name}.moments"))?.first()?;
        let range = self.f32s(&format!("{name}.range"))?;
        (tally.min, tally.max) = (*range.first()?, *range.get(1)?);
        Some(())
    }

    fn cells(&self, name: &str) -> Option<Vec<CosineCell>> {
        let (shapes, moments) = (self.u32s(&format!("{name}.shape"))?, self.moments(&format!("{name}.moments"))?);
        let counts = self.u64s(&format!("{name}.counts"))?;
        let mut counts = counts.as_slice();
        let shapes = shapes.as_chunks::<4>().0;
        if shapes.len() != moments.len() {
            return None;
        }
        let cells = shapes.iter().zip(moments).map(|(&[g, h, first, length], moments)| {
            let (mine, rest) = counts.split_at_checked(length as usize)?;
            counts = rest;
            CosineCell::from_parts((g.try_into().ok()?, h.try_into().ok()?), moments, first as usize, mine.to_vec())
        });
        cells.collect()
    }

    fn hardest(&self, name: &str, hardest: &mut Hardest) -> Option<()> {
        let (easiness, rows) = (self.f32s(&format!("{name}.easiness"))?, self.u32s(&format!("{name}.rows"))?);
        let rows = rows.as_chunks::<2>().0;
        if rows.len() != easiness.len() {
            return None;
        }
        rows.iter().zip(easiness).for_each(|(rows, easiness)| hardest.offer(easiness, rows[0], rows[1]));
        Some(())
    }
}

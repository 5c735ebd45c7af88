//! Rows as the pair kernel reads them: panels of [`PANEL`] rows, component 0 of each, component 1 of each, …, then the
//! numbers that decide which pairs are compared. Each resampled unit starts a new panel.

use std::ops::Range;

use super::Population;
use super::engine::PANEL;
use super::kernel::Rows;

/// Numbers that decide which rows a row is compared with: identity, photo, picture, and its position counted from 1.
const KEYS: usize = 4;

/// Components of a row that are moved at once; they fill a cache line.
const PIECE: usize = 16;

/// Where the rows of a population are in its panels.
#[derive(Debug)]
pub struct Panels<'a> {
    rows: Rows<'a>,
    population: &'a Population<'a>,
    /// First panel of each unit, then the number of panels.
    starts: Vec<usize>,
}

impl<'a> Panels<'a> {
    /// The layout of all units.
    #[must_use]
    pub fn new(rows: Rows<'a>, population: &'a Population<'a>) -> Self {
        let mut starts = vec![0];
        for unit in &population.units {
            starts.push(starts[starts.len() - 1] + unit.len().div_ceil(PANEL));
        }
        Self { rows, population, starts }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts[self.starts.len() - 1]
    }

    /// Bytes of a panel.
    #[must_use]
    pub fn bytes(&self) -> usize {
        (self.rows.dimension + KEYS) * PANEL * size_of::<f32>()
    }

    /// The panels of these positions of one unit, which start at a panel.
    #[must_use]
    pub fn of(&self, positions: &Range<usize>) -> Range<usize> {
        let unit = self.population.units.partition_point(|unit| unit.start <= positions.start) - 1;
        let start = self.starts[unit] + (positions.start - self.population.units[unit].start) / PANEL;
        start..start + positions.len().div_ceil(PANEL)
    }

    /// Packs a panel into its bytes; zeros where a unit's last panel has no row.
    pub fn pack(&self, panel: usize, bytes: &mut [u8]) {
        let unit = self.starts.partition_point(|start| *start <= panel) - 1;
        let Range { start, end } = self.population.units[unit];
        let first = start + (panel - self.starts[unit]) * PANEL;
        let members = &self.population.members[first..(first + PANEL).min(end)];
        let (words, _) = bytes.as_chunks_mut::<4>();
        let (numbers, keys) = words.split_at_mut(self.rows.dimension * PANEL);
        if members.len() < PANEL {
            numbers.fill([0; 4]);
            keys.fill([0; 4]);
        }
        // A piece of every row at a time: a whole row's numbers go to places that evict each other from the cache.
        for (piece, slots) in numbers.chunks_mut(PIECE * PANEL).enumerate() {
            for (place, member) in members.iter().enumerate() {
                let numbers = self.rows.row(member.row)[piece * PIECE..].iter();
                slots
                    .chunks_exact_mut(PANEL)
                    .zip(numbers)
                    .for_each(|(slots, value)| slots[place] = value.to_ne_bytes());
            }
        }
        for (place, (slots, member)) in keys.as_chunks_mut::<KEYS>().0.iter_mut().zip(members).enumerate() {
            let position = (first + place + 1) as u32;
            *slots = [member.identity, member.image, member.content, position].map(u32::to_ne_bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{faces, names, unit_rows};

    #[test]
    fn a_panel_has_the_components_of_its_rows_side_by_side_and_their_keys() {
        const DIMENSION: usize = 19;
        let names = names(300);
        // 140 faces of one identity and 160 of another, alternating.
        let faces = faces(&names, |i| usize::from(i % 2 == 1 || i >= 280), |i| i / 2);
        let population = Population::new(&faces, 1);
        let data = unit_rows(300, DIMENSION, 1);
        let rows = Rows { data: &data, dimension: DIMENSION };
        let panels = Panels::new(rows, &population);
        assert_eq!((panels.len(), panels.bytes()), (4, 23 * 128 * 4));
        for (positions, expected) in [(0..140, 0..2), (128..140, 1..2), (140..300, 2..4), (268..300, 3..4)] {
            assert_eq!(panels.of(&positions), expected);
        }
        for (panel, first, length) in [(0, 0, 128), (1, 128, 12), (2, 140, 128), (3, 268, 32)] {
            let mut bytes = vec![0xff; panels.bytes()];
            panels.pack(panel, &mut bytes);
            let (words, _) = bytes.as_chunks::<4>();
            for place in 0..PANEL {
                let member = (place < length).then(|| population.members[first + place]);
                for component in 0..DIMENSION {
                    let expected = member.map_or(0.0, |member| rows.row(member.row)[component]);
                    assert_eq!(f32::from_ne_bytes(words[component * PANEL + place]), expected);
                }
                let keys: Vec<u32> =
                    (0..KEYS).map(|key| u32::from_ne_bytes(words[DIMENSION * PANEL + place * KEYS + key])).collect();
                let expected = member.map_or([0; KEYS], |member| {
                    [member.identity, member.image, member.content, (first + place + 1) as u32]
                });
                assert_eq!(keys, expected);
            }
        }
    }
}

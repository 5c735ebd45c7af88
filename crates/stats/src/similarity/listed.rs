//! A published list of pairs instead of all pairs, for faces without names: only for the listed pairs is it known
//! whether they show one person. No pair is left out, because the list is the ground truth.

use super::Collector;
use super::compare::ComparedPairs;
use super::kernel::Rows;
use super::population::Population;

/// Two matrix rows, and whether the list calls them one person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPair {
    /// Matrix row.
    pub a: u32,
    /// Matrix row.
    pub b: u32,
    /// Whether they are one person.
    pub same: bool,
}

/// Compares a list's pairs. Both faces of a pair must be labelled with their person, or with the group of pictures that
/// the list calls one person; other pairs are skipped. `None` if the list has only one kind of pair.
#[must_use]
pub fn compare(
    rows: Rows<'_>,
    population: &Population<'_>,
    pairs: &[RowPair],
    hardest: usize,
) -> Option<ComparedPairs> {
    let mut position = vec![None; population.rows];
    population.members.iter().enumerate().for_each(|(at, member)| position[member.row as usize] = Some(at));
    let place = |row: u32| {
        let at = position.get(row as usize).copied().flatten()?;
        Some((population.unit_of[population.members[at].identity as usize], at))
    };
    let placed = pairs.iter().filter_map(|pair| {
        let (a, b) = (place(pair.a.min(pair.b))?, place(pair.a.max(pair.b))?);
        Some(((a.0.min(b.0), a.0.max(b.0)), a.1, b.1, pair.same))
    });
    let mut collector = Collector::new(population, hardest, &[]);
    collector.compare(rows, population, placed.collect());
    ComparedPairs::of_both_kinds(population, collector)
}

#[cfg(test)]
mod tests {
    use super::super::population::tests::{Labels, labelled, strings};
    use super::*;
    use crate::similarity::kernel::cosine;
    use crate::testing::unit_rows;
    use crate::verification::tally::Tally;

    #[test]
    fn the_pairs_of_the_list_are_compared_and_no_others() {
        let labels: Labels = (0..40).map(|i| (Some(i / 4), i % 12, None)).collect();
        let strings = strings();
        let population = Population::new(&labelled(&labels, &strings), 1);
        let data = unit_rows(40, 6, 5);
        let rows = Rows { data: &data, dimension: 6 };
        let pair = |a, b, same| RowPair { a, b, same };
        let list = [pair(1, 0, true), pair(0, 5, false), pair(38, 39, true), pair(7, 5, false), pair(5, 7, false)];
        let found = compare(rows, &population, &list, 2).unwrap();
        let (mut genuine, mut impostor) = (Tally::default(), Tally::default());
        for pair in &list {
            let tally = if pair.same { &mut genuine } else { &mut impostor };
            tally.add(cosine(rows.row(pair.a), rows.row(pair.b)));
        }
        assert_eq!((&found.genuine, &found.impostor), (&genuine, &impostor));
        assert_eq!(found.cells.genuine.iter().map(crate::verification::cells::CosineCell::pairs).sum::<u64>(), 2);
        assert!(found.hardest_genuine.iter().all(|pair| pair.row_a < pair.row_b));
        assert!(compare(rows, &population, &list[..1], 2).is_none(), "one kind only");
    }
}

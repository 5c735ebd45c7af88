//! Scores of listed pairs of templates, by kind and by subjects.

use rayon::prelude::*;

use super::SortedScores;
use super::{TemplatePair, TemplateSet, Templates};
use crate::verification::cells::{CosineCell, CosineCells, MAX_UNITS};
use crate::verification::tally::Tally;

/// Fewest templates of a block: two blocks of 512 numbers stay in the second-level cache.
const BLOCK: usize = 64;

/// Most blocks: there is a count for each two.
const BLOCKS: usize = 1024;

/// Pairs that one thread scores at a time.
const CHUNK: usize = 1 << 14;

/// The scored pairs of a list.
#[derive(Debug)]
pub struct ScoredTemplates {
    /// Exact.
    pub sorted: SortedScores,
    /// In bins: what intervals are made of.
    pub genuine: Tally,
    /// In bins.
    pub impostor: Tally,
    /// By subject, or group of subjects.
    pub cells: CosineCells,
}

impl ScoredTemplates {
    /// Scores the pairs of templates that both have a face. `None` without pairs of both kinds.
    #[must_use]
    pub fn new(set: &TemplateSet, templates: &Templates) -> Option<Self> {
        let order = blocked(&set.pairs, templates);
        let scored: Vec<f64> = order
            .par_iter()
            .with_min_len(CHUNK)
            .map(|&pair| {
                let pair = set.pairs[pair as usize];
                templates.cosine(pair.a(), pair.b())
            })
            .collect();
        let pair = |at: usize| set.pairs[order[at] as usize];
        let of = |same: bool| (0..order.len()).filter(move |&at| pair(at).same() == same).map(|at| scored[at]);
        let tally = |same: bool| {
            let mut tally = Tally::default();
            tally.extend(of(same).map(|score| score as f32));
            tally
        };
        let (genuine, impostor) = rayon::join(|| tally(true), || tally(false));
        let cells = cells(set, templates, &order, &scored);
        let sorted = SortedScores::new(of(true).collect(), of(false).collect())?;
        Some(Self { sorted, genuine, impostor, cells })
    }
}

/// The score of a pair of one subject.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GenuineScore {
    /// The pair's place in the list.
    pub pair: u32,
    /// The subject.
    pub subject: u32,
    /// Cosine of the two templates.
    pub score: f64,
}

impl GenuineScore {
    /// The genuine pairs of templates that both have a face, in the order of the list.
    #[must_use]
    pub fn all(set: &TemplateSet, templates: &Templates) -> Vec<Self> {
        let genuine = (0..).zip(&set.pairs).filter(|(_, pair)| pair.same());
        let there = genuine.filter(|(_, pair)| templates.has_face(pair.a()) && templates.has_face(pair.b()));
        let score = |(place, pair): (u32, &TemplatePair)| Self {
            pair: place,
            subject: set.subject_of[pair.a() as usize],
            score: templates.cosine(pair.a(), pair.b()),
        };
        there.map(score).collect()
    }
}

/// The pairs to score, ordered so that those of the same two blocks of templates follow each other: a list in any order
/// would read each template from memory for each pair.
fn blocked(pairs: &[TemplatePair], templates: &Templates) -> Vec<u32> {
    let block = templates.len().div_ceil(BLOCKS).max(BLOCK);
    let blocks = templates.len().div_ceil(block);
    let key = |pair: TemplatePair| {
        let there = templates.has_face(pair.a()) && templates.has_face(pair.b());
        there.then(|| pair.a() as usize / block * blocks + pair.b() as usize / block)
    };
    grouped(pairs.iter().map(|&pair| key(pair)), blocks * blocks).1
}

/// A counting sort: where each group begins, and last the end; and the places of the keys, group by group, in order.
/// What has no key is left out.
fn grouped(keys: impl Iterator<Item = Option<usize>> + Clone, groups: usize) -> (Vec<usize>, Vec<u32>) {
    let mut starts = vec![0; groups + 1];
    keys.clone().flatten().for_each(|key| starts[key + 1] += 1);
    for group in 0..groups {
        starts[group + 1] += starts[group];
    }
    let (mut next, mut places) = (starts.clone(), vec![0; starts[groups]]);
    for (place, key) in (0..).zip(keys) {
        if let Some(key) = key {
            places[next[key]] = place;
            next[key] += 1;
        }
    }
    (starts, places)
}

/// The scores by subject; more than [`MAX_UNITS`] subjects are combined into groups, in the order of their numbers.
fn cells(set: &TemplateSet, templates: &Templates, order: &[u32], scored: &[f64]) -> CosineCells {
    let mut compared = vec![false; templates.len()];
    for &pair in order {
        let pair = set.pairs[pair as usize];
        (compared[pair.a() as usize], compared[pair.b() as usize]) = (true, true);
    }
    let mut subjects: Vec<u32> = set.subject_of.iter().zip(&compared).filter(|of| *of.1).map(|of| *of.0).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let unit = |template: u32| {
        let subject = set.subject_of[template as usize];
        subjects.partition_point(|known| *known < subject) % MAX_UNITS
    };
    let units: Vec<usize> = (0..templates.len() as u32)
        .map(|template| if compared[template as usize] { unit(template) } else { 0 })
        .collect();
    let key = |pair: &u32| {
        let pair = set.pairs[*pair as usize];
        let (a, b) = (units[pair.a() as usize], units[pair.b() as usize]);
        Some((usize::from(pair.same()) * MAX_UNITS + a.min(b)) * MAX_UNITS + a.max(b))
    };
    let (starts, places) = grouped(order.iter().map(key), 2 * MAX_UNITS * MAX_UNITS);
    let cells = |same: bool| -> Vec<CosineCell> {
        let first = usize::from(same) * MAX_UNITS * MAX_UNITS;
        (0..MAX_UNITS * MAX_UNITS)
            .into_par_iter()
            .filter_map(|between| {
                let places = &places[starts[first + between]..starts[first + between + 1]];
                let scores: Vec<f32> = places.iter().map(|&place| scored[place as usize] as f32).collect();
                CosineCell::of(((between / MAX_UNITS) as u16, (between % MAX_UNITS) as u16), &scores)
            })
            .collect()
    };
    let identities = subjects.len();
    CosineCells { units: identities.min(MAX_UNITS), identities, genuine: cells(true), impostor: cells(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_grouped_in_order() {
        let keys = [Some(2), None, Some(0), Some(2), Some(1), Some(0)];
        assert_eq!(grouped(keys.into_iter(), 4), (vec![0, 2, 3, 5, 5], vec![2, 5, 4, 0, 3]));
    }
}

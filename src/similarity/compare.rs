//! Compares faces on all cores. Work is cut by pair of resampled units, never by thread; all sums are of integers, so
//! the result has the same bits on any machine with any number of threads.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use super::hardest::Candidate;
use super::kernel::{Rows, for_each_pair};
use super::population::Population;
use super::sampling::{Quota, apportion, draw_genuine, draw_impostor, unit_pairs};
use super::{Collector, FaceErrors, PairKind, Spread};
use crate::progress::{Cancel, Progress};
use crate::verification::bootstrap::Cells;
use crate::verification::tally::Tally;

/// Faces on the left side of one piece of work.
const STRIP: usize = 4096;

/// What comparing found.
#[derive(Debug)]
pub struct Comparison {
    /// Same-identity cosines.
    pub genuine: Tally,
    /// Different-identity cosines.
    pub impostor: Tally,
    /// Both, by resampled unit.
    pub cells: Cells,
    /// By identity.
    pub spread: Vec<Spread>,
    /// By face, at the watched thresholds.
    pub faces: FaceErrors,
    /// Lowest same-identity cosines first.
    pub hardest_genuine: Vec<Candidate>,
    /// Highest different-identity cosines first.
    pub hardest_impostor: Vec<Candidate>,
}

impl Comparison {
    /// From what was collected, all cells closed.
    #[must_use]
    pub fn new(population: &Population<'_>, found: Collector) -> Self {
        let (units, identities) = (population.units.len(), population.names.len());
        let cells = Cells { units, identities, genuine: found.genuine_cells, impostor: found.impostor_cells };
        Self {
            genuine: found.genuine,
            impostor: found.impostor,
            cells,
            spread: found.spread,
            faces: found.faces,
            hardest_genuine: found.hardest_genuine.into_sorted(),
            hardest_impostor: found.hardest_impostor.into_sorted(),
        }
    }
}

/// A piece of work.
enum Task {
    /// Every comparable pair of these kinds.
    All { units: (u16, u16), left: Range<usize>, right: Range<usize>, genuine: bool, impostor: bool },
    /// Every comparable pair of one identity's faces.
    Identity { unit: u16, faces: Range<usize> },
    /// That many same-identity pairs.
    Genuine { unit: u16, wanted: u64 },
    /// That many different-identity pairs.
    Impostor { units: (u16, u16), wanted: u64 },
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// How many pairs of each kind are compared.
    pub quota: Quota,
    /// How many of the hardest pairs of each kind are kept.
    pub hardest: usize,
    /// Thresholds, ascending, at which errors are counted face by face.
    pub watched: &'a [f32],
    /// Seed of samples.
    pub seed: u64,
}

/// Compares pairs. `None` when it was cancelled.
#[must_use]
pub fn compare(
    rows: Rows<'_>,
    population: &Population<'_>,
    request: &Request<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Option<Comparison> {
    let &Request { quota, hardest, watched, seed } = request;
    let idle: Mutex<Vec<Collector>> = Mutex::default();
    let idle_collectors = || idle.lock().unwrap_or_else(PoisonError::into_inner);
    progress.start("comparing", "pairs", Some(quota.genuine + quota.impostor), 0);
    tasks(population, quota).into_par_iter().for_each(|task| {
        let waiting = idle_collectors().pop();
        let mut collector = waiting.unwrap_or_else(|| Collector::new(population, hardest, watched));
        let units = work(rows, population, task, seed, cancel, &mut collector);
        progress.advance(collector.close(units));
        idle_collectors().push(collector);
    });
    progress.finish();
    if cancel.requested() {
        return None;
    }
    let mut found = Collector::new(population, hardest, watched);
    for collector in idle.into_inner().unwrap_or_else(PoisonError::into_inner) {
        found.merge(collector);
    }
    Some(Comparison::new(population, found))
}

fn tasks(population: &Population<'_>, quota: Quota) -> Vec<Task> {
    let available = &population.available;
    let all_genuine = quota.genuine == available.genuine;
    let all_impostor = quota.impostor == available.impostor;
    let mut tasks = Vec::new();
    let between = unit_pairs(population);
    if all_impostor {
        for &((g, h), _) in &between {
            let (left, right) = (&population.units[usize::from(g)], &population.units[usize::from(h)]);
            tasks.extend(left.clone().step_by(STRIP).map(|start| Task::All {
                units: (g, h),
                left: start..(start + STRIP).min(left.end),
                right: right.clone(),
                genuine: all_genuine,
                impostor: true,
            }));
        }
    } else {
        let weights: Vec<u64> = between.iter().map(|(_, weight)| *weight).collect();
        let shares = apportion(quota.impostor, &weights);
        tasks.extend(between.iter().zip(shares).map(|((units, _), wanted)| Task::Impostor { units: *units, wanted }));
    }
    if !all_genuine {
        let shares = apportion(quota.genuine, &available.genuine_by_unit);
        tasks.extend((0..).zip(shares).map(|(unit, wanted)| Task::Genuine { unit, wanted }));
    } else if !all_impostor {
        let identities = population.identities.iter().zip(&population.unit_of);
        tasks.extend(identities.map(|(faces, unit)| Task::Identity { unit: *unit, faces: faces.clone() }));
    }
    tasks
}

/// Does one piece; returns the units it belongs to. A cancelled piece is left unfinished: nobody will read it.
fn work(
    rows: Rows<'_>,
    population: &Population<'_>,
    task: Task,
    seed: u64,
    cancel: &Cancel,
    collector: &mut Collector,
) -> (u16, u16) {
    let go_on = || !cancel.requested();
    let mut all = |left: Range<usize>, right: Range<usize>, genuine: bool, impostor: bool| {
        for_each_pair(rows, &population.members, left, right, go_on, |i, j, cosine| {
            let (a, b) = (&population.members[i], &population.members[j]);
            if !a.comparable(b) {
                return;
            }
            match a.identity == b.identity {
                true if genuine => collector.add(PairKind::Genuine, a, b, cosine),
                false if impostor => collector.add(PairKind::Impostor, a, b, cosine),
                _ => {}
            }
        });
    };
    match task {
        Task::All { units, left, right, genuine, impostor } => {
            all(left, right, genuine, impostor);
            units
        }
        Task::Identity { unit, faces } => {
            all(faces.clone(), faces, true, false);
            (unit, unit)
        }
        Task::Genuine { unit, wanted } => {
            draw_genuine(rows, population, unit, wanted, seed, go_on, collector);
            (unit, unit)
        }
        Task::Impostor { units, wanted } => {
            draw_impostor(rows, population, units, wanted, seed, go_on, collector);
            units
        }
    }
}

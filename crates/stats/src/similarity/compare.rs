//! Compares faces on all cores. Work is divided by pair of resampled units, not by thread, and all sums are integer
//! sums, so the result is bit-identical on any machine with any number of threads, even after an interruption.

use std::ops::Range;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::prelude::*;

use super::blocks::{Blocks, Kinds, Scratch};
use super::done::Done;
use super::engine::{Helper, PairEngine};
use super::hardest::Candidate;
use super::kernel::Rows;
use super::population::Population;
use super::sampling::{Quota, apportion, draw_genuine, draw_impostor, unit_pairs};
use super::{Collector, FaceErrors, IdentityCosines, state};
use crate::verification::cells::CosineCells;
use crate::verification::random::Draw;
use crate::verification::roc::{Survival, allowed};
use crate::verification::tally::{BINS, Tally, edge};
use facevault_base::progress::{Cancel, Progress};
use facevault_kernels::products::Products;

/// Faces on the left side of one piece of work.
const STRIP: usize = 4096;

/// Pieces of work between two checks of the clock.
const PIECES: usize = 128;

/// The same with an engine, which finishes a piece much sooner.
const HELPED_PIECES: usize = 1024;

/// Time between two saves of a long comparison.
const SAVING: Duration = Duration::from_secs(20);

/// Up to this many impostor pairs, all are examined one by one.
const FEW: u64 = 4_000_000;

/// Beyond that, the share that is.
const TAIL: f64 = 0.01;

/// The result of comparing pairs.
#[derive(Debug, PartialEq)]
pub struct ComparedPairs {
    /// Genuine cosines.
    pub genuine: Tally,
    /// Impostor cosines.
    pub impostor: Tally,
    /// Both, by resampled unit.
    pub cells: CosineCells,
    /// By identity.
    pub spread: Vec<IdentityCosines>,
    /// By face, at the watched thresholds.
    pub faces: FaceErrors,
    /// Lowest genuine cosines first.
    pub hardest_genuine: Vec<Candidate>,
    /// Highest impostor cosines first.
    pub hardest_impostor: Vec<Candidate>,
}

impl ComparedPairs {
    /// The result of a collector whose cells are all closed.
    #[must_use]
    pub fn new(population: &Population<'_>, mut found: Collector) -> Self {
        // The order in which threads found them must not show.
        found.faces.between.sort_unstable();
        let (units, identities) = (population.units.len(), population.names.len());
        let cells = CosineCells { units, identities, genuine: found.genuine_cells, impostor: found.impostor_cells };
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

    /// The same, if there are pairs of both kinds.
    pub(super) fn of_both_kinds(population: &Population<'_>, found: Collector) -> Option<Self> {
        let found = Self::new(population, found);
        [&found.genuine, &found.impostor].iter().all(|tally| tally.moments.count() > 0).then_some(found)
    }

    /// The same in whatever order cells were finished.
    #[cfg(test)]
    pub(super) fn with_sorted_cells(mut self) -> Self {
        for cells in [&mut self.cells.genuine, &mut self.cells.impostor] {
            cells.sort_by_cached_key(|cell| format!("{cell:?}"));
        }
        self
    }
}

/// Which pairs to compare, and what to keep.
#[derive(Debug, Clone, Copy)]
pub struct PairRequest<'a> {
    /// How many pairs of each kind are compared.
    pub quota: Quota,
    /// How many of the hardest pairs of each kind are kept.
    pub hardest: usize,
    /// Thresholds, ascending, at which errors are counted face by face.
    pub watched: &'a [f32],
    /// Seed of samples.
    pub seed: u64,
}

/// Stores a long comparison between two sessions, and its parts that others compared. Saving is optional: a state that cannot
/// be stored is computed again.
pub trait PairCheckpoint: Sync + std::fmt::Debug {
    /// The names of the saved states of this comparison: each is of some of its pieces.
    fn names(&self) -> Vec<String>;
    /// A saved state; `None` if it cannot be used. States are as large as all faces take, so one is held at a time.
    fn load(&self, name: &str) -> Option<Vec<u8>>;
    /// Replaces the state that was saved here.
    fn save(&self, state: &[u8]);
}

/// One of several equal parts of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Which, from 0.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

/// A part of a comparison that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SharedPairs {
    /// Pieces of work.
    pub pieces: usize,
    /// Of how many.
    pub of: usize,
    /// Pairs of both kinds.
    pub pairs: u64,
}

/// Stores nothing.
#[derive(Debug, Clone, Copy)]
pub struct NoCheckpoint;

impl PairCheckpoint for NoCheckpoint {
    fn names(&self) -> Vec<String> {
        Vec::new()
    }

    fn load(&self, _: &str) -> Option<Vec<u8>> {
        None
    }

    fn save(&self, _: &[u8]) {}
}

/// A piece of work.
#[derive(Debug, Clone)]
enum Task {
    /// Every comparable pair of these kinds.
    All { units: (u16, u16), left: Range<usize>, right: Range<usize>, kinds: Kinds },
    /// That many genuine pairs.
    Genuine { unit: u16, wanted: u64 },
    /// That many impostor pairs.
    Impostor { units: (u16, u16), wanted: u64 },
}

/// Compares pairs. `None` when it was cancelled.
#[must_use]
pub fn compare(
    rows: Rows<'_>,
    population: &Population<'_>,
    request: &PairRequest<'_>,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Option<ComparedPairs> {
    compare_resumably(rows, population, request, None, &NoCheckpoint, progress, cancel)
}

/// Compares pairs, resuming from `checkpoint`. An `engine`, if given, compares all impostor pairs that are
/// not drawn as a sample; the result is the same. `None` when cancelled; the checkpoint then holds what was done.
#[must_use]
pub fn compare_resumably(
    rows: Rows<'_>,
    population: &Population<'_>,
    request: &PairRequest<'_>,
    engine: Option<&dyn PairEngine>,
    checkpoint: &dyn PairCheckpoint,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Option<ComparedPairs> {
    let products = Products::best(rows.dimension);
    let tail = tail(rows, population, request, cancel)?;
    let blocks = Blocks { rows, population, products, tail };
    let gave_up = AtomicBool::new(false);
    let helper = engine.map(|engine| Helper { engine, gave_up: &gave_up, progress });
    let session = Session { blocks, request, helper, checkpoint, progress, cancel };
    let mut found = session.collect(&tasks(population, request.quota, request.seed))?;
    let wanted = population.available.impostor.min(request.hardest as u64);
    if tail > -1.0 && request.quota.impostor == population.available.impostor {
        if (found.hardest_impostor.len() as u64) < wanted {
            // The sample was misleading: the tail holds fewer hard pairs than are to be kept.
            let blocks = Blocks { tail: f32::NEG_INFINITY, ..session.blocks };
            let session = Session { blocks, checkpoint: &NoCheckpoint, ..session };
            found = session.collect(&tasks(population, request.quota, request.seed))?;
        } else {
            nearest_outside_the_tail(session.blocks, &mut found);
        }
    }
    count_pairs_of_faces(population, request, &mut found);
    Some(ComparedPairs::new(population, found))
}

/// Compares one of several parts of the pairs, and saves its state for whoever compares all of them: parts that a checkpoint
/// has are not compared again. `None` when cancelled.
#[must_use]
#[expect(clippy::too_many_arguments, reason = "those of `compare_resumably`, and the part")]
pub fn compare_share(
    rows: Rows<'_>,
    population: &Population<'_>,
    request: &PairRequest<'_>,
    engine: Option<&dyn PairEngine>,
    share: Share,
    checkpoint: &dyn PairCheckpoint,
    progress: &dyn Progress,
    cancel: &Cancel,
) -> Option<SharedPairs> {
    let products = Products::best(rows.dimension);
    let tail = tail(rows, population, request, cancel)?;
    let blocks = Blocks { rows, population, products, tail };
    let gave_up = AtomicBool::new(false);
    let helper = engine.map(|engine| Helper { engine, gave_up: &gave_up, progress });
    let session = Session { blocks, request, helper, checkpoint, progress, cancel };
    let tasks = tasks(population, request.quota, request.seed);
    let mine = part(&tasks, share);
    let (done, found) = session.collect_part(&tasks, mine, SAVING)?;
    checkpoint.save(&state::write(&done, &found, products));
    let pairs = found.genuine.moments.count() + found.impostor.moments.count();
    Some(SharedPairs { pieces: done.count(), of: tasks.len(), pairs })
}

/// The neighbouring pieces of a part, such that all parts take about as long.
fn part(tasks: &[Task], Share { index, count }: Share) -> Range<usize> {
    let ends: Vec<u128> = tasks
        .iter()
        .scan(0, |sum, task| {
            *sum += task.weight();
            Some(*sum)
        })
        .collect();
    let total = ends.last().copied().unwrap_or(0);
    let cut = |index: usize| ends.partition_point(|end| *end * count as u128 <= total * index as u128);
    cut(index)..cut(index + 1)
}

/// One call of [`compare_resumably`].
#[derive(Clone, Copy)]
struct Session<'a> {
    blocks: Blocks<'a>,
    request: &'a PairRequest<'a>,
    helper: Option<Helper<'a>>,
    checkpoint: &'a dyn PairCheckpoint,
    progress: &'a dyn Progress,
    cancel: &'a Cancel,
}

impl Session<'_> {
    fn collector(&self) -> Collector {
        Collector::new(self.blocks.population, self.request.hardest, self.request.watched)
    }

    fn collect(&self, tasks: &[Task]) -> Option<Collector> {
        self.collect_part(tasks, 0..tasks.len(), SAVING).map(|(_, found)| found)
    }

    /// What is saved of a comparison of so many pieces, as far as no piece would count twice.
    fn kept(&self, pieces: usize) -> (Done, Collector) {
        let fits = |done: &Done| done.ranges().last().is_none_or(|last| last.end <= pieces);
        let named = |name: String| Some((state::pieces(&self.checkpoint.load(&name)?).filter(fits)?, name));
        let mut states: Vec<_> = self.checkpoint.names().into_iter().filter_map(named).collect();
        // Shards of two splits may overlap: most work is saved by the largest.
        states.sort_by_key(|(done, _)| std::cmp::Reverse(done.count()));
        let (mut done, mut found) = (Done::default(), self.collector());
        for (_, name) in states.iter().filter(|(pieces, _)| !pieces.ranges().is_empty()) {
            let read = |bytes: Vec<u8>| state::read(&bytes, self.collector(), self.blocks.products);
            let Some((theirs, part)) = self.checkpoint.load(name).and_then(read) else { continue };
            if fits(&theirs) && done.is_apart_from(&theirs) {
                for range in theirs.ranges() {
                    done.add(range.clone());
                }
                found.merge(part);
                found.coalesce();
            }
        }
        (done, found)
    }

    /// Does the pieces of `part` that are not saved; all that is done, and the result.
    fn collect_part(&self, tasks: &[Task], part: Range<usize>, interval: Duration) -> Option<(Done, Collector)> {
        let Self { blocks, request: PairRequest { quota, .. }, progress, cancel, .. } = *self;
        let (mut done, mut found) = self.kept(tasks.len());
        let rest = done.rest(part.clone());
        let before = found.genuine.moments.count() + found.impostor.moments.count();
        let idle: Mutex<Vec<(Collector, Scratch)>> = Mutex::default();
        let lock = || idle.lock().unwrap_or_else(PoisonError::into_inner);
        // How many pairs a part has is known when it is done.
        let total = (part == (0..tasks.len())).then_some(quota.genuine + quota.impostor);
        progress.start("comparing", "pairs", total, before);
        let (mut saved, mut pause) = (Instant::now(), interval);
        let mut left = rest.len();
        for piece in rest.chunks(if self.helper.is_some() { HELPED_PIECES } else { PIECES }) {
            piece.par_iter().for_each(|&task| {
                let task = &tasks[task];
                let waiting = lock().pop();
                let (mut collector, mut scratch) = waiting.unwrap_or_else(|| (self.collector(), Scratch::default()));
                let units = self.work(task, &mut scratch, &mut collector);
                progress.advance(collector.close(units));
                lock().push((collector, scratch));
            });
            if cancel.requested() {
                break;
            }
            for neighbours in piece.chunk_by(|a, b| a + 1 == *b) {
                done.add(neighbours[0]..neighbours[0] + neighbours.len());
            }
            left -= piece.len();
            let last = left == 0;
            if last || saved.elapsed() >= pause {
                let begun = Instant::now();
                lock().drain(..).for_each(|(collector, _)| found.merge(collector));
                found.coalesce();
                if !last {
                    self.checkpoint.save(&state::write(&done, &found, blocks.products));
                    saved = Instant::now();
                    // The states of many faces are large: they are not to take more than a few percent of the time.
                    pause = interval.max((saved - begun).mul_f64(interval.as_secs_f64()));
                }
            }
        }
        progress.finish();
        (!cancel.requested()).then_some((done, found))
    }

    /// Does one piece of work and returns its units. A cancelled piece stays unfinished, because its result is not
    /// used.
    fn work(&self, task: &Task, scratch: &mut Scratch, collector: &mut Collector) -> (u16, u16) {
        let go_on = || !self.cancel.requested();
        let Self { blocks, request: &PairRequest { seed, .. }, .. } = *self;
        let Blocks { rows, population, .. } = blocks;
        match task {
            Task::All { units, left, right, kinds } => {
                match self.helper {
                    Some(helper) => helper.collect(&blocks, (left, right), *kinds, scratch, collector, go_on),
                    None => blocks.collect(left, right, *kinds, scratch, collector, go_on),
                }
                *units
            }
            &Task::Genuine { unit, wanted } => {
                draw_genuine(rows, population, unit, wanted, seed, go_on, collector);
                (unit, unit)
            }
            &Task::Impostor { units, wanted } => {
                draw_impostor(rows, population, units, wanted, seed, go_on, collector);
                units
            }
        }
    }
}

impl Task {
    /// About how long it takes: the pairs of positions it looks at.
    fn weight(&self) -> u128 {
        match self {
            Self::All { left, right, .. } => {
                let square = left.len() as u128 * right.len() as u128;
                // Only pairs i < j.
                let below = right.end.min(left.end).saturating_sub(left.start.max(right.start)) as u128;
                1 + square - below * below / 2
            }
            Self::Genuine { wanted, .. } | Self::Impostor { wanted, .. } => 1 + u128::from(*wanted),
        }
    }
}

fn tasks(population: &Population<'_>, quota: Quota, seed: u64) -> Vec<Task> {
    let available = &population.available;
    let all_genuine = quota.genuine == available.genuine;
    let all_impostor = quota.impostor == available.impostor;
    let mut tasks = Vec::new();
    let mut between = unit_pairs(population);
    if all_impostor {
        // One right side after the other, so that each is packed once for many left sides.
        between.sort_by_key(|((g, h), _)| (*h, *g));
        for &((g, h), _) in &between {
            let (left, right) = (&population.units[usize::from(g)], &population.units[usize::from(h)]);
            tasks.extend(left.clone().step_by(STRIP).map(|start| Task::All {
                units: (g, h),
                left: start..(start + STRIP).min(left.end),
                right: right.clone(),
                kinds: Kinds { genuine: all_genuine, impostor: true },
            }));
        }
    } else {
        let weights: Vec<u64> = between.iter().map(|(_, weight)| *weight).collect();
        let shares = apportion(quota.impostor, &weights, &mut Draw::impostor_shares(seed));
        tasks.extend(between.iter().zip(shares).map(|((units, _), wanted)| Task::Impostor { units: *units, wanted }));
    }
    if !all_genuine {
        let shares = apportion(quota.genuine, &available.genuine_by_unit, &mut Draw::genuine_shares(seed));
        tasks.extend((0..).zip(shares).map(|(unit, wanted)| Task::Genuine { unit, wanted }));
    } else if !all_impostor {
        let identities = population.identities.iter().zip(&population.unit_of);
        tasks.extend(identities.map(|(faces, &unit)| Task::All {
            units: (unit, unit),
            left: faces.clone(),
            right: faces.clone(),
            kinds: Kinds { genuine: true, impostor: false },
        }));
    }
    tasks
}

/// The cosine from which impostor pairs are examined one by one: at most the lowest watched threshold, and
/// low enough for the hardest pairs. `None` when cancelled.
fn tail(rows: Rows<'_>, population: &Population<'_>, request: &PairRequest<'_>, cancel: &Cancel) -> Option<f32> {
    const SAMPLE: u64 = 200_000;
    let pairs = population.available.impostor;
    if pairs <= FEW {
        return Some(f32::NEG_INFINITY);
    }
    let share = TAIL.max(4.0 * request.hardest as f64 / pairs as f64).min(1.0);
    let watched = request.watched.first().copied();
    if share == TAIL && watched.is_some() {
        // A sample has already located this share approximately.
        return watched;
    }
    let sample = super::watched::sample(rows, population, SAMPLE, request.seed, cancel)?;
    let survival = Survival::new(&sample.counts);
    let lowest = edge(survival.lowest_edge(allowed(share, survival.total())), BINS) as f32;
    Some(watched.map_or(lowest, |watched| watched.min(lowest)))
}

/// Finds the nearest other identity of identities without a pair in the tail.
fn nearest_outside_the_tail(blocks: Blocks<'_>, found: &mut Collector) {
    let blocks = Blocks { tail: f32::NEG_INFINITY, ..blocks };
    let (population, kinds) = (blocks.population, Kinds { genuine: false, impostor: true });
    let all = population.members.len();
    let lonely: Vec<usize> = (0..found.spread.len()).filter(|&who| found.spread[who].nearest == u32::MAX).collect();
    let searched: Vec<IdentityCosines> = lonely
        .par_iter()
        .map(|&who| {
            let (mut collector, mut scratch) = (Collector::new(population, 0, &[]), Scratch::default());
            let own = &population.identities[who];
            blocks.collect(own, &(own.start..all), kinds, &mut scratch, &mut collector, || true);
            blocks.collect(&(0..own.start), own, kinds, &mut scratch, &mut collector, || true);
            collector.spread[who]
        })
        .collect();
    for (who, spread) in lonely.into_iter().zip(searched) {
        found.spread[who].meet(spread.nearest, spread.impostor_max);
    }
}

/// Counts each face's impostor pairs if all were compared, because the kernel counts pairs, not faces.
fn count_pairs_of_faces(population: &Population<'_>, request: &PairRequest<'_>, found: &mut Collector) {
    let members = &population.members;
    if request.watched.is_empty() || request.quota.impostor != population.available.impostor {
        return;
    }
    let mut excluded = Vec::new();
    for member in members {
        let own = &population.identities[member.identity as usize];
        population.exclusions.of(member, 0..members.len(), &mut excluded);
        let left_out = excluded.iter().filter(|other| !own.contains(other)).count();
        found.faces.impostor[member.row as usize] = (members.len() - own.len() - left_out) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::Labelled;
    use crate::testing::{names, unit_rows};
    use facevault_base::progress::Silent;

    const DIMENSION: usize = 8;

    /// Keeps the state, and interrupts at each save.
    #[derive(Debug, Default)]
    struct Interrupter {
        state: Mutex<Option<Vec<u8>>>,
        cancel: Cancel,
    }

    impl PairCheckpoint for Interrupter {
        fn names(&self) -> Vec<String> {
            vec!["state".into()]
        }

        fn load(&self, _: &str) -> Option<Vec<u8>> {
            self.state.lock().unwrap().clone()
        }

        fn save(&self, state: &[u8]) {
            *self.state.lock().unwrap() = Some(state.into());
            self.cancel.request();
        }
    }

    /// A few identities of uneven size; the first faces of all come from one photo.
    fn faces(names: &[String]) -> Vec<Labelled<'_>> {
        let identity = |i: usize| i * i / names.len();
        let first = |i: usize| i == 0 || identity(i) != identity(i - 1);
        crate::testing::faces(names, identity, |i| if first(i) { 0 } else { i })
    }

    #[test]
    fn a_comparison_that_is_interrupted_again_and_again_ends_with_the_same_bits() {
        let names = names(260);
        let population = Population::new(&faces(&names), 1);
        let data = unit_rows(names.len(), DIMENSION, 2);
        let rows = Rows { data: &data, dimension: DIMENSION };
        for quota in [Quota::all(&population.available), Quota { genuine: 50, impostor: 900 }] {
            let request = PairRequest { quota, hardest: 9, watched: &[0.2, 0.7], seed: 3 };
            let whole = compare(rows, &population, &request, &Silent, &Cancel::default()).unwrap();
            let products = Products::best(DIMENSION);
            let checkpoint = Interrupter::default();
            let mut sessions = 0;
            let found = loop {
                let fresh = Interrupter { state: Mutex::new(checkpoint.load("state")), cancel: Cancel::default() };
                let blocks = Blocks { rows, population: &population, products, tail: f32::NEG_INFINITY };
                let session = Session {
                    blocks,
                    request: &request,
                    helper: None,
                    checkpoint: &fresh,
                    progress: &Silent,
                    cancel: &fresh.cancel,
                };
                sessions += 1;
                let tasks = tasks(&population, quota, 3);
                if let Some((_, mut found)) = session.collect_part(&tasks, 0..tasks.len(), Duration::ZERO) {
                    count_pairs_of_faces(&population, &request, &mut found);
                    break ComparedPairs::new(&population, found);
                }
                *checkpoint.state.lock().unwrap() = fresh.load("state");
            };
            assert!(sessions > 10, "{sessions}");
            assert_eq!(found.with_sorted_cells(), whole.with_sorted_cells());
        }
    }

    /// Keeps a state for each share, and gives all of them.
    #[derive(Debug, Default)]
    struct Shelf(Mutex<Vec<Vec<u8>>>);

    impl PairCheckpoint for Shelf {
        fn names(&self) -> Vec<String> {
            (0..self.0.lock().unwrap().len()).map(|place| place.to_string()).collect()
        }

        fn load(&self, name: &str) -> Option<Vec<u8>> {
            self.0.lock().unwrap().get(name.parse::<usize>().ok()?).cloned()
        }

        fn save(&self, state: &[u8]) {
            self.0.lock().unwrap().push(state.into());
        }
    }

    #[test]
    fn parts_that_others_compared_add_up_to_the_same_bits() {
        let names = names(260);
        let population = Population::new(&faces(&names), 1);
        let data = unit_rows(names.len(), DIMENSION, 2);
        let rows = Rows { data: &data, dimension: DIMENSION };
        for quota in [Quota::all(&population.available), Quota { genuine: 50, impostor: 900 }] {
            let request = PairRequest { quota, hardest: 9, watched: &[0.2, 0.7], seed: 3 };
            let cancel = Cancel::default();
            let whole = compare(rows, &population, &request, &Silent, &cancel).unwrap().with_sorted_cells();
            let pieces = tasks(&population, quota, request.seed).len();
            // A split of three, of which one is missing, and one of five, of which only those that do not overlap count.
            let shelf = Shelf::default();
            let (mut done, mut pairs) = (0, 0);
            for share in [(0, 3), (2, 3), (1, 5), (2, 5), (0, 5)].map(|(index, count)| Share { index, count }) {
                let alone = Shelf::default();
                let found = compare_share(rows, &population, &request, None, share, &alone, &Silent, &cancel).unwrap();
                assert_eq!(found.of, pieces);
                if share.count == 3 {
                    (done, pairs) = (done + found.pieces, pairs + found.pairs);
                }
                shelf.save(&alone.load("0").unwrap());
            }
            assert!(done > pieces / 3 && done < pieces, "{done} of {pieces}");
            let all = quota.genuine + quota.impostor;
            assert!((all * 2 / 5..all * 5 / 6).contains(&pairs), "{pairs} of {all} in two thirds");
            let found = compare_resumably(rows, &population, &request, None, &shelf, &Silent, &cancel)
                .unwrap()
                .with_sorted_cells();
            assert_eq!(found, whole);
        }
    }

    #[test]
    fn the_tail_hides_nothing() {
        let names = names(300);
        let population = Population::new(&faces(&names), 1);
        let data = unit_rows(names.len(), DIMENSION, 4);
        let rows = Rows { data: &data, dimension: DIMENSION };
        let request =
            PairRequest { quota: Quota::all(&population.available), hardest: 9, watched: &[0.8, 0.9], seed: 3 };
        let whole = compare(rows, &population, &request, &Silent, &Cancel::default()).unwrap();
        let products = Products::best(DIMENSION);
        let cancel = Cancel::default();
        // So high that some identities have no pair in the tail.
        let blocks = Blocks { rows, population: &population, products, tail: 0.8 };
        let session = Session {
            blocks,
            request: &request,
            helper: None,
            checkpoint: &NoCheckpoint,
            progress: &Silent,
            cancel: &cancel,
        };
        let mut found = session.collect(&tasks(&population, request.quota, request.seed)).unwrap();
        assert!(found.spread.iter().any(|spread| spread.nearest == u32::MAX));
        nearest_outside_the_tail(blocks, &mut found);
        count_pairs_of_faces(&population, &request, &mut found);
        let found = ComparedPairs::new(&population, found);
        assert_eq!(found.with_sorted_cells(), whole.with_sorted_cells());
    }

    #[test]
    fn a_state_of_something_else_is_no_state() {
        let names = names(40);
        let population = Population::new(&faces(&names), 1);
        let products = Products::best(DIMENSION);
        let collector = |hardest, watched: &[f32]| Collector::new(&population, hardest, watched);
        let mut done = Done::default();
        assert!(done.add(3..5) && done.add(0..1));
        let bytes = state::write(&done, &collector(4, &[0.5]), products);
        assert_eq!(state::read(&bytes, collector(4, &[0.5]), products).unwrap().0, done);
        assert!(state::read(&bytes, collector(4, &[0.5, 0.6]), products).is_none(), "other thresholds");
        assert!(state::read(&bytes[..bytes.len() - 1], collector(4, &[0.5]), products).is_none(), "cut short");
        assert!(state::read(b"", collector(4, &[0.5]), products).is_none());
        let others = Population::new(&faces(&names[..39]), 1);
        assert!(state::read(&bytes, Collector::new(&others, 4, &[0.5]), products).is_none(), "other faces");
    }
}

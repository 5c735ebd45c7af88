//! Intervals by resampling people, not pairs: pairs share faces and faces share people, so pairs are not independent.
//!
//! The double-or-nothing bootstrap (Owen & Eckles 2012; for face verification Fogliato, Patil & Perona 2023): in each
//! replicate every identity is kept or dropped with probability ½. A same-identity pair stays when its identity does, a
//! different-identity pair when both do. Counts and moments are kept by identity and by pair of identities, so a
//! replicate is a sum of integers and never compares faces again. With more than [`MAX_UNITS`] identities, random
//! groups of them are resampled instead, which keeps that table bounded and the method valid.

use rayon::prelude::*;

use super::random::Draw;
use super::roc::{Roc, Survival};
use super::tally::{BINS, Moments, Tally};
use crate::estimate::{Estimate, Unit};

/// Identities (or groups of them) that are resampled.
pub const MAX_UNITS: usize = 100;

/// Fewer than this give no interval: there are too few ways to choose among them.
pub const MIN_UNITS: usize = 8;

/// Bins of a replicate; inside a bin, counts are taken as spread evenly.
const COARSE: usize = 2048;

/// The cosines of one resampled unit, or between two of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    units: (u16, u16),
    moments: Moments,
    first: usize,
    counts: Vec<u64>,
}

impl Cell {
    /// Keeps a tally at the resolution of a replicate; `None` when it is empty.
    #[must_use]
    pub fn new(units: (u16, u16), tally: &Tally) -> Option<Self> {
        const FINE: usize = BINS / COARSE;
        let occupied = tally.occupied();
        if occupied.is_empty() {
            return None;
        }
        let (first, last) = (occupied.start / FINE, (occupied.end - 1) / FINE);
        let counts = (first..=last).map(|bin| tally.counts[bin * FINE..(bin + 1) * FINE].iter().sum()).collect();
        Some(Self { units, moments: tally.moments, first, counts })
    }
}

/// Everything that replicates are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cells {
    /// Number of resampled units.
    pub units: usize,
    /// Number of identities behind them.
    pub identities: usize,
    /// Same-identity pairs by unit.
    pub genuine: Vec<Cell>,
    /// Different-identity pairs by pair of units; several cells may share one.
    pub impostor: Vec<Cell>,
}

/// A distribution of cosines, observed or resampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Exact moments.
    pub moments: Moments,
    /// Counts by threshold.
    pub survival: Survival,
}

impl Scores {
    fn of(tally: &Tally) -> Self {
        Self { moments: tally.moments, survival: Survival::new(&tally.counts) }
    }

    fn sum<'a>(cells: impl Iterator<Item = &'a Cell>) -> Self {
        let (mut moments, mut counts) = (Moments::default(), vec![0; COARSE]);
        for cell in cells {
            moments.merge(&cell.moments);
            for (sum, count) in counts[cell.first..].iter_mut().zip(&cell.counts) {
                *sum += count;
            }
        }
        Self { moments, survival: Survival::new(&counts) }
    }
}

/// Both distributions, observed or resampled.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Same identity.
    pub genuine: Scores,
    /// Different identities.
    pub impostor: Scores,
}

impl Sample {
    /// Threshold by threshold.
    #[must_use]
    pub fn roc(&self) -> Roc<'_> {
        Roc { genuine: &self.genuine.survival, impostor: &self.impostor.survival }
    }

    /// |μg−μi| / sqrt((σg²+σi²)/2); `None` when neither distribution has any spread.
    #[must_use]
    pub fn d_prime(&self) -> Option<f64> {
        let (genuine, impostor) = (&self.genuine.moments, &self.impostor.moments);
        let spread = f64::midpoint(genuine.std().powi(2), impostor.std().powi(2)).sqrt();
        (spread > 0.0).then(|| (genuine.mean() - impostor.mean()).abs() / spread)
    }
}

/// How intervals are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resampling {
    /// Replicates.
    pub replicates: u32,
    /// Confidence level, 0..1.
    pub level: f64,
    /// Seed of the choice of units.
    pub seed: u64,
}

/// Turns a statistic into an [`Estimate`]: its value on what was observed, its percentiles over the replicates.
#[derive(Debug, Clone)]
pub struct Estimator {
    /// What was observed.
    pub observed: Sample,
    /// Confidence level of the intervals.
    pub level: f64,
    replicates: Vec<Sample>,
    method: String,
}

impl Estimator {
    /// Draws the replicates. `None` when `stop` says so.
    #[must_use]
    pub fn new(
        genuine: &Tally,
        impostor: &Tally,
        cells: &Cells,
        how: Resampling,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<Self> {
        let wanted = if cells.units < MIN_UNITS { 0 } else { how.replicates };
        let replicates = (0..wanted)
            .into_par_iter()
            .map(|number| if stop() { None } else { Some(replicate(cells, how.seed, number)) })
            .collect::<Option<Vec<_>>>()?;
        let replicates: Vec<Sample> = replicates.into_iter().flatten().collect();
        let method = if cells.units < MIN_UNITS {
            format!("no interval: {} identities are too few to resample", cells.identities)
        } else if replicates.is_empty() {
            "no interval: no replicates".into()
        } else if cells.units < cells.identities {
            let (units, identities) = (cells.units, cells.identities);
            format!(
                "double-or-nothing bootstrap over {units} groups of {identities} identities, {} replicates",
                replicates.len()
            )
        } else {
            format!("double-or-nothing identity bootstrap, {} replicates", replicates.len())
        };
        let observed = Sample { genuine: Scores::of(genuine), impostor: Scores::of(impostor) };
        Some(Self { observed, level: how.level, replicates, method })
    }

    /// A statistic of `n` pairs with its percentile interval. The interval always contains the point: a replicate's bins
    /// are coarser than the observation's.
    #[must_use]
    pub fn estimate(&self, n: u64, statistic: impl Fn(&Sample) -> f64 + Sync) -> Estimate {
        let point = statistic(&self.observed);
        let interval = self.interval(&statistic).map(|(lower, upper)| (lower.min(point), upper.max(point)));
        Estimate {
            point,
            lower: interval.map(|(lower, _)| lower),
            upper: interval.map(|(_, upper)| upper),
            n,
            unit: Unit::Pairs,
            level: self.level,
            method: self.method.clone(),
            bound: false,
        }
    }

    /// Percentiles of a statistic over the replicates.
    #[must_use]
    pub fn interval(&self, statistic: &(impl Fn(&Sample) -> f64 + Sync)) -> Option<(f64, f64)> {
        let mut values: Vec<f64> = self.replicates.iter().map(statistic).filter(|value| value.is_finite()).collect();
        values.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        Some((percentile(&values, tail)?, percentile(&values, 1.0 - tail)?))
    }
}

/// One replicate; `None` when no choice of units had both kinds of pairs.
fn replicate(cells: &Cells, seed: u64, number: u32) -> Option<Sample> {
    const ATTEMPTS: usize = 100;
    let mut draw = Draw::replicate(seed, number);
    for _ in 0..ATTEMPTS {
        let kept: Vec<bool> = (0..cells.units).map(|_| draw.coin()).collect();
        let stays = |cell: &&Cell| kept[usize::from(cell.units.0)] && kept[usize::from(cell.units.1)];
        if cells.genuine.iter().any(|cell| stays(&cell)) && cells.impostor.iter().any(|cell| stays(&cell)) {
            return Some(Sample {
                genuine: Scores::sum(cells.genuine.iter().filter(stays)),
                impostor: Scores::sum(cells.impostor.iter().filter(stays)),
            });
        }
    }
    None
}

/// Linear between the two neighbouring order statistics.
fn percentile(sorted: &[f64], level: f64) -> Option<f64> {
    let place = level * (sorted.len().checked_sub(1)?) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}


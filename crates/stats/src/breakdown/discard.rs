//! Error-versus-discard curves (Grother & Tabassi 2007; ISO/IEC 29794-1): if the worst pictures had been turned away, how
//! many of the remaining genuine pairs would still be missed? A measure of quality is useful if its curve falls.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BreakdownInput;
use super::column::FaceColumn;
use crate::estimate::{Estimate, Unit};
use crate::similarity::product::PackedRows;
use crate::verification::bootstrap::percentiles;
use crate::verification::carriers::{EffectiveTrials, NO_SPREAD, spread, too_few};
use crate::verification::random::Draw;
use facevault_base::progress::{Cancel, Progress};

/// About how many genuine pairs are compared again at most, one by one: about a minute on 2 cores. Of more, a seeded
/// part of the faces is taken.
pub(super) const MOST_PAIRS: u64 = 200_000_000;

/// Shares of the pairs that are discarded, in steps of 2%.
const SHARES: u32 = 26;

/// Ranks of quality that are told apart: memory does not grow with the pairs. Within a rank, pairs with and without error
/// are taken as evenly mixed.
const RANKS: usize = 1024;

/// Faces of an identity that are packed at a time.
const BLOCK: usize = 512;

/// A face without the measure; its pairs take no part in the curve.
const UNKNOWN: u16 = u16::MAX;

/// What discarding pairs by the worse quality of their two faces does to the false non-match rate.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Discard {
    /// Genuine pairs that were compared again.
    pub pairs: u64,
    /// All genuine pairs.
    pub available: u64,
    /// How many of the compared ones are below the threshold.
    pub misses: u64,
    /// Shares of the pairs that are discarded, from 0 to ½.
    pub shares: Vec<f64>,
    /// The rate at each share if the missed pairs went first: no measure does better.
    pub ideal: Vec<f64>,
    /// One a measure; none when no pair is missed.
    pub curves: Vec<DiscardCurve>,
}

/// The curve of one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DiscardCurve {
    /// The column.
    pub measure: String,
    /// Pairs both of whose faces have the measure.
    pub pairs: u64,
    /// The false non-match rate of the pairs that remain, by share.
    pub fnmr: Vec<Estimate>,
    /// Mean of the curve over the shares, divided by its start: 1 is what discarding at random gives, less is better.
    pub area: Estimate,
}

/// Pairs and misses by rank of the worse face.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Histogram {
    pairs: Vec<u64>,
    misses: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { pairs: vec![0; RANKS], misses: vec![0; RANKS] }
    }
}

impl Histogram {
    fn plus(mut self, other: &Self) -> Self {
        let sum = |mine: &mut [u64], other: &[u64]| mine.iter_mut().zip(other).for_each(|(mine, other)| *mine += other);
        sum(&mut self.pairs, &other.pairs);
        sum(&mut self.misses, &other.misses);
        self
    }

    fn sum<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        parts.fold(Self::default(), Self::plus)
    }

    /// The rate of the pairs that remain, by share discarded. NaN without pairs.
    fn curve(&self, shares: &[f64]) -> Vec<f64> {
        let (all, missed): (u64, u64) = (self.pairs.iter().sum(), self.misses.iter().sum());
        let (mut rank, mut pairs, mut misses) = (0, 0, 0);
        shares
            .iter()
            .map(|share| {
                let gone = share * all as f64;
                while rank < RANKS && (pairs + self.pairs[rank]) as f64 <= gone {
                    pairs += self.pairs[rank];
                    misses += self.misses[rank];
                    rank += 1;
                }
                let part = match self.pairs.get(rank) {
                    Some(&within) if within > 0 => (gone - pairs as f64) / within as f64 * self.misses[rank] as f64,
                    _ => 0.0,
                };
                ((missed - misses) as f64 - part).max(0.0) / (all as f64 - gone)
            })
            .collect()
    }
}

impl Discard {
    /// Compares genuine pairs again, at most about `most`. `None` when cancelled.
    pub(super) fn new(input: &BreakdownInput<'_>, most: u64, progress: &dyn Progress, cancel: &Cancel) -> Option<Self> {
        let measures: Vec<(&FaceColumn<'_>, Vec<u16>)> =
            input.columns.iter().filter_map(|column| Some((column, ranks(input, column)?))).collect();
        let available = input.population.available.genuine;
        if measures.is_empty() || available == 0 {
            return Some(Self { available, ..Self::default() });
        }
        let kept = kept(input, most);
        progress.start("checking quality", "pairs", Some(available.min(most)), 0);
        let units: Option<Vec<UnitTally>> = (0..input.population.units.len())
            .into_par_iter()
            .map(|unit| (!cancel.requested()).then(|| compare(input, unit, &kept, &measures, progress)))
            .collect();
        progress.finish();
        let units = units?;
        let (pairs, misses) = units.iter().fold((0, 0), |sum, unit| (sum.0 + unit.pairs, sum.1 + unit.misses));
        let shares: Vec<f64> = (0..SHARES).map(|step| f64::from(step) / f64::from(2 * (SHARES - 1))).collect();
        let rate = misses as f64 / pairs.max(1) as f64;
        let ideal = shares.iter().map(|share| ((rate - share) / (1.0 - share)).max(0.0)).collect();
        let curves = if misses == 0 { Vec::new() } else { curves(input, &units, &measures, &shares, cancel)? };
        Some(Self { pairs, available, misses, shares, ideal, curves })
    }
}

/// The rank of each face of the population, from 0 (worst) to [`RANKS`] − 1; faces of one value share it. `None` for a
/// column that is no measure, or has one value only.
fn ranks(input: &BreakdownInput<'_>, column: &FaceColumn<'_>) -> Option<Vec<u16>> {
    let better = column.better?;
    let members = &input.population.members;
    let scores: Vec<Option<f64>> =
        members.iter().map(|member| column.number(member.row).map(|value| better.score(value))).collect();
    let mut sorted: Vec<f64> = scores.iter().flatten().copied().collect();
    sorted.sort_by(f64::total_cmp);
    let rank = |score: f64| (sorted.partition_point(|other| *other < score) * RANKS / sorted.len().max(RANKS)) as u16;
    (sorted.first()? < sorted.last()?).then(|| scores.iter().map(|score| score.map_or(UNKNOWN, rank)).collect())
}

/// Which positions are compared: all, or a seeded part that leaves about `most` pairs.
fn kept(input: &BreakdownInput<'_>, most: u64) -> Vec<bool> {
    const WHOLE: u64 = 1 << 32;
    let available = input.population.available.genuine.max(1);
    let share = (most as f64 / available as f64).sqrt();
    let below = (share * WHOLE as f64) as u64;
    let mut draw = Draw::discard(input.how.seed);
    input.population.members.iter().map(|_| available <= most || draw.below(WHOLE) < below).collect()
}

/// What the pairs of one resampled unit came to.
struct UnitTally {
    pairs: u64,
    misses: u64,
    /// One a measure.
    by_rank: Vec<Histogram>,
}

fn compare(
    input: &BreakdownInput<'_>,
    unit: usize,
    kept: &[bool],
    measures: &[(&FaceColumn<'_>, Vec<u16>)],
    progress: &dyn Progress,
) -> UnitTally {
    let members = &input.population.members;
    let threshold = input.threshold;
    let mut found = UnitTally { pairs: 0, misses: 0, by_rank: vec![Histogram::default(); measures.len()] };
    let positions: Vec<usize> = input.population.units[unit].clone().filter(|position| kept[*position]).collect();
    for same in positions.chunk_by(|a, b| members[*a].identity == members[*b].identity) {
        let before = found.pairs;
        let rows: Vec<&[f32]> = same.iter().map(|position| input.rows.row(members[*position].row)).collect();
        for (block, others) in rows.chunks(BLOCK).enumerate() {
            let first = block * BLOCK;
            let packed = PackedRows::of(others.iter().copied(), input.rows.dimension);
            packed.products(&rows[..first + others.len()], |i, place, product| {
                let j = first + place;
                let (a, b) = (same[i], same[j]);
                if i >= j || !members[a].comparable(&members[b]) {
                    return;
                }
                let missed = u64::from(product < threshold);
                found.pairs += 1;
                found.misses += missed;
                for ((_, ranks), histogram) in measures.iter().zip(&mut found.by_rank) {
                    let (one, other) = (ranks[a], ranks[b]);
                    if one != UNKNOWN && other != UNKNOWN {
                        let worse = usize::from(one.min(other));
                        histogram.pairs[worse] += 1;
                        histogram.misses[worse] += missed;
                    }
                }
            });
        }
        progress.advance(found.pairs - before);
    }
    found
}

/// `None` when cancelled.
fn curves(
    input: &BreakdownInput<'_>,
    units: &[UnitTally],
    measures: &[(&FaceColumn<'_>, Vec<u16>)],
    shares: &[f64],
    cancel: &Cancel,
) -> Option<Vec<DiscardCurve>> {
    let how = input.how;
    let grouped = units.len() < input.population.names.len();
    let who = if grouped { "groups of identities" } else { "identities" };
    let curves: Option<Vec<Option<DiscardCurve>>> = measures
        .iter()
        .enumerate()
        .map(|(measure, (column, _))| {
            let whole = Histogram::sum(units.iter().map(|unit| &unit.by_rank[measure]));
            let points = whole.curve(shares);
            let carriers =
                units.iter().filter(|unit| unit.by_rank[measure].pairs.iter().any(|pairs| *pairs > 0)).count();
            let few = too_few(carriers, who, "genuine pairs with this measure");
            let replicates = if few.is_some() { 0 } else { how.replicates };
            let method = few.unwrap_or_else(|| {
                if grouped {
                    format!("double-or-nothing bootstrap over {} groups of identities", units.len())
                } else {
                    "double-or-nothing identity bootstrap".to_owned()
                }
            });
            let resampled: Vec<Vec<f64>> = (0..replicates)
                .into_par_iter()
                .map(|number| {
                    // The units that the same replicate of every other metric keeps.
                    let mut draw = Draw::replicate(how.seed, number);
                    let stays: Vec<bool> = units.iter().map(|_| draw.coin()).collect();
                    let stay = units.iter().zip(stays).filter(|(_, stays)| *stays);
                    (!cancel.requested())
                        .then(|| Histogram::sum(stay.map(|(unit, _)| &unit.by_rank[measure])).curve(shares))
                })
                .collect::<Option<_>>()?;
            let pairs: u64 = whole.pairs.iter().sum();
            let estimate = |n: u64, statistic: &dyn Fn(&[f64]) -> f64| {
                let point = statistic(&points);
                let mut values: Vec<f64> =
                    resampled.iter().map(|curve| statistic(curve)).filter(|value| value.is_finite()).collect();
                let ends = percentiles(&mut values, how.level);
                let interval = ends.and_then(spread);
                let same = ends.is_some() && interval.is_none();
                let interval = interval.map(|(lower, upper)| (lower.min(point), upper.max(point)));
                let method = if same { NO_SPREAD.into() } else { method.clone() };
                Estimate::new(point, interval, n, Unit::Pairs, how.level, method)
            };
            let remaining = |share: f64| ((1.0 - share) * pairs as f64).round() as u64;
            let fnmr = shares
                .iter()
                .enumerate()
                .map(|(i, share)| match estimate(remaining(*share), &|curve| curve[i]) {
                    Estimate { point: 0.0, n, .. } => {
                        EffectiveTrials::new(n, "pairs", carriers, who, None).none(how.level)
                    }
                    estimate => estimate,
                })
                .collect();
            Some((points[0] > 0.0).then(|| DiscardCurve {
                measure: column.name.clone(),
                pairs,
                fnmr,
                area: estimate(pairs, &|curve| mean(curve) / curve[0]),
            }))
        })
        .collect();
    Some(curves?.into_iter().flatten().collect())
}

/// Of a curve over evenly spaced shares, by trapezoids.
fn mean(curve: &[f64]) -> f64 {
    let area: f64 = curve.windows(2).map(|ends| f64::midpoint(ends[0], ends[1])).sum();
    area / (curve.len() as f64 - 1.0)
}

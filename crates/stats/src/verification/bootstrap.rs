//! Intervals by resampling people, not pairs: pairs share faces and faces share people, so pairs are not independent.
//!
//! The double-or-nothing bootstrap (Owen & Eckles 2012; for face verification Fogliato, Patil & Perona 2023): in each
//! replicate every identity is kept or dropped with probability ½. A genuine pair stays when its identity does, an
//! impostor pair when both do. Counts and moments are kept by identity and by pair of identities, so a
//! replicate is a sum of integers and never compares faces again. With more than [`MAX_UNITS`](super::cells::MAX_UNITS) identities, random
//! groups of them are resampled instead, which keeps that table bounded and the method valid.

use rayon::prelude::*;

use super::carriers::{NO_SPREAD, spread};
use super::cells::{CosineCell, CosineCells, Of};
use super::random::Draw;
use super::replicates::{Subset, moments, survivals};
use super::roc::{Roc, Survival};
use super::tally::{Moments, Tally};
use crate::estimate::{Estimate, Unit};

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
}

/// Both distributions, observed or resampled.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreSample {
    /// Same identity.
    pub genuine: Scores,
    /// Different identities.
    pub impostor: Scores,
}

impl ScoreSample {
    /// The impostor cosines, unless those of the same identity are asked for.
    #[must_use]
    pub fn of(&self, of: Of) -> &Scores {
        if of == Of::Genuine { &self.genuine } else { &self.impostor }
    }

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
    pub observed: ScoreSample,
    /// Confidence level of the intervals.
    pub level: f64,
    replicates: Vec<ScoreSample>,
    method: String,
    /// Why there is no interval of genuine and of impostor pairs, where too few carry it.
    too_few: [Option<String>; 2],
}

impl Estimator {
    /// Draws the replicates. `None` when `stop` says so.
    #[must_use]
    pub fn new(
        genuine: &Tally,
        impostor: &Tally,
        cells: &CosineCells,
        how: Resampling,
        stop: &(dyn Fn() -> bool + Sync),
    ) -> Option<Self> {
        let too_few = [Of::Genuine, Of::Impostor].map(|of| cells.too_few(of));
        let wanted = if too_few.iter().all(Option::is_some) { 0 } else { how.replicates };
        // Of what too few have, a replicate needs none: it would have to keep them in every one.
        let needed = [(&cells.genuine, &too_few[0]), (&cells.impostor, &too_few[1])];
        let needed = needed.map(|(cells, too_few)| too_few.is_none().then_some(cells.as_slice()));
        let subsets: Vec<Subset> =
            (0..wanted).filter_map(|number| subset(cells.units, needed, how.seed, number)).collect();
        let scores = |cells: &[CosineCell]| -> Option<Vec<Scores>> {
            let survivals = survivals(cells, &subsets, stop)?;
            let both = moments(cells, &subsets).into_iter().zip(survivals);
            Some(both.map(|(moments, survival)| Scores { moments, survival }).collect())
        };
        let both = scores(&cells.genuine)?.into_iter().zip(scores(&cells.impostor)?);
        let replicates: Vec<ScoreSample> = both.map(|(genuine, impostor)| ScoreSample { genuine, impostor }).collect();
        let method = if replicates.is_empty() {
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
        let observed = ScoreSample { genuine: Scores::of(genuine), impostor: Scores::of(impostor) };
        Some(Self { observed, level: how.level, replicates, method, too_few })
    }

    /// A statistic of `n` pairs with its percentile interval, if enough people have pairs of its kind and the replicates
    /// differ. The interval always contains the point: a replicate's bins are coarser than the observation's.
    #[must_use]
    pub fn estimate(&self, of: Of, n: u64, statistic: impl Fn(&ScoreSample) -> f64 + Sync) -> Estimate {
        let point = statistic(&self.observed);
        let (interval, method) = match self.percentiles(of, &statistic) {
            Ok((lower, upper)) => (Some((lower.min(point), upper.max(point))), self.method.clone()),
            Err(reason) => (None, reason),
        };
        Estimate::new(point, interval, n, Unit::Pairs, self.level, method)
    }

    /// A statistic in each replicate, in their order: replicate r keeps the same units in all estimators of the same
    /// pairs with the same seed, whatever their cosines. None when too few people have pairs of its kind.
    #[must_use]
    pub fn values(&self, of: Of, statistic: &(impl Fn(&ScoreSample) -> f64 + Sync)) -> Vec<f64> {
        match self.too_few(of) {
            Some(_) => Vec::new(),
            None => self.replicates.par_iter().map(statistic).collect(),
        }
    }

    /// Percentiles of a statistic over the replicates.
    #[must_use]
    pub fn interval(&self, of: Of, statistic: &(impl Fn(&ScoreSample) -> f64 + Sync)) -> Option<(f64, f64)> {
        self.percentiles(of, statistic).ok()
    }

    /// Or why there are none.
    fn percentiles(&self, of: Of, statistic: &(impl Fn(&ScoreSample) -> f64 + Sync)) -> Result<(f64, f64), String> {
        if let Some(reason) = self.too_few(of) {
            return Err(reason.into());
        }
        let mut values = self.values(of, statistic);
        values.retain(|value| value.is_finite());
        interval(&mut values, self.level)
    }

    fn too_few(&self, of: Of) -> Option<&str> {
        let [genuine, impostor] = [0, 1].map(|kind: usize| self.too_few[kind].as_deref());
        match of {
            Of::Genuine => genuine,
            Of::Impostor => impostor,
            Of::Both => genuine.or(impostor),
        }
    }
}

/// The units of one replicate; `None` when no choice of them had pairs of all the kinds that are needed.
fn subset(units: usize, needed: [Option<&[CosineCell]>; 2], seed: u64, number: u32) -> Option<Subset> {
    const ATTEMPTS: usize = 100;
    let mut draw = Draw::replicate(seed, number);
    let has = |cells: &[CosineCell], subset: Subset| cells.iter().any(|cell| subset.keeps(cell.units));
    (0..ATTEMPTS)
        .map(|_| Subset::new((0..units).map(|_| draw.coin())))
        .find(|subset| needed.iter().flatten().all(|cells| has(cells, *subset)))
}

/// The percentile interval of replicates, which it sorts, or why there is none.
pub(crate) fn interval(values: &mut [f64], level: f64) -> Result<(f64, f64), String> {
    let ends = percentiles(values, level).ok_or_else(|| "no interval: no replicates".to_owned())?;
    spread(ends).ok_or_else(|| NO_SPREAD.into())
}

/// The ends of the percentile interval of replicates, which it sorts; `None` where there are none.
pub(crate) fn percentiles(values: &mut [f64], level: f64) -> Option<(f64, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - level) / 2.0;
    percentile(values, tail).zip(percentile(values, 1.0 - tail))
}

/// Linear between the two neighbouring order statistics.
fn percentile(sorted: &[f64], level: f64) -> Option<f64> {
    let place = level * (sorted.len().checked_sub(1)?) as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(low + (high - low) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::cells::COARSE;

    const HOW: Resampling = Resampling { replicates: 200, level: 0.95, seed: 5 };

    /// Identities that differ from each other (mean cosine 0.5 ± 0.1) more than their own pairs do.
    fn clustered(units: u16, seed: u64) -> (Tally, Tally, CosineCells) {
        let mut draw = Draw::genuine(seed, 0);
        let mut uniform = |width: f64| (draw.below(1 << 30) as f64 / (1_u64 << 30) as f64 - 0.5) * width;
        let (mut genuine, mut impostor) = (Tally::default(), Tally::default());
        let mut cells = CosineCells { units: units.into(), identities: units.into(), ..CosineCells::default() };
        let mut tally = Tally::default();
        for a in 0..units {
            let mean = 0.5 + uniform(0.34);
            tally.extend((0..20).map(|_| (mean + uniform(0.05)) as f32));
            genuine.merge(&tally);
            cells.genuine.extend(CosineCell::new((a, a), &tally));
            tally.clear();
            for b in a + 1..units {
                tally.extend((0..2).map(|_| uniform(0.2) as f32));
                impostor.merge(&tally);
                cells.impostor.extend(CosineCell::new((a, b), &tally));
                tally.clear();
            }
        }
        (genuine, impostor, cells)
    }

    fn estimator((genuine, impostor, cells): &(Tally, Tally, CosineCells)) -> Estimator {
        Estimator::new(genuine, impostor, cells, HOW, &|| false).unwrap()
    }

    #[test]
    fn intervals_hold_the_truth_as_often_as_they_say() {
        const TRIALS: u64 = 60;
        let mut held = 0;
        for seed in 0..TRIALS {
            let mean =
                estimator(&clustered(30, seed)).estimate(Of::Genuine, 600, |sample| sample.genuine.moments.mean());
            held += u64::from(mean.lower.unwrap() <= 0.5 && mean.upper.unwrap() >= 0.5);
        }
        assert!(
            held >= TRIALS * 85 / 100,
            "{held} of {TRIALS}; pairs taken as independent would hold it far less often"
        );
        assert!(held < TRIALS, "an interval that always holds the truth says nothing");
    }

    #[test]
    fn intervals_are_wider_than_those_of_independent_pairs() {
        let estimator = estimator(&clustered(30, 1));
        let mean = estimator.estimate(Of::Genuine, 600, |sample| sample.genuine.moments.mean());
        let independent = 1.96 * estimator.observed.genuine.moments.std() / 600f64.sqrt();
        assert!(mean.upper.unwrap() - mean.lower.unwrap() > 2.0 * 2.0 * independent);
        assert_eq!(mean.method, "double-or-nothing identity bootstrap, 200 replicates");
    }

    #[test]
    fn the_seed_alone_decides() {
        let data = clustered(20, 2);
        let interval = |seed, threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let how = Resampling { seed, ..HOW };
            let estimator = pool.install(|| Estimator::new(&data.0, &data.1, &data.2, how, &|| false)).unwrap();
            estimator.estimate(Of::Both, 1, |sample| sample.roc().eer().0 + sample.genuine.moments.std())
        };
        assert_eq!(interval(1, 1), interval(1, 3));
        assert_ne!(interval(1, 1), interval(2, 1));
    }

    #[test]
    fn too_few_identities_give_no_interval() {
        let estimate = estimator(&clustered(5, 3)).estimate(Of::Genuine, 100, |sample| sample.genuine.moments.mean());
        assert_eq!((estimate.lower, estimate.upper), (None, None));
        assert_eq!(estimate.method, "no interval: it takes genuine pairs of at least 8 identities, and these are of 5");
    }

    #[test]
    fn only_those_with_pairs_carry_an_estimate() {
        // Twenty people, of whom the first three have a second photo.
        let (genuine, impostor, mut cells) = clustered(20, 3);
        cells.genuine.truncate(3);
        let estimator = estimator(&(genuine, impostor, cells));
        let few = "no interval: it takes genuine pairs of at least 8 identities, and these are of 3";
        for of in [Of::Genuine, Of::Both] {
            let estimate = estimator.estimate(of, 60, |sample| sample.genuine.moments.mean());
            assert_eq!((estimate.lower, estimate.upper, estimate.method.as_str()), (None, None, few));
            assert!(estimator.values(of, &|sample| sample.genuine.moments.mean()).is_empty());
        }
        let impostor = estimator.estimate(Of::Impostor, 380, |sample| sample.impostor.moments.mean());
        assert!(impostor.upper.unwrap() > impostor.lower.unwrap(), "all twenty have impostor pairs");
    }

    #[test]
    fn an_interval_without_width_is_none() {
        let mut cells = CosineCells { units: 12, identities: 12, ..CosineCells::default() };
        let (mut genuine, mut impostor) = (Tally::default(), Tally::default());
        for unit in 0..12 {
            genuine.add(1.0);
            cells.genuine.extend(CosineCell::of((unit, unit), &[1.0]));
            if unit > 0 {
                impostor.add(f32::from(unit) / 100.0);
                cells.impostor.extend(CosineCell::of((0, unit), &[f32::from(unit) / 100.0]));
            }
        }
        let found = estimator(&(genuine, impostor, cells)).estimate(Of::Genuine, 12, |s| s.genuine.moments.mean());
        assert_eq!((found.point, found.lower, found.upper, found.method.as_str()), (1.0, None, None, NO_SPREAD));
    }

    #[test]
    fn stopping_ends_it() {
        let (genuine, impostor, cells) = clustered(20, 4);
        assert!(Estimator::new(&genuine, &impostor, &cells, HOW, &|| true).is_none());
    }

    /// Cells one by one, as the definition says.
    fn summed(cells: &[CosineCell], subset: Subset) -> Scores {
        let (mut moments, mut counts) = (Moments::default(), vec![0; COARSE]);
        for cell in cells.iter().filter(|cell| subset.keeps(cell.units)) {
            moments.merge(&cell.moments);
            counts[cell.first..].iter_mut().zip(&cell.counts).for_each(|(sum, count)| *sum += count);
        }
        Scores { moments, survival: Survival::new(&counts) }
    }

    #[test]
    fn cells_add_up_to_what_was_observed() {
        let (genuine, _, cells) = clustered(10, 6);
        let sum = summed(&cells.genuine, Subset::new([true; 10].into_iter()));
        assert_eq!(sum.moments, genuine.moments);
        assert_eq!(sum.survival.total(), 200);
        for level in [0.1, 0.5, 0.9] {
            let fine = Survival::new(&genuine.counts).quantile(level);
            assert!((sum.survival.quantile(level) - fine).abs() <= 2.0 / COARSE as f64);
        }
    }

    #[test]
    fn replicates_are_sums_of_the_cells_that_stay() {
        for units in [9, 23, 100] {
            let (genuine, impostor, mut cells) = clustered(units, 7);
            // Several cells of one pair of units, and one inside a unit, as groups of identities have.
            let more = cells.impostor[3..5].to_vec();
            cells.impostor.extend(more);
            cells.impostor.extend(CosineCell::of((1, 1), &[-1.0, 0.3, 1.0]));
            let how = Resampling { replicates: 20, ..HOW };
            let found = Estimator::new(&genuine, &impostor, &cells, how, &|| false).unwrap().replicates;
            for (number, sample) in (0..).zip(&found) {
                let both = [Some(cells.genuine.as_slice()), Some(cells.impostor.as_slice())];
                let subset = subset(cells.units, both, how.seed, number).unwrap();
                for (scores, cells) in [(&sample.genuine, &cells.genuine), (&sample.impostor, &cells.impostor)] {
                    let expected = summed(cells, subset);
                    assert_eq!(scores.moments, expected.moments);
                    assert!((0..=COARSE).all(|bin| scores.survival.reach(bin) == expected.survival.reach(bin)));
                }
            }
        }
    }
}

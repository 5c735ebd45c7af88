//! Error rates at every threshold from sorted scores: exact, where the histograms of all pairs are exact at bin edges.

use rayon::prelude::*;

use super::roc::allowed;

/// Scores of both kinds, sorted.
#[derive(Debug, Clone, PartialEq)]
pub struct SortedScores {
    genuine: Vec<f64>,
    impostor: Vec<f64>,
}

/// Rates at one threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RocPoint {
    /// A pair matches if its score is at least this.
    pub threshold: f64,
    /// Share of impostor pairs that match.
    pub fmr: f64,
    /// Share of genuine pairs that match.
    pub tar: f64,
}

/// What matches from a score on: the points of the curve, strictest first.
#[derive(Debug, Clone, Copy)]
struct Matched {
    score: f64,
    impostor: u64,
    genuine: u64,
}

impl SortedScores {
    /// Sorts the scores, none of which may be NaN; `None` unless there are both kinds.
    #[must_use]
    pub fn new(mut genuine: Vec<f64>, mut impostor: Vec<f64>) -> Option<Self> {
        if genuine.is_empty() || impostor.is_empty() {
            return None;
        }
        genuine.par_sort_unstable_by(f64::total_cmp);
        impostor.par_sort_unstable_by(f64::total_cmp);
        Some(Self { genuine, impostor })
    }

    /// Numbers of genuine and of impostor scores.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.genuine.len() as u64, self.impostor.len() as u64)
    }

    fn rates(&self, at: Matched) -> RocPoint {
        let (genuine, impostor) = self.counts();
        let share = |count: u64, of: u64| count as f64 / of as f64;
        RocPoint { threshold: at.score, fmr: share(at.impostor, impostor), tar: share(at.genuine, genuine) }
    }

    /// The distinct scores from the highest on.
    fn steps(&self) -> impl Iterator<Item = Matched> {
        let (mut genuine, mut impostor) = (&self.genuine[..], &self.impostor[..]);
        std::iter::from_fn(move || {
            let score = match (genuine.last(), impostor.last()) {
                (Some(a), Some(b)) => a.max(*b),
                (Some(score), None) | (None, Some(score)) => *score,
                (None, None) => return None,
            };
            for side in [&mut genuine, &mut impostor] {
                while let Some((last, rest)) = side.split_last()
                    && *last == score
                {
                    *side = rest;
                }
            }
            let taken = |all: &[f64], left: &[f64]| (all.len() - left.len()) as u64;
            Some(Matched { score, genuine: taken(&self.genuine, genuine), impostor: taken(&self.impostor, impostor) })
        })
    }

    /// The point at the lowest threshold whose FMR does not exceed `fmr`. Its threshold is the lowest score that matches.
    /// `None` where the impostor pairs are too few to see such a rate.
    #[must_use]
    pub fn at_fmr(&self, fmr: f64) -> Option<RocPoint> {
        let most = allowed(fmr, self.counts().1);
        // More impostor pairs may score infinitely than the rate allows.
        (most > 0).then(|| self.at_most(most)).filter(|point| self.at(point.threshold).fmr <= point.fmr)
    }

    /// The point at the lowest threshold that at most so many impostor pairs reach.
    #[must_use]
    pub fn at_most(&self, matches: u64) -> RocPoint {
        let (n, most) = (self.impostor.len(), matches as usize);
        let (from, lowest) = match n.checked_sub(most + 1) {
            // This score and those below must not match.
            Some(last) => {
                let limit = self.impostor[last];
                let above = |scores: &[f64]| scores.partition_point(|score| *score <= limit);
                ((above(&self.genuine), above(&self.impostor)), limit.next_up())
            }
            None => ((0, 0), -1.0),
        };
        let matching = [self.genuine.get(from.0), self.impostor.get(from.1)].into_iter().flatten();
        self.rates(Matched {
            score: matching.copied().reduce(f64::min).unwrap_or(lowest),
            genuine: (self.genuine.len() - from.0) as u64,
            impostor: (n - from.1) as u64,
        })
    }

    /// The point at a threshold.
    #[must_use]
    pub fn at(&self, threshold: f64) -> RocPoint {
        let reach = |scores: &[f64]| (scores.len() - scores.partition_point(|score| *score < threshold)) as u64;
        self.rates(Matched { score: threshold, genuine: reach(&self.genuine), impostor: reach(&self.impostor) })
    }

    /// The equal error rate and its threshold. Where the rates cross between two scores, both are interpolated linearly.
    #[must_use]
    pub fn eer(&self) -> (f64, f64) {
        let (genuine, impostor) = self.counts();
        // FMR less FNMR, times the number of pairs of both kinds.
        let gap = |at: &Matched| {
            i128::from(at.impostor) * i128::from(genuine) - i128::from(genuine - at.genuine) * i128::from(impostor)
        };
        // Above all scores nothing matches, and the gap is below 0.
        let mut strict: Option<Matched> = None;
        for here in self.steps() {
            let (above, rates) = (gap(&here), self.rates(here));
            if above == 0 {
                return (rates.fmr, rates.threshold);
            }
            if above > 0 {
                let strict = strict.unwrap_or(Matched { score: here.score, impostor: 0, genuine: 0 });
                let (below, start) = (gap(&strict) as f64, self.rates(strict));
                let share = below / (below - above as f64);
                let between = |from: f64, to: f64| from + (to - from) * share;
                // Beside an infinite score, the finite one: at no other threshold can the rates be counted.
                let threshold = match between(start.threshold, rates.threshold) {
                    threshold if threshold.is_finite() => threshold,
                    _ if start.threshold.is_finite() => start.threshold,
                    _ => rates.threshold,
                };
                return (between(start.fmr, rates.fmr), threshold);
            }
            strict = Some(here);
        }
        // The lowest score has all pairs, and the gap is above 0.
        (1.0, -1.0)
    }

    /// Probability that a genuine pair scores above an impostor pair; equal scores count half.
    #[must_use]
    pub fn auc(&self) -> f64 {
        let (genuine, impostor) = self.counts();
        let (mut twice, mut before) = (0_u128, (0, 0));
        for here in self.steps() {
            let (new_genuine, new_impostor) = (here.genuine - before.0, here.impostor - before.1);
            twice += u128::from(new_genuine) * u128::from(2 * (impostor - here.impostor) + new_impostor);
            before = (here.genuine, here.impostor);
        }
        twice as f64 / 2.0 / (genuine as f64 * impostor as f64)
    }

    /// What insightface's `IJB_11.py` reports at each false match rate: of the points that scikit-learn's `roc_curve` keeps,
    /// the one with the nearest FMR, and of several the laxest. `roc_curve` drops points on a straight line between
    /// two others, so the nearest may be farther from the rate than [`Self::at_fmr`], on either side of it.
    #[must_use]
    pub fn nearest(&self, rates: &[f64]) -> Vec<RocPoint> {
        let none = RocPoint { threshold: f64::INFINITY, fmr: 0.0, tar: 0.0 };
        let mut best: Vec<RocPoint> = vec![none; rates.len()];
        let mut keep = |at: Matched| {
            let point = self.rates(at);
            for (best, rate) in best.iter_mut().zip(rates) {
                if (point.fmr - rate).abs() <= (best.fmr - rate).abs() {
                    *best = point;
                }
            }
        };
        let (mut earlier, mut last): (Option<Matched>, Option<Matched>) = (None, None);
        for next in self.steps() {
            if let Some(here) = last {
                let straight = earlier.is_some_and(|earlier| {
                    let step = |from: Matched, to: Matched| (to.impostor - from.impostor, to.genuine - from.genuine);
                    step(earlier, here) == step(here, next)
                });
                if !straight {
                    keep(here);
                }
            }
            (earlier, last) = (last, Some(next));
        }
        last.into_iter().for_each(&mut keep);
        best
    }

    /// Points worth plotting, strictest first: evenly spaced by the logarithm of the FMR, from one impostor pair to all.
    #[must_use]
    pub fn curve(&self, points: u32) -> Vec<RocPoint> {
        let decades = (self.impostor.len() as f64).log10();
        let level = |i: u32| 10f64.powf(-decades * f64::from(points - i) / f64::from(points));
        let mut curve: Vec<RocPoint> = (0..=points).filter_map(|i| self.at_fmr(level(i))).collect();
        curve.dedup_by_key(|point| point.threshold.to_bits());
        curve
    }
}

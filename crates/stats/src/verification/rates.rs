//! FMR, FNMR and EER, each with its interval by three methods.
//!
//! A threshold is either held fixed (what this threshold does to other people) or chosen as the lowest that keeps a false
//! match rate (what the network does at that rate). In the second case the interval accounts for the choice: other people
//! would give another threshold. With t the threshold at which the FMR is f, and g and h the densities of genuine
//! and impostor cosines there, FNMR at f moves as FNMR(t) + (g/h)·(FMR(t) − f) does (Hsieh & Turnbull 1996; Pepe
//! 2003, §5.2), person by person, so its plug-in variance is that of this sum.

use super::bootstrap::{Estimator, ScoreSample};
use super::carriers::EffectiveTrials;
use super::cells::{CosineCells, Of};
use super::clustered::ClusteredRate;
use super::interval::clopper_pearson;
use super::plug_in::PlugIn;
use super::roc::Roc;
use super::tally::{BINS, edge};
use crate::estimate::{Estimate, Unit};
use crate::verification::Intervals;

/// The input of all rates.
#[derive(Debug, Clone, Copy)]
pub struct RateEstimator<'a> {
    /// What was observed, and its replicates.
    pub estimator: &'a Estimator,
    /// By resampled unit.
    pub cells: &'a CosineCells,
}

/// A rate and its intervals by all methods.
#[derive(Debug, Clone, PartialEq)]
pub struct Rate {
    /// With the recommended interval.
    pub estimate: Estimate,
    /// All intervals.
    pub intervals: Intervals,
}

/// The input of a rate and its intervals.
struct Made<'a, F> {
    /// Errors of `n` pairs of a kind.
    errors: u64,
    n: u64,
    of: Of,
    /// The rate in a replicate, and whose pairs that takes.
    resampled: (Of, F),
    /// How far each unit moves it; `None` where too few have such pairs.
    plug_in: &'a dyn Fn() -> Option<PlugIn>,
    /// Its variance if pairs were independent.
    independent: f64,
}

impl Rate {
    /// 1 less the rate.
    #[must_use]
    pub fn complement(self) -> Self {
        let Self { estimate, intervals } = self;
        let turned = |interval: [f64; 2]| [1.0 - interval[1], 1.0 - interval[0]];
        let intervals = Intervals {
            wilson: intervals.wilson.map(turned),
            bootstrap: intervals.bootstrap.map(turned),
            naive: turned(intervals.naive),
            ..intervals
        };
        Self { estimate: estimate.complement(), intervals }
    }
}

impl RateEstimator<'_> {
    /// Number of genuine and of impostor pairs.
    #[must_use]
    pub fn pairs(&self) -> (u64, u64) {
        (self.estimator.observed.genuine.survival.total(), self.estimator.observed.impostor.survival.total())
    }

    /// Share of impostor pairs that match at edge `bin`.
    #[must_use]
    pub fn fmr(&self, bin: usize) -> Rate {
        let threshold = edge(bin, BINS);
        let survival = &self.estimator.observed.impostor.survival;
        let n = survival.total();
        self.rate(Made {
            errors: survival.reach(bin),
            n,
            of: Of::Impostor,
            resampled: (Of::Impostor, |sample: &ScoreSample| sample.impostor.survival.rate_at(threshold)),
            plug_in: &|| PlugIn::of_matches(&self.cells.impostor, self.cells.units, threshold),
            independent: binomial(survival.rate(bin), n),
        })
    }

    /// Share of genuine pairs that do not match at edge `bin`, held fixed.
    #[must_use]
    pub fn fnmr(&self, bin: usize) -> Rate {
        let threshold = edge(bin, BINS);
        let survival = &self.estimator.observed.genuine.survival;
        let n = survival.total();
        self.rate(Made {
            errors: n - survival.reach(bin),
            n,
            of: Of::Genuine,
            resampled: (Of::Genuine, |sample: &ScoreSample| 1.0 - sample.genuine.survival.rate_at(threshold)),
            // Matches have the variance of misses.
            plug_in: &|| PlugIn::of_matches(&self.cells.genuine, self.cells.units, threshold),
            independent: binomial(survival.rate(bin), n),
        })
    }

    /// Share of genuine pairs that do not match at edge `bin`, the lowest that keeps a false match rate above 0. The
    /// interval accounts for the choice of the threshold.
    #[must_use]
    pub fn fnmr_at_fmr(&self, bin: usize, fmr: f64) -> Rate {
        let threshold = edge(bin, BINS);
        let roc = self.estimator.observed.roc();
        let (n, impostor) = self.pairs();
        let matches = || PlugIn::of_matches(&self.cells.impostor, self.cells.units, threshold);
        let steepness = self.steepness(bin, matches().as_ref());
        let chosen = |sample: &ScoreSample| {
            let threshold = sample.impostor.survival.quantile(1.0 - fmr);
            1.0 - sample.genuine.survival.rate_at(threshold)
        };
        let mut found = self.rate(Made {
            errors: n - roc.genuine.reach(bin),
            n,
            of: Of::Genuine,
            resampled: (Of::Both, chosen),
            plug_in: &|| {
                let misses = PlugIn::of_matches(&self.cells.genuine, self.cells.units, threshold)?;
                Some(at_chosen(&misses, &matches()?, steepness))
            },
            independent: binomial(roc.fnmr(bin), n) + steepness.powi(2) * binomial(roc.fmr(bin), impostor),
        });
        if let Some(matches) = matches() {
            widen(&mut found.estimate, steepness, &matches, binomial(roc.fmr(bin), impostor));
        }
        found.estimate.method += ", the threshold chosen for this FMR";
        found
    }

    /// FNMR at edge `bin` with its recommended interval only.
    #[must_use]
    pub fn fnmr_band(&self, bin: usize) -> Estimate {
        let survival = &self.estimator.observed.genuine.survival;
        let (errors, n) = (survival.total() - survival.reach(bin), survival.total());
        let plug_in = || PlugIn::of_matches(&self.cells.genuine, self.cells.units, edge(bin, BINS));
        let effective = || self.effective(Of::Genuine);
        self.clustered(errors as f64 / n as f64, n, binomial(survival.rate(bin), n), &plug_in, Of::Genuine, &effective)
    }

    fn rate<F: Fn(&ScoreSample) -> f64 + Sync>(&self, made: Made<'_, F>) -> Rate {
        let Made { errors, n, of, resampled, plug_in, independent } = made;
        let level = self.estimator.level;
        let (lower, upper) = clopper_pearson(errors, n, level);
        let naive = [lower, upper];
        let rate = errors as f64 / n as f64;
        let estimate = self.clustered(rate, n, independent, plug_in, resampled.0, &|| self.effective(of));
        if errors == 0 || errors == n {
            return Rate { estimate, intervals: Intervals { naive, ..Intervals::default() } };
        }
        let wilson = estimate.lower.zip(estimate.upper).map(|(lower, upper)| [lower, upper]);
        let bootstrap = self.estimator.interval(resampled.0, &resampled.1);
        let intervals = Intervals {
            wilson,
            bootstrap: bootstrap.map(|(lower, upper)| [lower.min(rate), upper.max(rate)]),
            naive,
            naive_too_narrow: wilson.map(|[from, to]| (to - from) / (upper - lower)),
        };
        Rate { estimate, intervals }
    }

    /// Equal error rate and its threshold. Without an error it is a bound from the kind of pairs with fewer effective trials.
    ///
    /// Where both curves cross, the rate moves by the mean of what FNMR and FMR move by, each weighted with the slope
    /// of the other; so its variance follows from those of both.
    #[must_use]
    pub fn eer(&self) -> (Estimate, f64) {
        let (genuine, impostor) = self.pairs();
        let (rate, threshold) = self.estimator.observed.roc().eer();
        let effective = || self.effective(Of::Genuine).or_less(self.effective(Of::Impostor));
        let [matches, misses] = self.slopes(threshold);
        let share = matches / (matches + misses);
        let plug_in = || {
            let of = |cells| PlugIn::of_matches(cells, self.cells.units, threshold);
            Some(of(&self.cells.impostor)?.mixed(1.0 - share, &of(&self.cells.genuine)?, -share))
        };
        let independent = share.powi(2) * binomial(rate, genuine) + (1.0 - share).powi(2) * binomial(rate, impostor);
        (self.clustered(rate, genuine.min(impostor), independent, &plug_in, Of::Both, &effective), threshold)
    }

    /// How fast FMR falls and FNMR rises around a threshold: over the narrowest stretch in which both do.
    fn slopes(&self, threshold: f64) -> [f64; 2] {
        let roc = self.estimator.observed.roc();
        let over = |reach: f64| {
            [roc.impostor, roc.genuine].map(|curve| curve.rate_at(threshold - reach) - curve.rate_at(threshold + reach))
        };
        let stretches = (0..8).map(|step| 0.02 * f64::from(1 << step)).map(over);
        stretches.into_iter().find(|slopes| slopes.iter().all(|slope| *slope > 0.0)).unwrap_or([1.0, 1.0])
    }

    /// How much FNMR falls for what FMR rises at an edge: g/h.
    fn steepness(&self, bin: usize, matches: Option<&PlugIn>) -> f64 {
        let Roc { genuine, impostor } = self.estimator.observed.roc();
        let spread = matches.map_or(0.0, |matches| matches.variance().max(0.0).sqrt());
        steepness(impostor.reach(bin), impostor.total(), spread, |allowed| {
            let edge = impostor.lowest_edge(allowed);
            (impostor.reach(edge), genuine.rate(edge))
        })
    }

    /// The effective number of trials of a kind of pairs where none or all are errors: as at the nearest threshold with
    /// some errors.
    fn effective(&self, of: Of) -> EffectiveTrials {
        let (survival, cells) = match of {
            Of::Impostor => (&self.estimator.observed.impostor.survival, &self.cells.impostor),
            Of::Genuine | Of::Both => (&self.estimator.observed.genuine.survival, &self.cells.genuine),
        };
        let n = survival.total();
        let some = SOME_ERRORS.min(n / 2);
        let bin = survival.lowest_edge(if of == Of::Impostor { some } else { n - some });
        let plug_in = PlugIn::of_matches(cells, self.cells.units, edge(bin, BINS));
        let independent = plug_in.and_then(|plug_in| {
            let rate = survival.rate(bin);
            (rate > 0.0 && rate < 1.0).then(|| rate * (1.0 - rate) / plug_in.variance().max(binomial(rate, n)))
        });
        EffectiveTrials::new(n, "pairs", self.cells.carriers(of), self.cells.who(), independent)
    }

    /// The bound of a false match rate that the pairs cannot resolve: no false match in all of them.
    #[must_use]
    pub fn no_match(&self) -> Estimate {
        self.effective(Of::Impostor).none(self.estimator.level)
    }

    /// The area under the curve where all genuine pairs are above all impostor pairs, or all below. The
    /// number of comparisons that share no pair is that of the kind with fewer effective trials.
    #[must_use]
    pub fn separated(&self, above: bool) -> Estimate {
        let effective = self.effective(Of::Genuine).or_less(self.effective(Of::Impostor));
        if above { effective.all(self.estimator.level) } else { effective.none(self.estimator.level) }
    }

    /// Estimates a rate over `n` pairs; its interval is carried by the people with pairs `of` a kind. The variance is at
    /// least `independent`, that of independent pairs: sharing faces adds no information.
    fn clustered(
        &self,
        point: f64,
        n: u64,
        independent: f64,
        plug_in: &dyn Fn() -> Option<PlugIn>,
        of: Of,
        effective: &dyn Fn() -> EffectiveTrials,
    ) -> Estimate {
        let (level, cells) = (self.estimator.level, self.cells);
        let clusters = || {
            if cells.units < cells.identities {
                format!("{} groups of {} identities", cells.units, cells.identities)
            } else {
                format!("{} identities", cells.carriers(of))
            }
        };
        let plug_in = || match plug_in() {
            Some(plug_in) => Ok((plug_in, clusters())),
            None => Err(cells.too_few(of).unwrap_or_default()),
        };
        let unit = Unit::Pairs;
        ClusteredRate { point, n, unit, level, independent, effective, plug_in: &plug_in, given: "" }.estimate()
    }
}

/// Number of errors at which the effective number of trials is measured for rates without errors: with 30, a rate is
/// known to within about a third (Doddington's rule of 30).
pub(crate) const SOME_ERRORS: u64 = 30;

/// Farthest that the steepness of a curve is measured to each side, in logarithms of the FMR.
const MOST_REACH: f64 = std::f64::consts::LN_10;

/// How much the share of right decisions rises for what the share of false ones rises at a threshold that `here` of `all`
/// reach falsely: the ratio of both densities. In the tail both are known from few trials, so this is a spacing estimate
/// (Siddiqui 1960; Bloch & Gastwirth 1968) over numbers of false decisions and not over cosines: from half to twice as
/// many, or a standard deviation of their number (`spread`, of their share) to each side where that is further. Over the
/// logarithm of the false share, as the logarithm of a tail is close to a line where its density is not (Hill 1975).
///
/// `at` returns, for the lowest threshold with at most this many false decisions, how many it has and the share of right
/// ones.
pub(crate) fn steepness(here: u64, all: u64, spread: f64, at: impl Fn(u64) -> (u64, f64)) -> f64 {
    let (here, all) = (here as f64, all as f64);
    if here == 0.0 {
        return 0.0;
    }
    let spread = spread * all / here;
    let factor = spread.max(here.sqrt().recip()).clamp(std::f64::consts::LN_2, MOST_REACH).exp();
    let (fewer, strict) = at(((here / factor) as u64).max(1));
    let (more, lax) = at((here * factor).min(all) as u64);
    let width = (more as f64 / (fewer as f64).max(0.5)).ln();
    if width > 0.0 { (lax - strict) / width / (here / all) } else { 0.0 }
}

/// How far each unit moves FNMR at a threshold that is chosen for its FMR, from how far it moves both at that threshold.
pub(crate) fn at_chosen(misses: &PlugIn, matches: &PlugIn, steepness: f64) -> PlugIn {
    // A few false matches do not show that the two cancel.
    let apart = misses.variance().max(0.0) + steepness.powi(2) * matches.variance().max(0.0);
    matches.mixed(steepness, misses, -1.0).at_least(apart)
}

/// Widens the bound of a rate of misses at a threshold that was chosen for its false matches, whose variance is `matches` and at
/// least `independent`: none are missed here, but some would be at a stricter threshold, had it been chosen; or all are, and
/// some would not be at a laxer one.
pub(crate) fn widen(missed: &mut Estimate, steepness: f64, matches: &PlugIn, independent: f64) {
    let spread = matches.variance().max(independent).sqrt();
    let reach = if steepness > 0.0 { steepness * matches.quantile(missed.level) * spread } else { 0.0 };
    if missed.point == 0.0 {
        missed.upper = missed.upper.map(|upper| (upper + reach).min(1.0));
    } else if missed.point == 1.0 {
        missed.lower = missed.lower.map(|lower| (lower - reach).max(0.0));
    }
}

/// Variance of a rate in `n` independent trials.
pub(crate) fn binomial(rate: f64, n: u64) -> f64 {
    rate * (1.0 - rate) / n.max(1) as f64
}

//! The rate of errors of trials that come in clusters: pairs by identity or by face, searches by identity. Every rate of
//! this crate is estimated here.
//!
//! The interval is Wilson's (1927) with the number of independent trials that would have the rate's plug-in variance over
//! clusters (Fogliato, Patil & Perona 2023), and Student's t in place of the normal quantile, so that few clusters give
//! wide intervals (Korn & Graubard 1998). [`PlugIn`] computes variance and degrees of freedom. What differs from rate to
//! rate is how trials belong to clusters:
//!
//! - each to one cluster: searches of an identity ([`Membership::One`], Cochran 1977, §6.3);
//! - each to two: pairs by their faces ([`Membership::Two`], Fafchamps & Gubert 2007);
//! - cells of many pairs, which belong to one or two clusters ([`PlugIn::of_matches`], [`PlugIn::of_sums`]).
//!
//! A rate without errors, or of nothing else, is an exact binomial bound; with fewer than [`FEWEST`](super::carriers::FEWEST)
//! identities there is no interval.

use super::carriers::{EffectiveTrials, too_few};
use super::counts::{Count, Membership, Total};
use super::interval::wilson;
use super::plug_in::PlugIn;
use crate::estimate::{Estimate, Unit};

/// A rate and what its interval is computed from.
pub(crate) struct ClusteredRate<'a> {
    /// The rate, 0 to 1.
    pub point: f64,
    /// Number of trials.
    pub n: u64,
    /// What a trial is.
    pub unit: Unit,
    /// Confidence level.
    pub level: f64,
    /// Variance of the rate if trials were independent; no clustering makes it smaller.
    pub independent: f64,
    /// Effective trials, for the bound where all trials end the same way.
    pub effective: &'a dyn Fn() -> EffectiveTrials,
    /// Plug-in variance and the clusters it is over in words (`40 identities`), or why there is none.
    pub plug_in: &'a dyn Fn() -> Result<(PlugIn, String), String>,
    /// What the interval holds fixed, as the end of its method; may be empty.
    pub given: &'a str,
}

impl ClusteredRate<'_> {
    /// The rate with its interval: a bound at 0 and 1, no interval with too few clusters.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let &Self { point, n, unit, level, independent, given, .. } = self;
        if point == 0.0 || point == 1.0 {
            let effective = (self.effective)();
            let bound = if point == 0.0 { effective.none(level) } else { effective.all(level) };
            return Estimate { unit, ..bound };
        }
        let (interval, method) = match (self.plug_in)() {
            Err(reason) => (None, reason),
            Ok((plug_in, clusters)) => {
                let effective = point * (1.0 - point) / plug_in.variance().max(independent);
                let (trials, effective_trials) = (plural(unit), effective.round());
                let method = format!(
                    "Wilson with plug-in variance over {clusters}: equivalent to {effective_trials} independent {trials}{given}"
                );
                (Some(wilson(point, effective, plug_in.quantile(level))), method)
            }
        };
        Estimate::new(point, interval, n, unit, level, method)
    }
}

/// How trials belong to clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clustering {
    /// Which counts a trial is in.
    pub membership: Membership,
    /// What a trial is.
    pub trial: Unit,
    /// What a cluster is.
    pub cluster: Unit,
}

/// The rate over all clusters; `None` without a trial. Fewer than 8 identities give no interval; the faces of one identity
/// are all there is of it, and two of them give one.
#[must_use]
pub(crate) fn rate(counts: &[Count], clustering: Clustering, level: f64) -> Option<Estimate> {
    let Clustering { membership, trial, cluster } = clustering;
    let Total { hits, trials, clusters } = Total::of(counts, membership);
    if trials == 0 {
        return None;
    }
    let point = hits as f64 / trials as f64;
    let different = if membership == Membership::PerFace { trials.div_ceil(2) } else { trials };
    let [trial_name, clusters_name] = [trial, cluster].map(plural);
    let effective = || {
        // A pair of two clusters is a trial of both.
        let carriers = if membership == Membership::Two { clusters.div_ceil(2) } else { clusters };
        EffectiveTrials::new(different, trial_name, carriers, clusters_name, None)
    };
    let plug_in = || {
        let few = if cluster == Unit::Identities { too_few(clusters, clusters_name, trial_name) } else { None };
        match few {
            Some(reason) => Err(reason),
            None if clusters < 2 => Err(format!("no interval: all {trial_name} are of one cluster")),
            None => Ok((PlugIn::of_counts(counts, membership), format!("{clusters} {clusters_name}"))),
        }
    };
    let rate = ClusteredRate {
        point,
        n: trials,
        unit: trial,
        level,
        independent: point * (1.0 - point) / different as f64,
        effective: &effective,
        plug_in: &plug_in,
        given: if membership == Membership::PerFace { ", whom they are compared with held fixed" } else { "" },
    };
    Some(Estimate { n: trials, ..rate.estimate() })
}

/// Variance of the number of hits, given the trials; at least the binomial one at `rate`.
#[must_use]
pub(crate) fn variance(counts: &[Count], membership: Membership, rate: f64) -> f64 {
    let trials = Total::of(counts, membership).trials as f64;
    if trials == 0.0 {
        return 0.0;
    }
    (PlugIn::of_counts(counts, membership).variance() * trials.powi(2)).max(trials * rate * (1.0 - rate))
}

fn plural(unit: Unit) -> &'static str {
    match unit {
        Unit::Pairs => "pairs",
        Unit::Faces => "faces",
        Unit::Identities => "identities",
        Unit::Searches => "searches",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::random::Draw;

    const BY_FACE: Clustering = Clustering { membership: Membership::Two, trial: Unit::Pairs, cluster: Unit::Faces };
    const BY_IDENTITY: Clustering =
        Clustering { membership: Membership::One, trial: Unit::Faces, cluster: Unit::Identities };

    fn counts(of: &[(u64, u64)]) -> Vec<Count> {
        of.iter().map(|&(hits, trials)| Count { hits, trials }).collect()
    }

    #[test]
    fn clusters_of_one_trial_are_wilson_with_students_t() {
        let single: Vec<Count> = (0..100).map(|i| Count { hits: u64::from(i < 20), trials: 1 }).collect();
        let found = rate(&single, BY_IDENTITY, 0.95).unwrap();
        // statsmodels' proportion_confint(20 · 99/100, 99, method="wilson") with t(99) for z is [0.1325, 0.2901].
        assert!((found.lower.unwrap() - 0.1325).abs() < 2e-3 && (found.upper.unwrap() - 0.2901).abs() < 2e-3);
        assert_eq!((found.point, found.n, found.bound), (0.2, 100, false));
        let even = PlugIn::of_counts(&counts(&[(2, 10); 10]), Membership::One).quantile(0.95);
        assert!((even - 2.262_157).abs() < 1e-5, "t with 9 degrees of freedom, not {even}");
    }

    #[test]
    fn what_comes_in_clusters_is_known_less_well() {
        let even = rate(&counts(&[(2, 10); 10]), BY_IDENTITY, 0.95).unwrap();
        let uneven = [&[(10, 10), (10, 10)][..], &[(0, 10); 8]].concat();
        let uneven = rate(&counts(&uneven), BY_IDENTITY, 0.95).unwrap();
        let width = |found: &Estimate| found.upper.unwrap() - found.lower.unwrap();
        assert_eq!(even.point, uneven.point);
        assert!(width(&uneven) > 2.0 * width(&even));
        assert_eq!(uneven.method, "Wilson with plug-in variance over 10 identities: equivalent to 9 independent faces");
    }

    #[test]
    fn few_identities_have_no_interval() {
        let found = rate(&counts(&[(2, 10); 7]), BY_IDENTITY, 0.95).unwrap();
        let few = "no interval: it takes faces of at least 8 identities, and these are of 7";
        assert_eq!((found.lower, found.upper, found.method.as_str()), (None, None, few));
        let faces = rate(&counts(&[(4, 10); 7]), BY_FACE, 0.95).unwrap();
        assert!(faces.lower.is_some(), "the faces of one identity are all there is of it");
    }

    #[test]
    fn a_rate_of_nothing_or_of_all_is_a_bound() {
        assert_eq!(rate(&[], BY_IDENTITY, 0.95), None);
        let none = rate(&counts(&[(0, 15); 20]), BY_FACE, 0.95).unwrap();
        assert!(none.bound && none.n == 150 && (none.upper.unwrap() * 150.0 - 3.0).abs() < 0.05);
        let few = rate(&counts(&[(0, 30), (0, 30)]), BY_FACE, 0.95).unwrap();
        assert!(few.bound && few.n == 30 && (few.upper.unwrap() - 0.95).abs() < 1e-9, "two faces are one trial");
        let all = rate(&counts(&[(30, 30)]), BY_IDENTITY, 0.95).unwrap();
        assert!(!all.bound && (all.lower.unwrap() - 0.05).abs() < 1e-9 && all.upper == Some(1.0));
        assert_eq!((all.unit, all.n), (Unit::Faces, 30));
        let one = rate(&counts(&[(3, 30)]), BY_FACE, 0.95).unwrap();
        assert_eq!((one.lower, one.method.as_str()), (None, "no interval: all pairs are of one cluster"));
    }

    /// Pairs of 40 faces of which some are bad: a pair errs with a probability that its faces decide.
    #[test]
    fn intervals_of_pairs_hold_the_truth_as_often_as_they_say() {
        const TRIALS: u64 = 400;
        for face_effect in [0, 25] {
            let mut held = 0;
            for seed in 0..TRIALS {
                let mut draw = Draw::genuine(seed, face_effect as u16);
                // 10% ± the effect, in percent; 10% on average either way.
                let bad: Vec<bool> = (0..40).map(|_| draw.coin()).collect();
                let percent = |a: bool, b: bool| match (a, b) {
                    (true, true) => 10 + face_effect,
                    (false, false) => 10_u64.saturating_sub(face_effect / 2),
                    _ => 10,
                };
                let truth = (percent(true, true) + percent(false, false) + 20) as f64 / 400.0;
                let mut faces = vec![Count::default(); 40];
                for a in 0..40 {
                    for b in a + 1..40 {
                        let hit = u64::from(draw.below(100) < percent(bad[a], bad[b]));
                        for face in [a, b] {
                            faces[face].hits += hit;
                            faces[face].trials += 1;
                        }
                    }
                }
                let found = rate(&faces, BY_FACE, 0.95).unwrap();
                held += u64::from(found.lower.unwrap() <= truth && truth <= found.upper.unwrap());
            }
            assert!((TRIALS * 92 / 100..TRIALS * 99 / 100).contains(&held), "{held} of {TRIALS} with {face_effect}");
        }
    }
}

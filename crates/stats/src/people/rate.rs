//! A rate and its interval where trials come in clusters: pairs by face, faces by identity.
//!
//! Wilson's interval with the effective number of trials that a plug-in variance leaves (Fogliato, Patil & Perona 2023).
//! Where a trial belongs to one cluster, that variance is the sum of the clusters' squared residuals; where it is a pair
//! that belongs to two, every pair is in that sum twice, and its own square is taken off once (Fafchamps & Gubert 2007).
//! It is never below the binomial one. Student's t with one degree of freedom less than there are clusters takes the
//! place of the normal quantile, so that few clusters give wide intervals (Korn & Graubard 1998).

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::estimate::{Estimate, Unit};
use crate::verification::carriers::{Worth, too_few};
use crate::verification::interval::wilson;

/// The trials of one cluster and how many of them count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Count {
    /// Trials that count: errors, as a rule.
    pub hits: u64,
    /// All trials.
    pub trials: u64,
}

/// How trials lie in clusters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Design {
    /// Each trial is a pair and stands in the counts of two clusters.
    pub shared: bool,
    /// What a trial is.
    pub trial: Unit,
    /// What a cluster is.
    pub cluster: Unit,
}

/// The rate over all clusters; `None` without a trial. Without a hit (or a miss) it is a bound. Of few identities it has
/// no interval; the faces of one identity are what there is of it, and two of them give one.
#[must_use]
pub fn rate(counts: &[Count], design: Design, level: f64) -> Option<Estimate> {
    let Sum { hits, trials, clusters } = Sum::of(counts, design);
    if trials == 0 {
        return None;
    }
    let (n, point) = (trials, hits as f64 / trials as f64);
    let [trial, cluster] = [design.trial, design.cluster].map(plural);
    let estimate = |lower, upper, method, bound| {
        Some(Estimate { point, lower, upper, n, unit: design.trial, level, method, bound })
    };
    if hits == 0 || hits == trials {
        // A pair of two clusters is a trial of both.
        let carriers = if design.shared { clusters.div_ceil(2) } else { clusters };
        let worth = Worth::new(n, trial, carriers as usize, cluster, None);
        let bound = if hits == 0 { worth.none(level) } else { worth.all(level) };
        return Some(Estimate { unit: design.trial, ..bound });
    }
    if design.cluster == Unit::Identities
        && let Some(reason) = too_few(clusters as usize, cluster, trial)
    {
        return estimate(None, None, reason, false);
    }
    match quantile(clusters, level) {
        None => estimate(None, None, format!("no interval: all {trial} are of one cluster"), false),
        Some(z) => {
            let (lower, upper) = wilson(point, effective(counts, design), z);
            let method = format!("Wilson interval with plug-in variance over {clusters} {cluster}");
            estimate(Some(lower), Some(upper), method, false)
        }
    }
}

/// Variance of the number of hits, given the trials; at least the binomial one at `rate`.
#[must_use]
pub fn variance(counts: &[Count], design: Design, rate: f64) -> f64 {
    let Sum { hits, trials, clusters } = Sum::of(counts, design);
    let own = if trials == 0 { 0.0 } else { hits as f64 / trials as f64 };
    let residual = |count: &Count| (count.hits as f64 - own * count.trials as f64).powi(2);
    let k = clusters as f64;
    // The mean that residuals are taken from holds the cluster itself; a pair's holds it twice.
    let correction = match (design.shared, clusters) {
        (false, 2..) => k / (k - 1.0),
        (true, 3..) => k * (k - 1.0) / (k - 2.0).powi(2),
        _ => 0.0,
    };
    let twice = if design.shared { trials as f64 * own * (1.0 - own) } else { 0.0 };
    let clustered = counts.iter().map(residual).sum::<f64>() * correction - twice;
    clustered.max(trials as f64 * rate * (1.0 - rate))
}

/// As many independent trials would tell as much.
fn effective(counts: &[Count], design: Design) -> f64 {
    let Sum { hits, trials, .. } = Sum::of(counts, design);
    let (hits, trials) = (hits as f64, trials as f64);
    let binomial = hits * (1.0 - hits / trials);
    trials * binomial / variance(counts, design, hits / trials)
}

/// Two-sided quantile; `None` with a single cluster.
fn quantile(clusters: u64, level: f64) -> Option<f64> {
    let freedom = clusters.checked_sub(1).filter(|freedom| *freedom > 0)?;
    let student = StudentsT::new(0.0, 1.0, freedom as f64).ok()?;
    Some(student.inverse_cdf(f64::midpoint(1.0, level)))
}

/// All clusters together.
struct Sum {
    hits: u64,
    trials: u64,
    /// Those with a trial.
    clusters: u64,
}

impl Sum {
    fn of(counts: &[Count], design: Design) -> Self {
        let divisor = if design.shared { 2 } else { 1 };
        Self {
            hits: counts.iter().map(|count| count.hits).sum::<u64>() / divisor,
            trials: counts.iter().map(|count| count.trials).sum::<u64>() / divisor,
            clusters: counts.iter().filter(|count| count.trials > 0).count() as u64,
        }
    }
}

fn plural(unit: Unit) -> &'static str {
    match unit {
        Unit::Pairs => "pairs",
        Unit::Faces => "faces",
        Unit::Identities => "identities",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verification::random::Draw;

    const BY_FACE: Design = Design { shared: true, trial: Unit::Pairs, cluster: Unit::Faces };
    const BY_IDENTITY: Design = Design { shared: false, trial: Unit::Faces, cluster: Unit::Identities };

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
        assert!((quantile(10, 0.95).unwrap() - 2.262_157).abs() < 1e-5);
    }

    #[test]
    fn what_comes_in_clusters_is_known_less_well() {
        let even = rate(&counts(&[(2, 10); 10]), BY_IDENTITY, 0.95).unwrap();
        let uneven = [&[(10, 10), (10, 10)][..], &[(0, 10); 8]].concat();
        let uneven = rate(&counts(&uneven), BY_IDENTITY, 0.95).unwrap();
        let width = |found: &Estimate| found.upper.unwrap() - found.lower.unwrap();
        assert_eq!(even.point, uneven.point);
        assert!(width(&uneven) > 2.0 * width(&even));
        assert_eq!(uneven.method, "Wilson interval with plug-in variance over 10 identities");
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

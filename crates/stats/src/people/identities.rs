//! Who fails: error rates of each identity at the operating threshold, and whether identities differ more than the faces
//! that happen to be there would make them.
//!
//! Doddington et al. 1998 ("Sheep, goats, lambs and wolves"): goats are hard to recognise (high FNMR), lambs are easily
//! taken for others, wolves easily take others in (high FMR). A cosine is symmetric, so lambs and wolves are the same
//! people here. The rule: an identity is a goat when the lower end of its FNMR's interval is above the FNMR of all
//! identities together, a lamb when that is so of its FMR; all others are sheep. One identity can be both.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::estimate::{Estimate, Unit};
use crate::similarity::{FaceErrors, Population};
use crate::verification::bootstrap::interval;
use crate::verification::carriers::too_few;
use crate::verification::clustered::{Clustering, rate, variance};
use crate::verification::counts::{Count, Membership};
use crate::verification::random::Draw;

/// An identity's genuine pairs have two of its faces.
const GENUINE: Clustering = Clustering { membership: Membership::Two, trial: Unit::Pairs, cluster: Unit::Faces };
/// Its impostor pairs have one.
const IMPOSTOR: Clustering = Clustering { membership: Membership::One, trial: Unit::Pairs, cluster: Unit::Faces };

/// Errors of one identity at the operating threshold.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct IdentityErrors {
    /// Who.
    pub identity_id: String,
    /// Embedded faces.
    pub faces: u64,
    /// Compared pairs of two of its faces.
    pub genuine: u64,
    /// Those below the threshold.
    pub misses: u64,
    /// Interval of misses / genuine, where there is one.
    pub fnmr_interval: Option<(f64, f64)>,
    /// Compared pairs of one of its faces with another identity's.
    pub impostor: u64,
    /// Those at or above the threshold.
    pub false_matches: u64,
    /// Interval of false matches / impostor, where there is one; over this identity's faces, the others taken as given.
    pub fmr_interval: Option<(f64, f64)>,
    /// Hard to recognise: misses more than all identities together.
    pub goat: bool,
    /// Easily taken for others and others for it.
    pub lamb: bool,
}

impl IdentityErrors {
    /// False non-match rate; `None` without a pair.
    #[must_use]
    pub fn fnmr(&self) -> Option<f64> {
        (self.genuine > 0).then(|| self.misses as f64 / self.genuine as f64)
    }

    /// False match rate; `None` without a pair.
    #[must_use]
    pub fn fmr(&self) -> Option<f64> {
        (self.impostor > 0).then(|| self.false_matches as f64 / self.impostor as f64)
    }
}

/// All identities together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Identities {
    /// False non-match rate over all genuine pairs.
    pub fnmr: Option<Estimate>,
    /// False match rate over all impostor pairs.
    pub fmr: Option<Estimate>,
    /// How many times the variance of the identities' misses is what it would be if all had one FNMR and only the choice
    /// of faces made them differ. Above 1 with its interval: some people are harder than others.
    pub fnmr_spread: Option<Estimate>,
    /// The same of false matches.
    pub fmr_spread: Option<Estimate>,
    /// Identities with an interval of their FNMR.
    pub fnmr_judged: u64,
    /// Identities with an interval of their FMR.
    pub fmr_judged: u64,
    /// How many are goats.
    pub goats: u64,
    /// How many are lambs.
    pub lambs: u64,
    /// One for each identity, sorted as strings. In a table of its own.
    #[serde(skip)]
    pub errors: Vec<IdentityErrors>,
}

impl Identities {
    /// About how many goats, and as many lambs, stand out by chance alone among so many identities.
    #[must_use]
    pub fn chance(&self) -> u64 {
        let level = self.fnmr.as_ref().or(self.fmr.as_ref()).map_or(1.0, |rate| rate.level);
        ((1.0 - level) * self.fnmr_judged.max(self.fmr_judged) as f64).ceil() as u64
    }

    /// Sums face by face errors at the one threshold that they were counted at. Nothing when they were counted at none.
    #[must_use]
    pub fn new(population: &Population<'_>, faces: &FaceErrors, level: f64, how: (u32, u64)) -> Self {
        let ([misses], [matches]) = (&faces.misses[..], &faces.false_matches[..]) else { return Self::default() };
        let by_face = |hits: &[u32], trials: &[u32]| -> Vec<Vec<Count>> {
            let count = |row: usize| Count { hits: hits[row].into(), trials: trials[row].into() };
            let identities = population.identities.iter();
            identities
                .map(|of| population.members[of.clone()].iter().map(|m| count(m.row as usize)).collect())
                .collect()
        };
        let (genuine, impostor) = (by_face(misses, &faces.genuine), by_face(matches, &faces.impostor));
        let (misses, matches) = (sums(&genuine, GENUINE), sums(&impostor, IMPOSTOR));
        // A genuine pair belongs to one identity, an impostor pair to two.
        let within = Clustering { membership: Membership::One, cluster: Unit::Identities, ..GENUINE };
        let across = Clustering { membership: Membership::Two, cluster: Unit::Identities, ..IMPOSTOR };
        let (fnmr, fmr) = (rate(&misses, within, level), rate(&matches, across, level));
        let known = |estimate: Option<Estimate>| {
            estimate.and_then(|e| Some((e.bound, (e.lower?, e.upper?)))).map_or((false, None), |(b, i)| (b, Some(i)))
        };
        let above = |interval: Option<(f64, f64)>, bound: bool, all: &Option<Estimate>| {
            !bound && interval.zip(all.as_ref()).is_some_and(|((lower, _), all)| lower > all.point)
        };
        let one = |i: usize| {
            let (none_missed, fnmr_interval) = known(rate(&genuine[i], GENUINE, level));
            let (none_matched, fmr_interval) = known(rate(&impostor[i], IMPOSTOR, level));
            IdentityErrors {
                identity_id: population.names[i].into(),
                faces: population.identities[i].len() as u64,
                genuine: misses[i].trials,
                misses: misses[i].hits,
                fnmr_interval,
                impostor: matches[i].trials,
                false_matches: matches[i].hits,
                fmr_interval,
                goat: above(fnmr_interval, none_missed, &fnmr),
                lamb: above(fmr_interval, none_matched, &fmr),
            }
        };
        let errors: Vec<IdentityErrors> = (0..population.names.len()).map(one).collect();
        let number = |of: fn(&IdentityErrors) -> bool| errors.iter().filter(|identity| of(identity)).count() as u64;
        Self {
            fnmr_spread: fnmr.as_ref().and_then(|all| spread(&genuine, GENUINE, all.point, level, how)),
            fmr_spread: fmr.as_ref().and_then(|all| spread(&impostor, IMPOSTOR, all.point, level, how)),
            fnmr_judged: number(|identity| identity.fnmr_interval.is_some()),
            fmr_judged: number(|identity| identity.fmr_interval.is_some()),
            goats: number(|identity| identity.goat),
            lambs: number(|identity| identity.lamb),
            fnmr,
            fmr,
            errors,
        }
    }

    /// Identities that miss most, worst first: by the lower end of the FNMR's interval, so that a high rate of few pairs
    /// does not come before a sure one. Those without a miss are left out.
    #[must_use]
    pub fn worst_missed(&self) -> Vec<&IdentityErrors> {
        ranked(&self.errors, |one| (one.misses, one.fnmr_interval, one.fnmr()))
    }

    /// Identities that are confused most, worst first: by the lower end of the FMR's interval.
    #[must_use]
    pub fn worst_confused(&self) -> Vec<&IdentityErrors> {
        ranked(&self.errors, |one| (one.false_matches, one.fmr_interval, one.fmr()))
    }
}

/// Hits, interval of the rate, rate.
type Ranked = (u64, Option<(f64, f64)>, Option<f64>);

fn ranked(all: &[IdentityErrors], key: impl Fn(&IdentityErrors) -> Ranked) -> Vec<&IdentityErrors> {
    let order = |one: &IdentityErrors| {
        let (hits, interval, rate) = key(one);
        Some((interval?.0, rate?)).filter(|_| hits > 0)
    };
    let mut chosen: Vec<_> = all.iter().filter_map(|one| Some((order(one)?, one))).collect();
    chosen.sort_by(|((a, a_rate), x), ((b, b_rate), y)| {
        b.total_cmp(a).then(b_rate.total_cmp(a_rate)).then_with(|| x.identity_id.cmp(&y.identity_id))
    });
    chosen.into_iter().map(|(_, one)| one).collect()
}

/// Each identity's faces together.
fn sums(by_face: &[Vec<Count>], clustering: Clustering) -> Vec<Count> {
    let divisor = if clustering.membership == Membership::Two { 2 } else { 1 };
    let sum = |faces: &Vec<Count>| Count {
        hits: faces.iter().map(|face| face.hits).sum::<u64>() / divisor,
        trials: faces.iter().map(|face| face.trials).sum::<u64>() / divisor,
    };
    by_face.iter().map(sum).collect()
}

/// Σ (hits − rate·trials)² / Σ (the variance of hits that faces explain), over identities of at least three faces: of two
/// faces, nothing tells how much faces differ. Its interval is a double-or-nothing bootstrap over identities.
fn spread(
    by_face: &[Vec<Count>],
    clustering: Clustering,
    overall: f64,
    level: f64,
    (replicates, seed): (u32, u64),
) -> Option<Estimate> {
    const FEWEST_FACES: usize = 3;
    let parts: Vec<(f64, f64)> = by_face
        .iter()
        .filter(|faces| faces.iter().filter(|face| face.trials > 0).count() >= FEWEST_FACES)
        .map(|faces| {
            let sum = sums(std::slice::from_ref(faces), clustering)[0];
            let excess = sum.hits as f64 - overall * sum.trials as f64;
            (excess * excess, variance(faces, clustering.membership, overall))
        })
        .collect();
    let ratio = |kept: &mut dyn Iterator<Item = &(f64, f64)>| {
        let (seen, explained) = kept.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        (explained > 0.0).then_some(seen / explained)
    };
    let point = ratio(&mut parts.iter())?;
    let few = too_few(parts.len(), "identities", "three faces");
    let replicates = if few.is_some() { 0 } else { replicates };
    let mut values: Vec<f64> = (0..replicates)
        .filter_map(|number| {
            let mut draw = Draw::replicate(seed, number);
            ratio(&mut parts.iter().filter(|_| draw.coin()))
        })
        .collect();
    let (interval, method) = match few.map_or_else(|| interval(&mut values, level), Err) {
        Ok((lower, upper)) => {
            let method = format!("double-or-nothing identity bootstrap, {} replicates", values.len());
            (Some((lower.min(point), upper.max(point))), method)
        }
        Err(reason) => (None, reason),
    };
    Some(Estimate::new(point, interval, parts.len() as u64, Unit::Identities, level, method))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::PairKind;
    use crate::testing::{faces, names};

    /// Faces of `per` to an identity, in a row.
    fn population(names: &[String], per: usize) -> Population<'_> {
        Population::new(&faces(names, |row| row / per, |row| row), 1)
    }

    /// Every pair of `identities × per` faces, the wrong ones told by `wrong`.
    fn errors(identities: usize, per: usize, mut wrong: impl FnMut(usize, usize) -> bool) -> FaceErrors {
        let mut errors = FaceErrors::new(identities * per, 1);
        for a in 0..identities * per {
            for b in a + 1..identities * per {
                let same = a / per == b / per;
                let kind = if same { PairKind::Genuine } else { PairKind::Impostor };
                let cosine = if wrong(a, b) == same { 0.0 } else { 1.0 };
                errors.add(kind, [a as u32, b as u32], cosine, &[0.5]);
            }
        }
        errors
    }

    #[test]
    fn pairs_are_counted_once_within_and_once_for_each_of_two() {
        let names = names(12);
        // One miss in identity 1; identities 0 and 2 match falsely twice.
        let errors = errors(3, 4, |a, b| [(4, 5), (0, 8), (1, 9)].contains(&(a, b)));
        let found = Identities::new(&population(&names, 4), &errors, 0.95, (100, 1));
        let counts: Vec<_> = found.errors.iter().map(|e| (e.genuine, e.misses, e.impostor, e.false_matches)).collect();
        assert_eq!(counts, [(6, 0, 32, 2), (6, 1, 32, 0), (6, 0, 32, 2)]);
        let (fnmr, fmr) = (found.fnmr.as_ref().unwrap(), found.fmr.as_ref().unwrap());
        assert_eq!((fnmr.point, fnmr.n, fmr.point, fmr.n), (1.0 / 18.0, 18, 2.0 / 48.0, 48));
        assert_eq!(found.worst_missed().len(), 1);
        let confused: Vec<_> = found.worst_confused().iter().map(|e| e.identity_id.clone()).collect();
        assert_eq!(confused, ["00000", "00002"], "ties by name");
        let nothing = FaceErrors::new(0, 0);
        assert_eq!(Identities::new(&population(&names, 4), &nothing, 0.95, (9, 1)), Identities::default());
    }

    #[test]
    fn a_goat_and_two_lambs_are_found_among_sheep() {
        let names = names(120);
        let mut draw = Draw::genuine(3, 0);
        let errors = errors(12, 10, |a, b| match (a / 10, b / 10) {
            (4, 4) => draw.below(2) == 0,
            (2, 7) => draw.below(3) == 0,
            _ => draw.below(50) == 0,
        });
        let found = Identities::new(&population(&names, 10), &errors, 0.95, (500, 1));
        let of = |is: fn(&IdentityErrors) -> bool| -> Vec<_> {
            found.errors.iter().filter(|e| is(e)).map(|e| e.identity_id.as_str()).collect()
        };
        assert_eq!((of(|e| e.goat), of(|e| e.lamb)), (vec!["00004"], vec!["00002", "00007"]));
        assert_eq!((found.goats, found.lambs), (1, 2));
        assert_eq!(found.worst_missed()[0].identity_id, "00004");
        let spread = found.fnmr_spread.unwrap();
        assert!(spread.point > 3.0 && spread.n == 12, "{spread:?}");
    }

    #[test]
    fn identities_that_differ_by_chance_alone_have_no_spread_beyond_it() {
        let names = names(400);
        let (mut above, mut sum) = (0, 0.0);
        for seed in 0..20 {
            let mut draw = Draw::genuine(seed, 1);
            // Some faces are bad, none of the people.
            let bad: Vec<bool> = (0..400).map(|_| draw.below(5) == 0).collect();
            let errors =
                errors(40, 10, |a, b| a / 10 == b / 10 && draw.below(100) < if bad[a] || bad[b] { 30 } else { 2 });
            let found = Identities::new(&population(&names, 10), &errors, 0.95, (200, 1));
            let spread = found.fnmr_spread.unwrap();
            sum += spread.point;
            above += u32::from(spread.lower.unwrap() > 1.0);
            assert!(found.goats <= 5, "{} goats by chance", found.goats);
        }
        assert!(above <= 3 && (0.6..1.3).contains(&(sum / 20.0)), "{above} of 20, {sum} / 20");
    }
}

//! What a search among centroids would do: later phases compare a face with one centroid an identity and accept the
//! closest at or above a threshold.
//!
//! Terms of open-set identification (Phillips, Grother & Micheals 2011; NIST FRVT 1:N). A *mate search* is a face whose
//! identity is in the gallery, the face itself held out of its centroid: it is right (detected and identified, DIR) when
//! its own centroid is closest and at or above the threshold, wrong when another one is, and else nobody is named. FNIR is
//! 1 − DIR. A *non-mate search* is a face whose identity is taken out of the gallery: naming anybody is a false positive
//! (FPIR). Intervals are over identities: faces of one person succeed and fail together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::placement::Placement;
use crate::estimate::{Estimate, Unit};
use crate::similarity::Population;
use crate::verification::clustered::{Clustering, rate};
use crate::verification::counts::{Count, Membership};
use crate::verification::roc::allowed;

/// Thresholds of the table; later phases choose between 0.45 and 0.62.
pub const LADDER: [f32; 12] = [0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.62, 0.65, 0.70, 0.75, 0.80];
/// False positive identification rates that thresholds are chosen for.
pub const TARGETS: [f64; 3] = [1e-1, 1e-2, 1e-3];
/// Points of the curve, evenly spaced by the logarithm of the false positives.
const CURVE_POINTS: u32 = 80;

const SEARCHES: Clustering = Clustering { membership: Membership::One, trial: Unit::Faces, cluster: Unit::Identities };

/// Searching a gallery of centroids with held-out faces.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Routing {
    /// Identities in the gallery.
    pub gallery: u64,
    /// Mate searches: faces that could be held out.
    pub held_out: u64,
    /// Faces that could not: nothing is left of their identity without them.
    pub alone: u64,
    /// Share of mate searches whose own centroid is the closest, at any cosine.
    pub rank_one: Option<Estimate>,
    /// At twelve fixed thresholds from 0.30 to 0.80.
    pub ladder: Vec<RoutingPoint>,
    /// For the rates 0.1, 0.01 and 0.001.
    pub targets: Vec<RoutingTarget>,
    /// From the strictest threshold to the laxest.
    pub curve: Vec<CurvePoint>,
}

/// Rates at one threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoutingPoint {
    /// A face is named when the closest centroid's cosine is ≥ this.
    pub threshold: f32,
    /// Detection and identification rate: mate searches that name the right person. `None` without mate searches.
    pub dir: Option<Estimate>,
    /// Mate searches that name someone else.
    pub wrong: Option<Estimate>,
    /// False positive identification rate: non-mate searches that name anybody.
    pub fpir: Option<Estimate>,
}

/// The lowest threshold that keeps a false positive identification rate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RoutingTarget {
    /// The rate aimed at.
    pub fpir: f64,
    /// `None` when the searches cannot resolve it (rate < 1/n).
    pub point: Option<RoutingPoint>,
}

/// DIR over FPIR.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePoint {
    /// The threshold, a cosine.
    pub threshold: f32,
    /// False positive identification rate as observed.
    pub fpir: f64,
    /// Detection and identification rate.
    pub dir: f64,
    /// Its interval; from 0 to 1 where there is none.
    pub dir_lower: f64,
    /// Its interval.
    pub dir_upper: f64,
}

/// Counts what placed faces would be named.
#[must_use]
pub fn routing(population: &Population<'_>, placed: &[Placement], level: f64) -> Routing {
    let searches = Searches { population, placed, level };
    let mut closest: Vec<f32> = placed.iter().filter_map(|face| Some(face.other?.1)).collect();
    closest.sort_by(|a, b| b.total_cmp(a));
    let n = closest.len() as u64;
    let target = |fpir: f64| {
        let most = allowed(fpir, n);
        RoutingTarget { fpir, point: (most > 0).then(|| searches.at(stricter(&closest, most))) }
    };
    let held_out = placed.iter().filter(|face| face.own.is_some()).count() as u64;
    let points = (0..CURVE_POINTS).map(|i| (n as f64).powf(f64::from(i) / f64::from(CURVE_POINTS - 1)) as u64);
    let mut thresholds: Vec<f32> = std::iter::once(0).chain(points).map(|most| stricter(&closest, most)).collect();
    thresholds.dedup();
    Routing {
        gallery: population.names.len() as u64,
        held_out,
        alone: placed.len() as u64 - held_out,
        rank_one: searches.mates(|_, first| first),
        ladder: LADDER.map(|threshold| searches.at(threshold)).into(),
        targets: TARGETS.map(target).into(),
        curve: thresholds.into_iter().filter_map(|threshold| searches.curve_point(threshold)).collect(),
    }
}

/// The lowest threshold that at most `most` of these (highest first) reach.
fn stricter(closest: &[f32], most: u64) -> f32 {
    closest.get(most as usize).map_or(-1.0, |next| next.next_up())
}

struct Searches<'a> {
    population: &'a Population<'a>,
    placed: &'a [Placement],
    level: f64,
}

impl Searches<'_> {
    fn at(&self, threshold: f32) -> RoutingPoint {
        let reaches = |cosine: f32| cosine >= threshold;
        RoutingPoint {
            threshold,
            dir: self.mates(|face, first| first && face.own.is_some_and(reaches)),
            wrong: self.mates(|face, first| !first && face.other.is_some_and(|other| reaches(other.1))),
            fpir: self.rate(|face| face.other.map(|other| reaches(other.1))),
        }
    }

    fn curve_point(&self, threshold: f32) -> Option<CurvePoint> {
        let RoutingPoint { dir, fpir, .. } = self.at(threshold);
        let (dir, fpir) = (dir?, fpir?.point);
        let (lower, upper) = (dir.lower.unwrap_or(0.0), dir.upper.unwrap_or(1.0));
        Some(CurvePoint { threshold, fpir, dir: dir.point, dir_lower: lower, dir_upper: upper })
    }

    /// The share of mate searches that `counts` says yes to; it is told whether the face's own centroid came first.
    fn mates(&self, counts: impl Fn(&Placement, bool) -> bool) -> Option<Estimate> {
        self.rate(|face| face.first().map(|first| counts(face, first)))
    }

    /// The share of searches that `counts` says yes to; `None` is no search.
    fn rate(&self, counts: impl Fn(&Placement) -> Option<bool>) -> Option<Estimate> {
        let of_identity = |faces: &std::ops::Range<usize>| {
            self.placed[faces.clone()]
                .iter()
                .filter_map(&counts)
                .fold(Count::default(), |sum, hit| Count { hits: sum.hits + u64::from(hit), trials: sum.trials + 1 })
        };
        let by_identity: Vec<Count> = self.population.identities.iter().map(of_identity).collect();
        rate(&by_identity, SEARCHES, self.level)
    }
}

#[cfg(test)]
mod tests {
    use super::super::placement::tests::{DIMENSION, placed};
    use super::*;
    use crate::similarity::population::tests::{Labels, labelled, labels, strings};
    use crate::testing::unit_rows;
    use proptest::prelude::*;

    fn found(labels: &Labels, seed: u64) -> (Routing, Vec<Placement>) {
        let data = unit_rows(labels.len(), DIMENSION, seed);
        let placed: Vec<Placement> = placed(&data, labels).into_iter().map(|(_, face)| face).collect();
        let strings = strings();
        let population = Population::new(&labelled(labels, &strings), 1);
        (routing(&population, &placed, 0.95), placed)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn rates_are_those_of_searching_one_face_at_a_time(labels in labels(50), seed in 0u64..100) {
            let (found, placed) = found(&labels, seed);
            let mates: Vec<_> = placed.iter().filter_map(|face| Some((face.own?, face.other))).collect();
            prop_assert_eq!((found.held_out, found.alone), (mates.len() as u64, (placed.len() - mates.len()) as u64));
            for point in &found.ladder {
                let (mut right, mut wrong, mut named) = (0, 0, 0);
                for (own, other) in &mates {
                    let other = other.map_or(-2.0, |other| other.1);
                    if own.max(other) >= point.threshold {
                        if *own > other { right += 1 } else { wrong += 1 }
                    }
                }
                for face in &placed {
                    named += u64::from(face.other.is_some_and(|other| other.1 >= point.threshold));
                }
                let hits = |estimate: &Option<Estimate>| {
                    estimate.as_ref().map_or(0, |found| (found.point * found.n as f64).round() as u64)
                };
                prop_assert_eq!((hits(&point.dir), hits(&point.wrong), hits(&point.fpir)), (right, wrong, named));
            }
        }

        #[test]
        fn laxer_thresholds_name_more(labels in labels(50), seed in 0u64..100) {
            let (found, _) = found(&labels, seed);
            let curve = &found.curve;
            prop_assert!(curve.windows(2).all(|two| two[0].threshold > two[1].threshold));
            prop_assert!(curve.windows(2).all(|two| two[0].fpir <= two[1].fpir && two[0].dir <= two[1].dir));
            prop_assert!(curve.iter().all(|one| one.dir_lower <= one.dir && one.dir <= one.dir_upper));
            for target in &found.targets {
                if let Some(RoutingPoint { fpir: Some(fpir), .. }) = &target.point {
                    prop_assert!(fpir.point <= target.fpir * (1.0 + 1e-9), "{} {}", fpir.point, target.fpir);
                }
            }
        }
    }

    #[test]
    fn a_target_below_one_search_is_not_resolved_and_no_error_is_a_bound() {
        // Two people on two axes: nobody is ever taken for the other.
        let labels: Labels = (0..20).map(|i| (Some(i / 10), i % 12, None)).collect();
        let mut data = vec![0.0; 20 * DIMENSION];
        data.chunks_mut(DIMENSION).enumerate().for_each(|(row, values)| values[row / 10] = 1.0);
        let placed: Vec<Placement> = placed(&data, &labels).into_iter().map(|(_, face)| face).collect();
        let strings = strings();
        let found = routing(&Population::new(&labelled(&labels, &strings), 1), &placed, 0.95);
        assert!(found.targets[0].point.is_some() && found.targets[1].point.is_none());
        let point = &found.ladder[0];
        let fpir = point.fpir.as_ref().unwrap();
        assert!(
            fpir.bound && fpir.point == 0.0 && (fpir.upper.unwrap() - 0.776).abs() < 1e-3,
            "two people are two trials"
        );
        assert_eq!(point.dir.as_ref().map(|dir| (dir.point, dir.upper)), Some((1.0, Some(1.0))));
    }
}

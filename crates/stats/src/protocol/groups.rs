//! Protocols that judge one network on several groups of people, such as the four of RFW: what they have in common, and how
//! far apart they are.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ProtocolResult;
use crate::estimate::{Estimate, Unit};

/// What a group's metric paths end in. All of them are rates.
pub const GROUP_QUANTITIES: [&str; 3] = ["mean", "spread", "std"];

/// The accuracies of the protocols of one group, together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupResult {
    /// The group's name in the config.
    pub group: String,
    /// Its protocols, in the order of the config.
    pub protocols: Vec<String>,
    /// Mean of their accuracies.
    pub mean: Estimate,
    /// The highest accuracy less the lowest.
    pub spread: Estimate,
    /// Population standard deviation of the accuracies.
    pub std: Estimate,
    /// The protocol with the highest accuracy; the first of several.
    pub highest: String,
    /// The protocol with the lowest accuracy; the first of several.
    pub lowest: String,
}

impl GroupResult {
    /// The groups of these results, in the order in which they come.
    #[must_use]
    pub fn all(results: &[ProtocolResult]) -> Vec<Self> {
        let mut groups: Vec<&str> = results.iter().filter_map(|result| result.protocol.group.as_deref()).collect();
        let mut seen = BTreeSet::new();
        groups.retain(|group| seen.insert(*group));
        let of = |group: &str| {
            let members = results.iter().filter(|result| result.protocol.group.as_deref() == Some(group));
            Self::of(group, &members.map(|result| (&*result.protocol.name, &result.accuracy)).collect::<Vec<_>>())
        };
        groups.into_iter().filter_map(of).collect()
    }

    /// One of [`GROUP_QUANTITIES`].
    #[must_use]
    pub fn estimate(&self, quantity: &str) -> Option<&Estimate> {
        match quantity {
            "mean" => Some(&self.mean),
            "spread" => Some(&self.spread),
            "std" => Some(&self.std),
            _ => None,
        }
    }

    fn of(group: &str, members: &[(&str, &Estimate)]) -> Option<Self> {
        let (first, count) = (members.first()?, members.len() as f64);
        let (mut highest, mut lowest) = (first, first);
        for member in members {
            highest = if member.1.point > highest.1.point { member } else { highest };
            lowest = if member.1.point < lowest.1.point { member } else { lowest };
        }
        let mean = members.iter().map(|(_, accuracy)| accuracy.point).sum::<f64>() / count;
        let variance = members.iter().map(|(_, accuracy)| (accuracy.point - mean).powi(2)).sum::<f64>() / count;
        let n = members.iter().map(|(_, accuracy)| accuracy.n).sum();
        let estimate = |point, interval, method| Estimate::new(point, interval, n, Unit::Pairs, first.1.level, method);
        let reach = |reaches: Option<f64>| reaches.map(|squares| squares.sqrt() / count);
        let sum = |of: fn(&Estimate) -> Option<f64>| members.iter().map(|(_, one)| Some(of(one)?.powi(2))).sum();
        let around = reach(sum(below)).zip(reach(sum(above)));
        let mean = estimate(
            mean,
            around.map(|(below, above)| (mean - below, mean + above)),
            "square-and-add of the groups' intervals, their people being others".into(),
        );
        let spread = highest.1.point - lowest.1.point;
        let apart = |a: Option<f64>, b: Option<f64>| Some((a?.powi(2) + b?.powi(2)).sqrt());
        let around = apart(below(highest.1), above(lowest.1)).zip(apart(above(highest.1), below(lowest.1)));
        let spread = estimate(
            spread,
            around.map(|(below, above)| (spread - below, spread + above)),
            format!(
                "square-and-add of the intervals of {} and {}, as if these two had been chosen beforehand",
                highest.0, lowest.0
            ),
        );
        let std = estimate(variance.sqrt(), None, "no interval: of the groups' accuracies as they are".into());
        Some(Self {
            group: group.into(),
            protocols: members.iter().map(|(name, _)| (*name).to_owned()).collect(),
            mean,
            spread,
            std,
            highest: highest.0.into(),
            lowest: lowest.0.into(),
        })
    }
}

/// How far an interval reaches below its point.
fn below(estimate: &Estimate) -> Option<f64> {
    Some(estimate.point - estimate.lower?)
}

/// How far an interval reaches above its point.
fn above(estimate: &Estimate) -> Option<f64> {
    Some(estimate.upper? - estimate.point)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accuracy(point: f64, interval: Option<(f64, f64)>) -> Estimate {
        Estimate::new(point, interval, 600, Unit::Pairs, 0.95, "given".into())
    }

    fn close(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{found:?} is not {expected}");
    }

    #[test]
    fn a_group_has_mean_spread_and_deviation() {
        let four = [
            accuracy(0.90, Some((0.87, 0.92))),
            accuracy(0.94, Some((0.91, 0.97))),
            accuracy(0.98, Some((0.94, 0.99))),
            accuracy(0.98, Some((0.96, 0.99))),
        ];
        let names = ["african", "asian", "caucasian", "indian"];
        let members: Vec<_> = names.into_iter().zip(&four).collect();
        let found = GroupResult::of("rfw", &members).unwrap();
        assert_eq!((&*found.highest, &*found.lowest, found.mean.n), ("caucasian", "african", 2400));
        assert_eq!(found.protocols, names);
        // Deviations of −0.05, −0.01, 0.03 and 0.03 from 0.95.
        close(Some(found.mean.point), 0.95);
        close(Some(found.std.point), (0.0044f64 / 4.0).sqrt());
        // Below: 0.03, 0.03, 0.04 and 0.02; above: 0.02, 0.03, 0.01 and 0.01.
        close(found.mean.lower, 0.95 - 0.0038f64.sqrt() / 4.0);
        close(found.mean.upper, 0.95 + 0.0015f64.sqrt() / 4.0);
        // 0.98 reaches 0.04 down and 0.90 0.02 up; 0.98 reaches 0.01 up and 0.90 0.03 down.
        close(Some(found.spread.point), 0.08);
        close(found.spread.lower, 0.08 - 0.002f64.sqrt());
        close(found.spread.upper, 0.08 + 0.001f64.sqrt());
        assert_eq!(found.std.lower, None);
    }

    #[test]
    fn without_an_interval_there_is_none() {
        let (with, without) = (accuracy(0.9, Some((0.8, 0.95))), accuracy(0.8, None));
        let found = GroupResult::of("g", &[("a", &with), ("b", &without)]).unwrap();
        assert_eq!((found.mean.lower, found.spread.upper), (None, None));
        close(Some(found.spread.point), 0.1);
        assert!(GroupResult::of("g", &[]).is_none());
    }
}

//! Quartiles over rounds, and sums over stages. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::StageTime;

/// Median and quartiles.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Quartiles {
    /// Median.
    pub median: f64,
    /// First quartile.
    pub lower: f64,
    /// Third quartile.
    pub upper: f64,
}

impl Quartiles {
    /// Quantiles interpolated linearly between order statistics (Hyndman & Fan 1996, type 7); `None` without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        let quantile = |level: f64| {
            let place = level * last as f64;
            let below = place as usize;
            let above = (below + 1).min(last);
            sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
        };
        Some(Self { median: quantile(0.5), lower: quantile(0.25), upper: quantile(0.75) })
    }
}

/// Speed relative to the first variant, taken within each round because its measurements are adjacent in time.
pub(super) fn ratios(rates: &[f64], first: &[f64]) -> Vec<f64> {
    rates.iter().zip(first).map(|(rate, first)| rate / first).collect()
}

/// Cost of one stage of the network.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Stage {
    /// Which part of the network.
    pub name: String,
    /// Seconds per face.
    pub seconds: f64,
    /// Share of all stages, 0 … 1.
    pub share: f64,
    /// 10⁹ floating-point operations per second; absent if operations are not counted.
    pub gflops: Option<f64>,
}

/// Sums by name, in order of first appearance; `faces` is the number of faces that all times cover.
pub(super) fn stages(times: &[StageTime], faces: usize) -> Vec<Stage> {
    let mut sums: Vec<StageTime> = Vec::new();
    for time in times {
        time.clone().add_to(&mut sums);
    }
    let all: f64 = sums.iter().map(|sum| sum.seconds).sum();
    sums.into_iter()
        .map(|StageTime { name, seconds, flop }| Stage {
            name,
            seconds: seconds / faces.max(1) as f64,
            share: if all > 0.0 { seconds / all } else { 0.0 },
            gflops: (flop > 0.0 && seconds > 0.0).then(|| flop / seconds / 1e9),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_those_of_numpy() {
        // numpy.percentile([7, 1, 3, 10], [50, 25, 75])
        assert_eq!(Quartiles::of(&[7.0, 1.0, 3.0, 10.0]), Some(Quartiles { median: 5.0, lower: 2.5, upper: 7.75 }));
        assert_eq!(Quartiles::of(&[4.0]), Some(Quartiles { median: 4.0, lower: 4.0, upper: 4.0 }));
        assert_eq!(Quartiles::of(&[]), None);
    }

    #[test]
    fn a_ratio_is_taken_within_a_round() {
        // The machine is half as fast in the second round; the ratio is unaffected.
        assert_eq!(ratios(&[30.0, 15.0], &[10.0, 5.0]), [3.0, 3.0]);
    }

    #[test]
    fn stages_are_summed_by_name_in_order() {
        let time = |name: &str, seconds, flop| StageTime { name: name.into(), seconds, flop };
        let found = stages(&[time("stem", 1.0, 4e9), time("pool", 1.0, 0.0), time("stem", 2.0, 2e9)], 2);
        let expected = [
            Stage { name: "stem".into(), seconds: 1.5, share: 0.75, gflops: Some(2.0) },
            Stage { name: "pool".into(), seconds: 0.5, share: 0.25, gflops: None },
        ];
        assert_eq!(found, expected);
        assert!(stages(&[], 0).is_empty());
    }
}

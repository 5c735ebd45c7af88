//! The cumulative match characteristic over ranks, and TPIR over FPIR: points for plots and tables.

use super::Searches;
use crate::estimate::Estimate;

/// Points of a curve at most, evenly spaced by the logarithm of the rank or of the false positives.
const POINTS: u32 = 80;

/// Ranks that are all points of the curve.
const EACH: u32 = 20;

/// A point of the cumulative match characteristic.
#[derive(Debug, Clone, PartialEq)]
pub struct RankPoint {
    /// The rank.
    pub rank: u32,
    /// Share of mated searches of this rank or better.
    pub rate: Estimate,
}

/// A point of TPIR over FPIR.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenSetPoint {
    /// A person is returned whose score is ≥ this.
    pub threshold: f32,
    /// False positive identification rate as observed.
    pub fpir: f64,
    /// True positive identification rate, its interval with the choice of the threshold.
    pub tpir: Estimate,
}

impl Searches<'_> {
    /// The cumulative match characteristic, up to the first rank that all mated searches reach or the last that says
    /// something; empty without mated searches.
    #[must_use]
    pub fn cmc(&self) -> Vec<RankPoint> {
        let last = (self.counts().gallery.saturating_sub(1)).min(u32::MAX.into()) as u32;
        let mut ranks: Vec<u32> =
            (1..=last.min(EACH)).chain(logarithmic(last.into()).map(|rank| rank as u32)).collect();
        ranks.sort_unstable();
        ranks.dedup();
        let mut points: Vec<RankPoint> =
            ranks.into_iter().filter_map(|rank| Some(RankPoint { rank, rate: self.rank(rank)? })).collect();
        if let Some(all) = points.iter().position(|point| point.rate.point == 1.0) {
            points.truncate(all + 1);
        }
        points
    }

    /// TPIR over FPIR, from the strictest threshold to the laxest; empty without mated or without non-mated searches.
    #[must_use]
    pub fn open_set(&self) -> Vec<OpenSetPoint> {
        let n = self.counts().non_mated;
        if n == 0 {
            return Vec::new();
        }
        let mut thresholds: Vec<f32> =
            std::iter::once(0).chain(logarithmic(n)).map(|most| self.threshold(most)).collect();
        thresholds.dedup();
        let point = |threshold: f32| {
            let tpir = self.fnir(threshold)?.complement();
            Some(OpenSetPoint { threshold, fpir: self.fpir(threshold), tpir })
        };
        thresholds.into_iter().filter_map(point).collect()
    }
}

/// 1 … n; none for 0.
fn logarithmic(n: u64) -> impl Iterator<Item = u64> {
    let step = f64::from(POINTS - 1);
    (0..if n == 0 { 0 } else { POINTS }).map(move |i| ((n as f64).powf(f64::from(i) / step) + 1e-9) as u64)
}

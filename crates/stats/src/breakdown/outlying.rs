//! Slices whose error rate differs from that of all faces.

use statrs::distribution::{ContinuousCDF, Normal};

use super::{Breakdown, Slice, Warning};
use crate::estimate::Estimate;

/// One of the two error rates of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SliceRate {
    /// False non-match rate.
    Fnmr,
    /// False match rate.
    Fmr,
}

impl SliceRate {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Fnmr, Self::Fmr];

    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Fnmr => "false non-match rate",
            Self::Fmr => "false match rate",
        }
    }

    /// The rate of a slice.
    #[must_use]
    pub fn of(self, slice: &Slice) -> Option<&Estimate> {
        match self {
            Self::Fnmr => slice.fnmr.as_ref(),
            Self::Fmr => slice.fmr.as_ref(),
        }
    }

    /// Whether a slice may be too small for this rate.
    #[must_use]
    pub fn is_small(self, slice: &Slice) -> bool {
        let few = match self {
            Self::Fnmr => Warning::FewGenuine,
            Self::Fmr => Warning::FewImpostor,
        };
        slice.warnings.iter().any(|warning| [few, Warning::FewIdentities].contains(warning))
    }
}

/// A rate against that of all faces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// The whole interval is above it.
    Worse,
    /// The whole interval is below it.
    Better,
    /// The interval contains it, or there is none.
    Neither,
}

impl Against {
    /// Compares an estimate with the rate of all faces.
    #[must_use]
    pub fn of(estimate: &Estimate, all: f64) -> Self {
        match (estimate.lower, estimate.upper) {
            (Some(lower), _) if lower > all => Self::Worse,
            (_, Some(upper)) if upper < all => Self::Better,
            _ => Self::Neither,
        }
    }
}

/// A slice whose interval excludes the rate of all faces.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outlier<'a> {
    /// Column of the slice, as an index into [`Breakdown::columns`].
    pub column: usize,
    /// The slice, as an index into that column's.
    pub slice: usize,
    /// Which of its rates.
    pub rate: SliceRate,
    /// The rate.
    pub estimate: &'a Estimate,
    /// Rate of the slice ÷ rate of all faces; of a slice without an error, of its bound.
    pub ratio: f64,
    /// Whether the interval still excludes the rate of all faces when it is widened for the number of slices and rates
    /// judged (Bonferroni), so that it is not just the one in twenty that stands out by chance.
    pub beyond_chance: bool,
}

impl Breakdown {
    /// All of them, the furthest from the rate of all faces first.
    #[must_use]
    pub fn outlying(&self) -> Vec<Outlier<'_>> {
        let mut judged = Vec::new();
        for rate in SliceRate::ALL {
            let Some(all) = rate.of(&self.all).map(|all| all.point).filter(|all| *all > 0.0) else { continue };
            for (column, slices) in self.columns.iter().enumerate() {
                for (slice, found) in slices.slices.iter().enumerate() {
                    if let Some(estimate) = rate.of(found).filter(|_| !rate.is_small(found)) {
                        judged.push((column, slice, rate, estimate, all));
                    }
                }
            }
        }
        let tests = judged.len() as f64;
        let mut outliers = Vec::new();
        for (column, slice, rate, estimate, all) in judged {
            let ratio = estimate.point_or_bound() / all;
            let apart = Against::of(estimate, all) != Against::Neither && ratio.is_finite();
            let beyond_chance = apart && Against::of(&widened(estimate, tests), all) != Against::Neither;
            outliers.extend(apart.then_some(Outlier { column, slice, rate, estimate, ratio, beyond_chance }));
        }
        outliers.sort_by(|a, b| b.ratio.ln().abs().total_cmp(&a.ratio.ln().abs()));
        outliers
    }
}

/// The estimate with its interval widened, on the scale of log odds, to the level at which none of `tests` intervals
/// misses its value.
fn widened(estimate: &Estimate, tests: f64) -> Estimate {
    let z = |level: f64| Normal::standard().inverse_cdf(f64::midpoint(1.0, level));
    let all = 1.0 - (1.0 - estimate.level) / tests.max(1.0);
    let factor = z(all) / z(estimate.level);
    let odds = |rate: f64| (rate / (1.0 - rate)).ln();
    let wider = |end: f64| {
        let moved = odds(estimate.point) + (odds(end) - odds(estimate.point)) * factor;
        1.0 / (1.0 + (-moved).exp())
    };
    // A bound has no point to move from, and 0 and 1 have no odds.
    let inside = |end: &f64| !estimate.bound && (0.0..1.0).contains(end) && *end > 0.0;
    Estimate {
        lower: estimate.lower.filter(inside).map(wider),
        upper: estimate.upper.filter(inside).map(wider),
        ..estimate.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::breakdown::{Discard, SCHEMA, Slices};

    fn rate(point: f64, lower: f64, upper: f64) -> Estimate {
        Estimate { point, lower: Some(lower), upper: Some(upper), level: 0.95, ..Estimate::default() }
    }

    fn slice(fnmr: Estimate) -> Slice {
        Slice {
            name: String::new(),
            range: None,
            faces: 100,
            identities: 50,
            fnmr: Some(fnmr),
            fmr: None,
            warnings: Vec::new(),
        }
    }

    fn breakdown(slices: Vec<Slice>) -> Breakdown {
        Breakdown {
            schema: SCHEMA,
            threshold: 0.5,
            all: slice(rate(0.1, 0.08, 0.12)),
            columns: vec![Slices { column: "a".into(), unknown: 0, slices }],
            left_out: Vec::new(),
            discard: Discard::default(),
        }
    }

    #[test]
    fn only_intervals_without_the_rate_of_all_faces_stand_out() {
        let mut small = slice(rate(0.9, 0.8, 0.95));
        small.warnings = vec![Warning::FewGenuine];
        let found = breakdown(vec![
            slice(rate(0.12, 0.09, 0.16)),
            slice(rate(0.15, 0.102, 0.215)),
            slice(rate(0.02, 0.01, 0.04)),
            small,
        ]);
        let outliers: Vec<_> = found.outlying().iter().map(|one| (one.slice, one.beyond_chance)).collect();
        assert_eq!(outliers, [(2, true), (1, false)]);
    }

    #[test]
    fn more_slices_take_more_to_stand_out_beyond_chance() {
        let out = slice(rate(0.16, 0.115, 0.22));
        let beyond = |others: usize| {
            let slices = std::iter::once(out.clone()).chain(vec![slice(rate(0.1, 0.08, 0.12)); others]);
            breakdown(slices.collect()).outlying()[0].beyond_chance
        };
        assert!(beyond(0) && !beyond(20));
    }

    #[test]
    fn a_bound_is_worth_its_end() {
        let bound = Estimate { bound: true, ..rate(0.0, 0.0, 0.01) };
        let found = breakdown(vec![slice(bound)]);
        assert!((found.outlying()[0].ratio - 0.1).abs() < 1e-12 && !found.outlying()[0].beyond_chance);
    }
}

//! A number with its uncertainty: shared by JSON, tables and plots.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measured quantity with its confidence interval and sample size.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// The point estimate, in the quantity's own unit (cosines and rates have none).
    pub point: f64,
    /// Lower end of the interval, if one could be computed.
    pub lower: Option<f64>,
    /// Upper end of the interval, if one could be computed.
    pub upper: Option<f64>,
    /// Number of observations behind the estimate (pairs, faces or identities: `unit` says which).
    pub n: u64,
    /// What `n` counts.
    pub unit: Unit,
    /// Confidence level of the interval, e.g. 0.95.
    pub level: f64,
    /// How the interval was made, e.g. "identity bootstrap, 1000 replicates".
    pub method: String,
    /// The rate is known as a bound only: 0 errors were seen in `n`, print `upper` with "≤"; or, without an upper end,
    /// `n` is too small to see it at all, print `lower` with "≥".
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bound: bool,
}

impl Estimate {
    /// A point with its interval, if it has one.
    #[must_use]
    pub fn new(point: f64, interval: Option<(f64, f64)>, n: u64, unit: Unit, level: f64, method: String) -> Self {
        let (lower, upper) = interval.unzip();
        Self { point, lower, upper, n, unit, level, method, bound: false }
    }

    /// Of a rate: 1 less it.
    #[must_use]
    pub fn complement(self) -> Self {
        let (lower, upper) = (self.upper.map(|upper| 1.0 - upper), self.lower.map(|lower| 1.0 - lower));
        // Only a rate without errors is a bound; it becomes a complement of 1, and the other way round.
        let bound = self.point == 1.0 && upper.is_some();
        Self { point: 1.0 - self.point, lower, upper, bound, ..self }
    }

    /// The point, or of a rate without an error the bound that no error implies: what rates are ranked by.
    #[must_use]
    pub fn point_or_bound(&self) -> f64 {
        self.upper.filter(|_| self.bound).unwrap_or(self.point)
    }
}

/// What an [`Estimate`] counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Comparisons of two faces.
    #[default]
    Pairs,
    /// Embedded faces.
    Faces,
    /// Distinct identities.
    Identities,
    /// Probes that a gallery was searched for.
    Searches,
}

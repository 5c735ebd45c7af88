//! The difference of a run from the reference in one metric, and its verdict.

use schemars::JsonSchema;
use serde::Serialize;

use super::headline::{HeadlineMetric, MetricDirection};
use crate::estimate::Estimate;
use crate::verification::carriers::NO_SPREAD;
use crate::verification::paired::{self, Replicated};

/// Verdict on a difference from the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EffectVerdict {
    /// Every compared pair has the same cosine in both runs.
    Same,
    Better,
    Worse,
    /// The whole interval is above 0, for a metric without a better direction.
    Higher,
    /// The whole interval is below 0, for a metric without a better direction.
    Lower,
    /// The interval contains 0, or there is none.
    NotResolvable,
}

impl EffectVerdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Better => "better",
            Self::Worse => "worse",
            Self::Higher => "higher",
            Self::Lower => "lower",
            Self::NotResolvable => "not resolvable",
        }
    }
}

/// A difference of two runs in one metric.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Effect {
    /// The run's value minus the other's, with its paired interval.
    pub difference: Estimate,
    /// What the interval says.
    pub verdict: EffectVerdict,
}

impl Effect {
    /// Compares `run` with `reference`; `same` if all their cosines are equal.
    pub fn of(metric: HeadlineMetric, reference: &Replicated, run: &Replicated, same: bool) -> Self {
        Self::judged(metric.better(), paired::difference(reference, run), same)
    }

    /// Judges a difference in a metric whose better direction is `better`; `same` if the underlying data is equal.
    pub fn judged(better: MetricDirection, mut difference: Estimate, same: bool) -> Self {
        if !same && difference.lower.is_some() && difference.lower == difference.upper {
            (difference.lower, difference.upper, difference.method) = (None, None, NO_SPREAD.into());
        }
        let side = match (difference.lower, difference.upper) {
            (Some(lower), _) if lower > 0.0 => Some(true),
            (_, Some(upper)) if upper < 0.0 => Some(false),
            _ => None,
        };
        let verdict = match (side, better) {
            _ if same => EffectVerdict::Same,
            (None, _) => EffectVerdict::NotResolvable,
            (Some(true), MetricDirection::Neither) => EffectVerdict::Higher,
            (Some(false), MetricDirection::Neither) => EffectVerdict::Lower,
            (Some(up), better) if up == (better == MetricDirection::Higher) => EffectVerdict::Better,
            (Some(_), _) => EffectVerdict::Worse,
        };
        Self { difference, verdict }
    }

    /// Whether the whole interval is worse by more than `tolerance`; for a metric without a better direction, whether
    /// it differs by more.
    pub fn exceeds(&self, metric: HeadlineMetric, tolerance: f64) -> bool {
        let Estimate { lower: Some(lower), upper: Some(upper), .. } = self.difference else { return false };
        let (above, below) = (lower > tolerance, upper < -tolerance);
        match metric.better() {
            _ if self.verdict == EffectVerdict::Same => false,
            MetricDirection::Lower => above,
            MetricDirection::Higher => below,
            MetricDirection::Neither => above || below,
        }
    }
}

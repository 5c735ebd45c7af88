//! The rate of errors of a few faces, with an interval that knows that the pairs of one person go together.

use statrs::distribution::{ContinuousCDF, Normal};

use crate::estimate::{Estimate, Unit};
use crate::verification::carriers::{Worth, too_few};
use crate::verification::interval::wilson;

/// What the faces of one identity came to. A pair counts once for each of its faces that is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cluster {
    /// Wrong ones among the pairs.
    pub errors: u64,
    /// Pairs.
    pub pairs: u64,
}

/// Errors by pairs, identity by identity; `None` without pairs.
///
/// The rate is the ratio of two sums over identities, its variance that of a ratio estimator with identities as clusters
/// (Cochran 1977, §6.3; for face verification Fogliato, Patil & Perona 2023), and the interval Wilson's (1927) for the
/// number of independent pairs that would have that variance. Whom the faces are compared with is held fixed, so the
/// interval of a false match rate, where that is chance as well, is too narrow: by up to a factor of 2 where the slice is
/// everybody. A pair of two faces of the slice counts twice, so no more than half of the pairs are taken as independent,
/// and so many are behind the bound of a rate without error, or as many as there are identities when these are few.
#[must_use]
pub fn rate(clusters: &[Cluster], level: f64) -> Option<Estimate> {
    let pairs: u64 = clusters.iter().map(|cluster| cluster.pairs).sum();
    let errors: u64 = clusters.iter().map(|cluster| cluster.errors).sum();
    let different = pairs.div_ceil(2);
    if pairs == 0 {
        return None;
    }
    let identities = clusters.iter().filter(|cluster| cluster.pairs > 0).count();
    if errors == 0 || errors == pairs {
        let worth = Worth::new(different, "pairs", identities, "identities", None);
        let bound = if errors == 0 { worth.none(level) } else { worth.all(level) };
        return Some(Estimate { n: pairs, ..bound });
    }
    let point = errors as f64 / pairs as f64;
    let few = too_few(identities, "identities", "such pairs");
    let interval = few.is_none().then(|| {
        let effective = point * (1.0 - point) / variance(clusters, point, identities, pairs);
        wilson(point, effective.min(different as f64), Normal::standard().inverse_cdf(f64::midpoint(1.0, level)))
    });
    Some(Estimate {
        point,
        lower: interval.map(|(lower, _)| lower),
        upper: interval.map(|(_, upper)| upper),
        n: pairs,
        unit: Unit::Pairs,
        level,
        method: few.unwrap_or_else(|| {
            format!("Wilson, variance between {identities} identities, whom they are compared with held fixed")
        }),
        bound: false,
    })
}

/// Of the ratio of the sums of errors and pairs over clusters.
fn variance(clusters: &[Cluster], point: f64, identities: usize, pairs: u64) -> f64 {
    let residual = |cluster: &Cluster| cluster.errors as f64 - point * cluster.pairs as f64;
    let squares: f64 = clusters.iter().map(|cluster| residual(cluster).powi(2)).sum();
    let m = identities as f64;
    m / (m - 1.0) * squares / (pairs as f64).powi(2)
}

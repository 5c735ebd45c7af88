//! How well embeddings of a sample separate people. Pure.

use schemars::JsonSchema;
use serde::Serialize;

use crate::progress::{Cancel, Silent};
use crate::similarity::sampling::Quota;
use crate::similarity::{self, PairRequest, kernel::Rows, population::Population};
use crate::verification::interval::upper_bound_of_none;
use crate::verification::roc::{Roc, Survival, allowed};
use crate::verification::thresholds::TARGETS;

/// Confidence level of the bound on an error rate without observed errors.
const LEVEL: f64 = 0.95;

/// How well embeddings of a sample separate people.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Separation {
    /// Genuine pairs.
    pub genuine: u64,
    /// Impostor pairs.
    pub impostor: u64,
    /// Equal error rate, 0 … 1.
    pub eer: f64,
    /// Without observed errors: the rate at which 95% of such samples would have shown one.
    pub eer_bound: Option<f64>,
    /// True accept rates at the false match rates that the pairs can resolve.
    pub tar: Vec<Tar>,
}

/// True accept rate at one false match rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, JsonSchema)]
pub struct Tar {
    /// Highest false match rate allowed.
    pub fmr: f64,
    /// The true accept rate.
    pub tar: f64,
}

/// Compares all pairs. `None` without pairs of both kinds.
pub fn separation(data: &[f32], dimension: usize, population: &Population<'_>) -> Option<Separation> {
    let quota = Quota { genuine: population.available.genuine, impostor: population.available.impostor };
    if quota.genuine == 0 || quota.impostor == 0 {
        return None;
    }
    let rows = Rows { data, dimension };
    let request = PairRequest { quota, hardest: 0, watched: &[], seed: 0 };
    let found = similarity::compare(rows, population, &request, &Silent, &Cancel::default())?;
    let (genuine, impostor) = (Survival::new(&found.genuine.counts), Survival::new(&found.impostor.counts));
    let (eer, _) = Roc { genuine: &genuine, impostor: &impostor }.eer();
    let tar = TARGETS
        .into_iter()
        .map(|fmr| (fmr, allowed(fmr, quota.impostor)))
        .filter(|(_, matches)| *matches > 0)
        .map(|(fmr, matches)| Tar { fmr, tar: genuine.rate(impostor.lowest_edge(matches)) })
        .collect();
    let eer_bound = (eer == 0.0).then(|| upper_bound_of_none(quota.genuine.min(quota.impostor) as f64, LEVEL));
    Some(Separation { genuine: quota.genuine, impostor: quota.impostor, eer, eer_bound, tar })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::similarity::population::Labelled;

    fn judged(data: &[f32], who: &[&str]) -> Option<Separation> {
        let ids: Vec<String> = (0..who.len()).map(|i| i.to_string()).collect();
        let faces: Vec<_> = who
            .iter()
            .zip(&ids)
            .map(|(who, id)| Labelled { face_id: id, identity: Some(who), image_id: id, content: None })
            .collect();
        separation(data, 2, &Population::new(&faces, 0))
    }

    #[test]
    fn people_who_are_apart_have_no_errors_and_a_bound() {
        let found = judged(&[1.0, 0.0, 0.8, 0.6, -1.0, 0.0, -0.8, 0.6], &["a", "a", "b", "b"]).unwrap();
        assert_eq!((found.genuine, found.impostor, found.eer), (2, 4, 0.0));
        assert!(found.eer_bound.is_some() && found.tar.is_empty(), "four pairs resolve no false match rate");
    }

    #[test]
    fn people_who_are_mixed_up_have_errors() {
        let found = judged(&[1.0, 0.0, -1.0, 0.0, 1.0, 0.0, -1.0, 0.0], &["a", "a", "b", "b"]).unwrap();
        assert!(found.eer > 0.3 && found.eer_bound.is_none(), "{found:?}");
    }

    #[test]
    fn without_pairs_of_both_kinds_there_is_nothing_to_say() {
        assert_eq!(judged(&[1.0, 0.0, 0.8, 0.6], &["a", "a"]), None);
        assert_eq!(judged(&[1.0, 0.0, 0.8, 0.6], &["a", "b"]), None);
    }
}

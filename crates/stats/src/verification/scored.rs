//! Error rates from scores and identities, without embeddings.

use std::collections::BTreeMap;

use super::bootstrap::{Estimator, Resampling};
use super::cells::{CosineCell, CosineCells, MAX_UNITS};
use super::rates::RateEstimator;
use super::tally::Tally;
use super::thresholds;
use crate::estimate::Estimate;

/// The score of two faces and who they are. The pair is genuine when both identities are the same.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ScoredPair<'a> {
    /// Similarity, −1 to 1; the higher, the more alike.
    pub score: f32,
    /// Identity of either face.
    pub identities: (&'a str, &'a str),
}

/// Why error rates cannot be computed from scores.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum ScoredPairsError {
    /// A score outside the range of cosines.
    #[error("pair {pair} has score {score}: scores must be from -1 to 1; rescale them")]
    Score { pair: usize, score: f32 },
    /// Only one kind of pair, or none.
    #[error("{genuine} genuine and {impostor} impostor pairs: error rates need both kinds")]
    OneKind { genuine: u64, impostor: u64 },
}

/// Scored pairs, counted by score and by identity.
#[derive(Debug, Clone)]
pub struct ScoredPairs {
    estimator: Estimator,
    cells: CosineCells,
}

impl ScoredPairs {
    /// Counts the pairs. `level` is the confidence level of all intervals, e.g. 0.95. More than 100 identities are
    /// combined into 100 groups, in the order in which they first occur.
    ///
    /// # Errors
    /// [`ScoredPairsError`].
    pub fn new(pairs: &[ScoredPair<'_>], level: f64) -> Result<Self, ScoredPairsError> {
        let mut numbers = BTreeMap::new();
        let (mut genuine, mut impostor) = (Tally::default(), Tally::default());
        let mut scores: BTreeMap<(bool, u16, u16), Vec<f32>> = BTreeMap::new();
        for (pair, &ScoredPair { score, identities: (a, b) }) in pairs.iter().enumerate() {
            if !(-1.0..=1.0).contains(&score) {
                return Err(ScoredPairsError::Score { pair, score });
            }
            let [g, h] = [a, b].map(|name| {
                let next = numbers.len();
                (*numbers.entry(name).or_insert(next) % MAX_UNITS) as u16
            });
            if a == b { &mut genuine } else { &mut impostor }.add(score);
            scores.entry((a == b, g.min(h), g.max(h))).or_default().push(score);
        }
        let counts = [&genuine, &impostor].map(|tally| tally.moments.count());
        if counts.contains(&0) {
            return Err(ScoredPairsError::OneKind { genuine: counts[0], impostor: counts[1] });
        }
        let cells = |same: bool| {
            let scores = scores.iter().filter(|((kind, ..), _)| *kind == same);
            scores.filter_map(|(&(_, g, h), scores)| CosineCell::of((g, h), scores)).collect()
        };
        let identities = numbers.len();
        let cells =
            CosineCells { units: identities.min(MAX_UNITS), identities, genuine: cells(true), impostor: cells(false) };
        // Rates need no replicates.
        let how = Resampling { replicates: 0, level, seed: 0 };
        let found = Estimator::new(&genuine, &impostor, &cells, how, &|| false);
        let estimator = found.ok_or(ScoredPairsError::OneKind { genuine: counts[0], impostor: counts[1] })?;
        Ok(Self { estimator, cells })
    }

    /// Equal error rate.
    #[must_use]
    pub fn eer(&self) -> Estimate {
        self.rates().eer().0
    }

    /// True accept rate at the lowest threshold that keeps a false match rate; the interval includes the uncertainty of
    /// that threshold. `None` where the impostor pairs are too few to resolve the rate (`fmr` below 1 in their number).
    #[must_use]
    pub fn tar(&self, fmr: f64) -> Option<Estimate> {
        thresholds::tar_at(self.rates(), fmr)
    }

    fn rates(&self) -> RateEstimator<'_> {
        RateEstimator { estimator: &self.estimator, cells: &self.cells }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(names: &[String]) -> Vec<ScoredPair<'_>> {
        let mut pairs = Vec::new();
        for (i, a) in names.iter().enumerate() {
            pairs.extend((0..6).map(|k| ScoredPair { score: ((i + 7 * k) % 10) as f32 / 10.0, identities: (a, a) }));
            for (j, b) in names.iter().enumerate().skip(i + 1) {
                pairs.push(ScoredPair { score: ((3 * i + 5 * j) % 10) as f32 / 10.0 - 0.5, identities: (a, b) });
            }
        }
        pairs
    }

    #[test]
    fn rates_are_counted_and_their_intervals_hold_them() {
        let names: Vec<String> = (0..120).map(|i| format!("{i}")).collect();
        let found = ScoredPairs::new(&scored(&names), 0.95).unwrap();
        // At a threshold just above 0.3 a tenth of the impostor pairs match: 0.4, and 0.4 to 0.9 of the genuine ones.
        let tar = found.tar(0.11).unwrap();
        assert!((tar.point - 0.6).abs() < 1e-9, "{tar:?}");
        assert!(tar.lower.unwrap() < 0.6 && tar.upper.unwrap() > 0.6 && tar.method.contains("100 groups of 120"));
        let eer = found.eer();
        assert!((0.2..0.3).contains(&eer.point) && eer.lower < Some(eer.point) && eer.upper > Some(eer.point));
        assert_eq!(found.tar(1e-5), None, "7,140 impostor pairs");
        let few = ScoredPairs::new(&scored(&names[..5]), 0.95).unwrap().eer();
        assert!(few.lower.is_none() && few.method.contains("at least 8 identities"), "{few:?}");
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let pair = |score, b| ScoredPair { score, identities: ("a", b) };
        assert_eq!(
            ScoredPairs::new(&[pair(0.5, "a")], 0.95).unwrap_err(),
            ScoredPairsError::OneKind { genuine: 1, impostor: 0 }
        );
        let far = ScoredPairs::new(&[pair(0.5, "a"), pair(82.0, "b")], 0.95).unwrap_err();
        assert_eq!(far.to_string(), "pair 1 has score 82: scores must be from -1 to 1; rescale them");
        assert!(ScoredPairs::new(&[pair(f32::NAN, "a"), pair(0.1, "b")], 0.95).is_err());
    }
}

//! Verification protocols over published lists of pairs: the numbers of a benchmark's own evaluation, with intervals.
//!
//! `folds` is the published algorithm, `partition` cuts the list into folds, `distances` compares faces, and `uncertainty`
//! computes intervals over people.

mod distances;
mod folds;
mod groups;
mod listed_pair;
mod options;
mod partition;
pub mod uncertainty;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use folds::Fold;
pub use groups::{GROUP_QUANTITIES, GroupResult};
pub use listed_pair::{ABSENT, AbsentPair, DATASET_PAIRS, ListedPair, PairList};
pub use options::{Distance, FarTarget, Grid, PairsSource, Protocol, Split, WrittenProtocol, WrittenSplit};
pub use partition::PartitionError;

use crate::estimate::{Estimate, Unit};
use crate::similarity::kernel::Rows;
use uncertainty::{ListedPeople, Trial};

/// The result of a protocol for one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProtocolResult {
    /// The protocol as configured.
    pub protocol: Protocol,
    /// Number of pairs.
    pub pairs: ListedCounts,
    /// Fold by fold.
    pub folds: Vec<FoldResult>,
    /// Mean over folds of the share of test pairs that are decided rightly.
    pub accuracy: Estimate,
    /// Its population standard deviation over folds: what the published evaluation prints behind ±. Not an interval.
    pub accuracy_std: f64,
    /// Mean over folds of the share of genuine test pairs accepted at the false accept rate aimed at; `None` without any.
    pub val: Option<Estimate>,
    /// Its population standard deviation over folds.
    pub val_std: Option<f64>,
    /// The false accept rate that was met on the test pairs.
    pub far: Option<Estimate>,
    /// Area under the mean curve over folds, on the grid of thresholds.
    pub auc: Estimate,
    /// Equal error rate of that curve; `None` where the grid does not span it.
    pub eer: Option<Estimate>,
}

impl ProtocolResult {
    /// One of [`crate::metrics::PROTOCOL_QUANTITIES`].
    #[must_use]
    pub fn estimate(&self, quantity: &str) -> Option<&Estimate> {
        match quantity {
            "accuracy" => Some(&self.accuracy),
            "val" => self.val.as_ref(),
            "far" => self.far.as_ref(),
            "auc" => Some(&self.auc),
            "eer" => self.eer.as_ref(),
            _ => None,
        }
    }

    /// Standard deviation over folds of one of them, where the published evaluation prints it.
    #[must_use]
    pub fn over_folds(&self, quantity: &str) -> Option<f64> {
        match quantity {
            "accuracy" => Some(self.accuracy_std),
            "val" => self.val_std,
            _ => None,
        }
    }
}

/// Pairs of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ListedCounts {
    /// In the list.
    pub listed: u64,
    /// Compared pairs of one person.
    pub genuine: u64,
    /// Compared pairs of two people.
    pub impostor: u64,
    /// Left out: the dataset does not have a face of theirs, or it has no embedding.
    pub missing: u64,
    /// Of these, pairs that name a face which the dataset does not have.
    #[serde(default)]
    pub absent: u64,
}

/// One fold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FoldResult {
    /// Its number.
    pub fold: u32,
    /// Test pairs.
    pub pairs: u64,
    /// The most accurate distance threshold on the other folds.
    pub threshold: f64,
    /// Share of test pairs decided rightly.
    pub accuracy: f64,
    /// The threshold for VAL.
    pub val_threshold: f64,
    /// Share of genuine test pairs accepted.
    pub val: Option<f64>,
    /// Share of impostor test pairs accepted.
    pub far: Option<f64>,
}

/// The decision about one test pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairOutcome {
    /// Place in the list.
    pub pair: u32,
    /// Matrix rows.
    pub rows: (u32, u32),
    /// Who they are, as [`ListedPeople`] numbers them.
    pub people: (u32, u32),
    /// Whether the list says one person.
    pub same: bool,
    /// The fold it was tested in.
    pub fold: u32,
    /// In that fold.
    pub distance: f64,
    /// In that fold.
    pub threshold: f64,
    /// Accepted at the threshold for VAL.
    pub accepted_for_val: bool,
}

impl PairOutcome {
    /// Whether the decision was right.
    #[must_use]
    pub fn right(&self) -> bool {
        (self.distance < self.threshold) == self.same
    }
}

/// A list whose faces are rows of a matrix.
#[derive(Debug, Clone, Copy)]
pub struct Listed<'a> {
    /// The list, in manifest rows.
    pub pairs: &'a [ListedPair],
    /// Matrix row of each manifest row; `None` where it has no embedding.
    pub row_of: &'a [Option<u32>],
    /// Who each manifest row is.
    pub people: &'a ListedPeople,
}

/// Runs a protocol. Mean subtraction and distances are computed in f64 from the stored rows.
///
/// # Errors
/// [`PartitionError`] if the list cannot be cut into the folds that the protocol asks for.
pub fn run(
    protocol: &Protocol,
    list: Listed<'_>,
    rows: Rows<'_>,
    halves: bool,
    level: f64,
) -> Result<(ProtocolResult, Vec<PairOutcome>), PartitionError> {
    let numbers = partition::numbers(list.pairs, protocol.split)?;
    let row = |face: u32| list.row_of.get(face as usize).copied().flatten();
    let there: Vec<Present> = (0..)
        .zip(list.pairs)
        .zip(numbers)
        .filter_map(|((pair, listed), fold)| {
            Some(Present {
                pair,
                rows: (row(listed.a)?, row(listed.b)?),
                faces: (listed.a, listed.b),
                same: listed.same,
                fold,
            })
        })
        .collect();
    let same: Vec<bool> = there.iter().map(|pair| pair.same).collect();
    let pairs: Vec<_> = there.iter().map(|pair| pair.rows).collect();
    let numbers: Vec<u32> = there.iter().map(|pair| pair.fold).collect();
    let folds = partition::folds(&numbers, &same, protocol.split)?;
    let measure = distances::Measure { rows, distance: protocol.distance, halves };
    let once = if protocol.subtract_mean { Vec::new() } else { measure.all(&pairs, None) };
    let judged: Vec<_> = folds
        .par_iter()
        .map(|fold| {
            let centred = || {
                let mean = measure.mean(fold.train.iter().map(|&pair| pairs[pair]));
                measure.all(&pairs, Some(&mean))
            };
            let own = if protocol.subtract_mean { centred() } else { Vec::new() };
            let distances = if protocol.subtract_mean { &own } else { &once };
            let judged = folds::judge(distances, &same, fold, &protocol.thresholds, &protocol.far);
            let outcomes: Vec<PairOutcome> = fold
                .test
                .iter()
                .map(|&at| {
                    let (Present { pair, rows, faces, same, .. }, distance) = (there[at], distances[at]);
                    PairOutcome {
                        pair,
                        rows,
                        people: (list.people.of(faces.0), list.people.of(faces.1)),
                        same,
                        fold: fold.number,
                        distance,
                        threshold: judged.threshold,
                        accepted_for_val: distance < judged.val_threshold,
                    }
                })
                .collect();
            (judged, outcomes)
        })
        .collect();
    let (judged, outcomes): (Vec<_>, Vec<_>) = judged.into_iter().unzip();
    let mut outcomes = outcomes.concat();
    outcomes.sort_unstable_by_key(|outcome| outcome.pair);
    let result = Summary { protocol, list, folds: &folds, judged: &judged, outcomes: &outcomes, level }.result();
    Ok((result, outcomes))
}

/// A listed pair whose faces both have embeddings.
#[derive(Clone, Copy)]
struct Present {
    pair: u32,
    rows: (u32, u32),
    faces: (u32, u32),
    same: bool,
    fold: u32,
}

struct Summary<'a> {
    protocol: &'a Protocol,
    list: Listed<'a>,
    folds: &'a [Fold],
    judged: &'a [folds::JudgedFold],
    outcomes: &'a [PairOutcome],
    level: f64,
}

impl Summary<'_> {
    fn result(&self) -> ProtocolResult {
        let Self { protocol, list, folds, judged, outcomes, level } = *self;
        let of = |kind: bool| outcomes.iter().filter(move |outcome| outcome.same == kind);
        let accuracies: Vec<f64> = judged.iter().map(|fold| fold.accuracy).collect();
        let (accuracy, accuracy_std) = mean_and_std(&accuracies);
        let vals: Vec<f64> = judged.iter().filter_map(|fold| fold.val).collect();
        let fars: Vec<f64> = judged.iter().filter_map(|fold| fold.far).collect();
        let people = list.people;
        let rate = |point: f64, trials: &mut dyn Iterator<Item = Trial>| people.rate(point, trials, level);
        let accepted = |outcome: &PairOutcome| Trial { people: outcome.people, hit: outcome.accepted_for_val };
        let [fpr, tpr] = [folds::mean_curve(judged, |fold| &fold.fpr), folds::mean_curve(judged, |fold| &fold.tpr)];
        let (genuine, impostor) = (of(true).count() as u64, of(false).count() as u64);
        let bare = |point| {
            let method = "no interval: of the mean curve over folds, on the grid of thresholds".into();
            Estimate::new(point, None, genuine.min(impostor), Unit::Pairs, level, method)
        };
        ProtocolResult {
            protocol: protocol.clone(),
            pairs: ListedCounts {
                listed: list.pairs.len() as u64,
                genuine,
                impostor,
                missing: list.pairs.len() as u64 - self.present(),
                absent: list.pairs.iter().filter(|pair| pair.a == ABSENT || pair.b == ABSENT).count() as u64,
            },
            folds: folds
                .iter()
                .zip(judged)
                .map(|(fold, judged)| FoldResult {
                    fold: fold.number,
                    pairs: fold.test.len() as u64,
                    threshold: judged.threshold,
                    accuracy: judged.accuracy,
                    val_threshold: judged.val_threshold,
                    val: judged.val,
                    far: judged.far,
                })
                .collect(),
            accuracy: rate(
                accuracy,
                &mut outcomes.iter().map(|outcome| Trial { people: outcome.people, hit: outcome.right() }),
            ),
            accuracy_std,
            val: (!vals.is_empty()).then(|| rate(mean_and_std(&vals).0, &mut of(true).map(accepted))),
            val_std: (!vals.is_empty()).then(|| mean_and_std(&vals).1),
            far: (!fars.is_empty()).then(|| rate(mean_and_std(&fars).0, &mut of(false).map(accepted))),
            auc: bare(folds::auc(&fpr, &tpr)),
            eer: folds::eer(&fpr, &tpr).map(|point| match uncertainty::equal_errors(outcomes, level) {
                None => bare(point),
                Some(((lower, upper), method)) => {
                    let interval = Some((lower.min(point), upper.max(point)));
                    Estimate::new(point, interval, genuine.min(impostor), Unit::Pairs, level, method)
                }
            }),
        }
    }

    /// Listed pairs whose faces both have embeddings.
    fn present(&self) -> u64 {
        let there = |face: u32| self.list.row_of.get(face as usize).is_some_and(Option::is_some);
        self.list.pairs.iter().filter(|pair| there(pair.a) && there(pair.b)).count() as u64
    }
}

/// Mean and population standard deviation.
fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[cfg(test)]
mod tests;

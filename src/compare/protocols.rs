//! Accuracies of protocols that all runs ran on the same list of pairs, compared pair by pair.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::RunSummary;
use super::effect::Effect;
use super::headline::MetricDirection;
use crate::estimate::Estimate;
use crate::protocol::PairOutcome;
use crate::protocol::uncertainty::difference;

/// A protocol's accuracy in all runs.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct PairedProtocol {
    /// The protocol's name.
    pub protocol: String,
    /// Accuracy of each run, with its own interval.
    pub accuracies: Vec<Estimate>,
    /// Each run against the first, over the pairs that both decided; `None` for the first itself and without such pairs.
    pub effects: Vec<Option<Effect>>,
}

/// One run's part of it.
#[derive(Clone, Copy)]
struct Tested<'a> {
    accuracy: &'a Estimate,
    /// Pairs of the list, with and without embeddings.
    listed: u64,
    outcomes: &'a [PairOutcome],
    /// Face ids by row.
    ids: &'a [String],
}

impl PairedProtocol {
    pub fn name(&self) -> String {
        format!("accuracy of {}", self.protocol)
    }

    /// The protocols of the first run that all others ran on the same pairs. `ids` are the face ids of each run's rows.
    pub fn all(runs: &[&RunSummary], ids: &[Vec<String>]) -> Vec<Self> {
        let names = runs.iter().take(1).flat_map(|first| &first.evaluation.metrics.protocols);
        names.filter_map(|result| Self::of(&result.protocol.name, runs, ids)).collect()
    }

    fn of(protocol: &str, runs: &[&RunSummary], ids: &[Vec<String>]) -> Option<Self> {
        let tested = runs.iter().zip(ids).map(|(run, ids)| Tested::of(protocol, run, ids));
        let tested = tested.collect::<Option<Vec<_>>>()?;
        let first = tested.first()?;
        let effect = |run: &Tested<'_>| accuracy_change(&[(first.outcomes, run.outcomes)], first.accuracy.level);
        tested.iter().all(|run| run.is_on_the_list_of(first)).then(|| Self {
            protocol: protocol.into(),
            accuracies: tested.iter().map(|run| run.accuracy.clone()).collect(),
            effects: tested.iter().enumerate().map(|(run, tested)| effect(tested).filter(|_| run > 0)).collect(),
        })
    }
}

impl<'a> Tested<'a> {
    fn of(protocol: &str, run: &'a RunSummary, ids: &'a [String]) -> Option<Self> {
        let evaluation = &run.evaluation;
        let result = evaluation.metrics.protocols.iter().find(|result| result.protocol.name == protocol)?;
        let tested = evaluation.tested.iter().find(|tested| tested.protocol == protocol)?;
        Some(Self { accuracy: &result.accuracy, listed: result.pairs.listed, outcomes: &tested.pairs, ids })
    }

    /// Whether both lists have the same faces in the same places, as far as both have embeddings of them.
    fn is_on_the_list_of(&self, other: &Self) -> bool {
        let there: HashMap<u32, _> = other.outcomes.iter().map(|pair| (pair.pair, other.faces(pair))).collect();
        let same = |pair: &PairOutcome| there.get(&pair.pair).is_none_or(|faces| *faces == self.faces(pair));
        self.listed == other.listed && self.outcomes.iter().all(same)
    }

    /// Who is in a pair, and whether the list says one person.
    fn faces(&self, pair: &PairOutcome) -> (Option<&str>, Option<&str>, bool) {
        let id = |row: u32| self.ids.get(row as usize).map(String::as_str);
        (id(pair.rows.0), id(pair.rows.1), pair.same)
    }
}

/// The mean change of accuracy over pairs of runs (without, with), pair by pair of the list; `None` where they share no
/// pair.
pub fn accuracy_change(runs: &[(&[PairOutcome], &[PairOutcome])], level: f64) -> Option<Effect> {
    let distance = |pair: &PairOutcome| (pair.pair, pair.distance.to_bits());
    let same = runs.iter().all(|(without, with)| without.iter().map(distance).eq(with.iter().map(distance)));
    Some(Effect::judged(MetricDirection::Higher, difference(runs, level)?, same))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::EffectVerdict;

    /// Pairs of rows 0–1, 2–3, …; genuine ones are decided rightly below a distance of 1.
    fn outcomes(distances: &[f64]) -> Vec<PairOutcome> {
        let pair = |(pair, distance): (u32, &f64)| PairOutcome {
            pair,
            rows: (2 * pair, 2 * pair + 1),
            people: (pair, pair + 100),
            same: true,
            fold: 0,
            distance: *distance,
            threshold: 1.0,
            accepted_for_val: false,
        };
        (0..).zip(distances).map(pair).collect()
    }

    #[test]
    fn a_list_is_the_same_if_its_pairs_are_of_the_same_faces() {
        let (accuracy, pairs) = (Estimate::default(), outcomes(&[0.5, 0.5, 0.5]));
        let ids: Vec<String> = (0..6).map(|face| format!("f{face}")).collect();
        let first = Tested { accuracy: &accuracy, listed: 3, outcomes: &pairs, ids: &ids };
        // A run without the face 0, whose rows follow from the others, has the pairs of those.
        let rows = |pair: &PairOutcome| (pair.rows.0 - 1, pair.rows.1 - 1);
        let fewer: Vec<_> = pairs[1..].iter().map(|pair| PairOutcome { rows: rows(pair), ..*pair }).collect();
        assert!(Tested { outcomes: &fewer, ids: &ids[1..], ..first }.is_on_the_list_of(&first));
        assert!(!Tested { outcomes: &fewer, ..first }.is_on_the_list_of(&first), "other faces");
        let turned: Vec<_> = pairs.iter().map(|pair| PairOutcome { same: false, ..*pair }).collect();
        assert!(!Tested { outcomes: &turned, ..first }.is_on_the_list_of(&first));
        assert!(!Tested { listed: 4, ..first }.is_on_the_list_of(&first), "a longer list");
    }

    #[test]
    fn accuracies_are_compared_pair_by_pair() {
        let right = outcomes(&[0.5; 40]);
        let one_wrong = outcomes(&[&[2.0][..], &[0.5; 39]].concat());
        let found = accuracy_change(&[(&right, &one_wrong)], 0.95).unwrap();
        assert_eq!((found.difference.point, found.difference.n), (-0.025, 40));
        assert!(found.difference.method.contains("1 of 40 decisions differ"), "{found:?}");
        assert_eq!(accuracy_change(&[(&right, &right)], 0.95).unwrap().verdict, EffectVerdict::Same);
        assert!(accuracy_change(&[(&right[..1], &one_wrong[1..])], 0.95).is_none(), "no pair in common");
    }
}

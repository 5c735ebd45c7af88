//! Ablations of made-up numbers: assembly and text.

use insta::assert_snapshot;

use super::*;
use crate::compare::{EffectVerdict, Speed};
use crate::config::Step;
use crate::verification::carriers::EffectiveTrials;

/// Fixed values; a change is the mean of differences ± `spread`.
pub(crate) struct FixedValues {
    pub values: Vec<f64>,
    pub spread: f64,
}

impl RunValues for FixedValues {
    fn value(&self, run: usize) -> Option<Estimate> {
        let point = self.values[run];
        let [lower, upper] = [point - 0.05, point + 0.05].map(Some);
        Some(Estimate { point, lower, upper, bound: false, ..EffectiveTrials::independent(100).none(0.95) })
    }

    fn change(&self, pairs: &[(usize, usize)]) -> Option<Effect> {
        let differences = pairs.iter().map(|&(a, b)| self.values[b] - self.values[a]);
        let point = differences.sum::<f64>() / pairs.len() as f64;
        let [lower, upper] = [point - self.spread, point + self.spread].map(Some);
        let difference = Estimate { point, lower, upper, bound: false, ..EffectiveTrials::independent(100).none(0.95) };
        (!pairs.is_empty()).then(|| Effect::judged(MetricDirection::Lower, difference, false))
    }
}

fn asked(design: Design, steps: usize) -> config::Ablation {
    let step = |i: usize| Step { name: format!("step {}", i + 1), set: vec![format!("seed={i}")] };
    config::Ablation { metric: "eer".into(), design, steps: (0..steps).map(step).collect() }
}

/// An ablation whose variants have these error rates; `None`: not measured.
pub(crate) fn ablation(design: Design, steps: usize, values: &[Option<f64>], spread: f64) -> AblationResult {
    let asked = asked(design, steps);
    let metric = Metric {
        key: "eer".into(),
        name: "equal error rate".into(),
        better: MetricDirection::Lower,
        quantity: Quantity::Rate,
    };
    let computed = values.iter().enumerate().map(|(i, value)| match value {
        Some(_) => ComputedVariant {
            run: Some(format!("small-{i:012x}")),
            plan: vec![("seed".into(), i.to_string()), ("code".into(), "2".into())],
            adopted_from: (i == 1).then(|| "other-0123456789ab".into()),
            origin: Some(EmbeddingOrigin {
                program: "facevault 0.1.0".into(),
                device: "CPU <fast>".into(),
                weights: Digest::of(b"weights"),
                weights_bytes: 7 << 20,
                manifest: Digest::of(b"manifest"),
            }),
            ..ComputedVariant::default()
        },
        None => {
            ComputedVariant { err: Some("device `cuda` is not available & so on".into()), ..ComputedVariant::default() }
        }
    });
    let mut next = 0..;
    let place: Vec<_> = values.iter().map(|value| value.and_then(|_| next.next())).collect();
    let numbers = FixedValues { values: values.iter().copied().flatten().collect(), spread };
    let mut found = AblationResult::assemble(&asked, metric, computed.collect(), Some(&numbers), &place);
    found.config = "small".into();
    found.command = "facevault ablate small.yaml".into();
    found.shared = Some(Shared {
        faces: 60,
        identities: 12,
        left_out: 0,
        pairs: PairedPairs { mode: "exhaustive", genuine: 120, impostor: 1650 },
    });
    found
}

/// The same of variants that were all embedded here, so many faces a second.
pub(crate) fn ablation_with_speeds(
    design: Design,
    steps: usize,
    values: &[Option<f64>],
    speeds: &[f64],
) -> AblationResult {
    let mut found = ablation(design, steps, values, 0.005);
    for (variant, &median) in found.variants.iter_mut().zip(speeds) {
        variant.adopted_from = None;
        let (lower, upper) = (median * 0.9, median * 1.1);
        variant.speed = Some(Speed { median, lower, upper, chunks: 9, ratio: None, not_comparable: None });
    }
    found
}

fn points(found: &AblationResult) -> Vec<(String, Option<f64>)> {
    let point = |change: &Change| Some((change.effect.as_ref()?.difference.point * 1e6).round() / 1e6);
    found.changes.iter().map(|change| (change.step.clone(), point(change))).collect()
}

#[test]
fn a_path_has_a_change_for_each_step_and_one_for_all() {
    let found = ablation(Design::Steps, 3, &[Some(0.10), Some(0.12), Some(0.121), Some(0.04)], 0.005);
    assert_eq!(
        points(&found),
        [("step 1".into(), Some(0.02)), ("step 2".into(), Some(0.001)), ("step 3".into(), Some(-0.081))]
    );
    let total = found.total.as_ref().unwrap();
    assert_eq!(
        (total.pairs.as_slice(), total.effect.as_ref().unwrap().verdict),
        (&[(0, 3)][..], EffectVerdict::Better)
    );
    assert_snapshot!(found.headline(), @"From 10.00% to 4.00% equal error rate: −6.00 pp [−6.50, −5.50], better; the largest step is “step 3”: −8.10 pp [−8.60, −7.60], better. 1 of the 3 steps is indistinguishable from 0.");
    let text = found.to_text(400);
    for line in [
        "equal error rate: lower is better; each step keeps the changes before it",
        "on 60 faces of 12 identities: the same 120 genuine and 1650 impostor pairs in each (exhaustive)",
        "[0]  as configured  10.00% [5.00%, 15.00%]",
        "+2.00 pp [+1.50, +2.50]   worse  ",
        "indistinguishable from 0  –        small-000000000002",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let narrow = found.to_text(60);
    for line in ["\n[1]  step 1\n", "\n  eer  ", "\n  change from the previous  +2.00 pp [+1.50, +2.50]\n"] {
        assert!(narrow.contains(line), "{line}: {narrow}");
    }
}

#[test]
fn a_variant_without_a_number_makes_the_next_change_one_of_two_steps() {
    let found = ablation(Design::Steps, 3, &[Some(0.10), None, Some(0.13), Some(0.04)], 0.005);
    assert_eq!(
        points(&found),
        [("step 1".into(), None), ("step 1 + step 2".into(), Some(0.03)), ("step 3".into(), Some(-0.09))]
    );
    assert!(found.to_text(400).ends_with("not measured: step 1: device `cuda` is not available & so on"));
    // The total ends at the last measured variant.
    let found = ablation(Design::Steps, 2, &[Some(0.10), Some(0.12), None], 0.005);
    let total = found.total.unwrap();
    assert_eq!((total.step.as_str(), total.pairs.as_slice()), ("the measured steps", &[(0, 1)][..]));
}

#[test]
fn steps_alone_are_changes_of_the_config_itself() {
    let found = ablation(Design::Each, 3, &[Some(0.10), Some(0.12), None, Some(0.04)], 0.03);
    assert_eq!(
        points(&found),
        [("step 1".into(), Some(0.02)), ("step 2".into(), None), ("step 3".into(), Some(-0.06))]
    );
    assert!(found.total.is_none());
    assert_snapshot!(found.headline(), @"By equal error rate, the largest step is “step 3”: −6.00 pp [−9.00, −3.00], better. 1 of the 2 steps is indistinguishable from 0.");
}

#[test]
fn a_grid_averages_over_the_other_steps() {
    let found = ablation(Design::Grid, 2, &[Some(0.10), Some(0.12), Some(0.07), Some(0.11)], 0.005);
    assert_eq!(points(&found), [("step 1".into(), Some(0.03)), ("step 2".into(), Some(-0.02))]);
    assert_eq!(found.changes[0].over(), "2 of 2");
    let text = found.to_text(400);
    assert!(text.contains("step 1  +3.00 pp [+2.50, +3.50]") && text.contains("worse   2 of 2"), "{text}");
    assert!(text.contains("[3]  step 1 + step 2  11.00%"), "{text}");
    let found = ablation(Design::Grid, 2, &[Some(0.10), None, Some(0.07), Some(0.11)], 0.005);
    assert_eq!((found.changes[0].over(), points(&found)[0].1), ("1 of 2".into(), Some(0.04)));
}

#[test]
fn nothing_measured_says_so() {
    let found = ablation(Design::Each, 2, &[Some(0.10), None, None], 0.005);
    assert!(!found.measured());
    assert_eq!(found.headline(), "No step could be measured.");
    let _ = found.to_text(400);
}

#[test]
fn a_page_is_named_by_what_it_shows() {
    let values = [Some(0.1), Some(0.2)];
    let found = ablation(Design::Steps, 1, &values, 0.0);
    let name = found.page_name();
    assert!(name.starts_with("ablation-small-") && name.len() == "ablation-small-".len() + 12, "{name}");
    assert_eq!(ablation(Design::Steps, 1, &values, 0.1).page_name(), name);
    assert_ne!(ablation(Design::Each, 1, &values, 0.0).page_name(), name);
    assert_eq!(AblationResult { config: "ablation-lfw".into(), ..found }.page_name().find("ablation-lfw-"), Some(0));
}

//! Verification protocols, and published values next to this run's.

use super::page::{DataTable, Section};
use super::words::{count, counted, interval_name, maybe, or_dash, point, target, value_and_interval};
use crate::numbers::Quantity::{self, Plain, Rate};
use crate::protocol::{GroupResult, Protocol, ProtocolResult, Split};
use crate::published::{PublishedAgreement, PublishedResult};

/// All protocols of a run.
pub(super) fn protocols(results: &[ProtocolResult], groups: &[GroupResult]) -> Section {
    let section = Section::new("protocols", "Verification protocols");
    let Some(first) = results.first() else { return section };
    let name = interval_name(&first.accuracy);
    let mut table = DataTable::new(
        "Results by the published protocol",
        &["protocol", "quantity", "#value", "#± over folds", &format!("#{name}"), "interval method"],
    );
    for result in results {
        for (quantity, name) in [
            ("accuracy", "accuracy".to_owned()),
            ("val", format!("VAL at FAR {}", target(result.protocol.far.target))),
            ("far", "FAR on the test pairs".into()),
            ("auc", "area under the mean curve".into()),
            ("eer", "equal error rate of the mean curve".into()),
        ] {
            let Some(estimate) = result.estimate(quantity) else { continue };
            let [value, interval] = value_and_interval(Rate, estimate);
            let over_folds = maybe(result.over_folds(quantity), Rate);
            table.row([result.protocol.name.clone(), name, value, over_folds, interval, estimate.method.clone()]);
        }
    }
    table.note = "± over folds is the population standard deviation that the published evaluation prints: it measures how \
                  much folds differ, not how certain the mean is. The interval accounts for pairs that share people and \
                  takes the thresholds as given."
        .into();
    let mut folds = DataTable::new(
        "Fold by fold",
        &["protocol", "#fold", "#pairs", "#threshold", "#accuracy", "#threshold for VAL", "#VAL", "#FAR"],
    );
    for result in results {
        for fold in &result.folds {
            folds.row([
                result.protocol.name.clone(),
                fold.fold.to_string(),
                count(fold.pairs),
                Plain.value(fold.threshold),
                Rate.value(fold.accuracy),
                Plain.value(fold.val_threshold),
                maybe(fold.val, Rate),
                maybe(fold.far, Rate),
            ]);
        }
    }
    folds.note =
        "A pair is accepted when its distance is below the threshold, which is chosen on the other folds.".into();
    let apart = (!groups.is_empty()).then(|| between_groups(groups, &name));
    section.texts(results.iter().map(description)).with(table).with_all(apart).with(folds.folded())
}

/// What the protocols of each group have in common, and how far apart they are.
fn between_groups(groups: &[GroupResult], interval: &str) -> DataTable {
    let mut table = DataTable::new(
        "Accuracy over groups",
        &["group", "quantity", "#value", &format!("#{interval}"), "interval method"],
    );
    for group in groups {
        let spread = format!("highest less lowest ({} less {})", group.highest, group.lowest);
        for (quantity, name) in [
            ("mean", format!("mean of {}", group.protocols.join(", "))),
            ("spread", spread),
            ("std", "standard deviation over the group".into()),
        ] {
            let Some(estimate) = group.estimate(quantity) else { continue };
            let [value, interval] = value_and_interval(Rate, estimate);
            table.row([group.group.clone(), name, value, interval, estimate.method.clone()]);
        }
    }
    table.note =
        "The highest and the lowest of several are apart by chance alone, too: an interval that barely excludes 0 \
                  shows little."
            .into();
    table
}

/// The protocol in a sentence.
fn description(result: &ProtocolResult) -> String {
    let Protocol { name, split, distance, subtract_mean, thresholds, .. } = &result.protocol;
    let pairs = result.pairs;
    let split = match split {
        Split::Folds { .. } => {
            format!(
                "{}, each with thresholds from the other folds",
                counted(result.folds.len() as u64, "fold", "folds")
            )
        }
        Split::TrainTest => "thresholds from the training pairs, evaluated on the test pairs".into(),
    };
    let mean = if *subtract_mean { " after subtracting the training folds' mean" } else { "" };
    let missing = match pairs.missing {
        0 => String::new(),
        n => format!(
            " {} left out ({} with a face that the dataset does not contain, {} with a face without an embedding; \
             pairs_left_out.csv lists them): compare with care.",
            counted(n, "pair was", "pairs were"),
            count(pairs.absent),
            count(n - pairs.absent)
        ),
    };
    format!(
        "{name}: {} genuine and {} impostor test pairs of a list of {}; {split}; {} distance{mean}; \
         thresholds from {} up to but excluding {} in steps of {}.{missing}",
        count(pairs.genuine),
        count(pairs.impostor),
        count(pairs.listed),
        distance.name(),
        thresholds.from,
        thresholds.to,
        thresholds.step,
    )
}

/// Published values next to this run's.
pub(super) fn published(rows: &[PublishedResult]) -> Section {
    let name = rows.iter().find_map(|row| row.here.as_ref()).map_or_else(|| "interval".into(), interval_name);
    let mut table = DataTable::new(
        "Published values and this run's",
        &["metric", "#this run", &format!("#{name}"), "#published", "verdict", "source", "differences in method"],
    );
    for row in rows {
        let kind = Quantity::of_metric(&row.metric);
        let spread = |value: Option<f64>| value.map_or(String::new(), |value| format!(" ± {}", kind.value(value)));
        let here = row.here.as_ref();
        table.marked(
            row.standing == PublishedAgreement::Below,
            [
                row.metric.clone(),
                or_dash(here.map(|here| point(kind, here) + &spread(row.over_folds))),
                here.map_or_else(String::new, |here| kind.interval(here)),
                kind.value(row.published) + &spread(row.plus_minus),
                sign(row.standing).to_owned() + row.standing.words(),
                row.source.clone(),
                if row.differs.is_empty() { "none known".into() } else { row.differs.join("; ") },
            ],
        );
    }
    table.note =
        "“Agrees” means that the published value is within this run's interval: this number of pairs cannot tell the two \
         apart. Where the method differs, expect the values to differ."
            .into();
    Section::new("beside", "Published values").with(table)
}

fn sign(standing: PublishedAgreement) -> &'static str {
    match standing {
        PublishedAgreement::Agrees => "✓ ",
        PublishedAgreement::Above => "▲ ",
        PublishedAgreement::Below => "▼ ",
        PublishedAgreement::NoInterval | PublishedAgreement::NotMeasured => "○ ",
    }
}

//! Verification protocols, and published values beside this run's.

use super::page::{Section, Table};
use super::words::{NONE, count, counted, interval_name, maybe, point, target};
use crate::numbers::Quantity::{self, Plain, Rate};
use crate::protocol::ProtocolResult;
use crate::protocol::{Protocol, Split};
use crate::published::{PublishedAgreement, PublishedResult};

/// A section for all protocols of a run; `None` without any.
pub(super) fn protocols(results: &[ProtocolResult]) -> Option<Section> {
    let first = results.first()?;
    let name = interval_name(&first.accuracy);
    let mut table = Table::new(
        "What the published evaluation says",
        &["protocol", "quantity", "#value", "#± over folds", &format!("#{name}"), "how the interval was made"],
    );
    for result in results {
        for (quantity, words) in [
            ("accuracy", "accuracy".to_owned()),
            ("val", format!("VAL at FAR {}", target(result.protocol.far.target))),
            ("far", "FAR met on the test pairs".into()),
            ("auc", "area under the mean curve".into()),
            ("eer", "equal error rate of the mean curve".into()),
        ] {
            let Some(estimate) = result.estimate(quantity) else { continue };
            table.row([
                result.protocol.name.clone(),
                words,
                point(Rate, estimate),
                result.over_folds(quantity).map_or_else(|| NONE.into(), |std| maybe(Some(std), Rate)),
                Rate.interval(estimate),
                estimate.method.clone(),
            ]);
        }
    }
    table.note = "± over folds is the population standard deviation that the published evaluation prints: it says how folds \
                  differ, not how sure the mean is. The interval knows that pairs share people, and takes the thresholds as \
                  given."
        .into();
    let mut folds = Table::new(
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
        "A pair is accepted when its distance is below the threshold, which comes from the other folds.".into();
    Some(Section {
        id: "protocols",
        title: "Verification protocols".into(),
        text: results.iter().map(sentence).collect(),
        blocks: vec![table.into(), folds.folded().into()],
        ..Section::default()
    })
}

/// What was done, in a sentence.
fn sentence(result: &ProtocolResult) -> String {
    let Protocol { name, split, distance, subtract_mean, thresholds, .. } = &result.protocol;
    let pairs = result.pairs;
    let split = match split {
        Split::Folds { .. } => {
            format!("{} in turn, the thresholds from all others", counted(result.folds.len() as u64, "fold", "folds"))
        }
        Split::TrainTest => "thresholds from the training pairs, judged on the test pairs".into(),
    };
    let mean = if *subtract_mean { " after subtracting the training folds' mean" } else { "" };
    let missing = match pairs.missing {
        0 => String::new(),
        n => format!(
            " {} left out ({} of a face that the dataset does not have, {} of one without an embedding; \
             pairs_left_out.csv names them): compare with care.",
            counted(n, "pair was", "pairs were"),
            count(pairs.absent),
            count(n - pairs.absent)
        ),
    };
    format!(
        "{name}: {} same-identity and {} different-identity test pairs of a list of {}; {split}; {} distance{mean}; \
         thresholds from {} to below {} in steps of {}.{missing}",
        count(pairs.genuine),
        count(pairs.impostor),
        count(pairs.listed),
        distance.name(),
        thresholds.from,
        thresholds.to,
        thresholds.step,
    )
}

/// Published values beside this run's; `None` without any.
pub(super) fn published(rows: &[PublishedResult]) -> Option<Section> {
    if rows.is_empty() {
        return None;
    }
    let name = rows.iter().find_map(|row| row.here.as_ref()).map_or_else(|| "interval".into(), interval_name);
    let mut table = Table::new(
        "Published values and this run's",
        &["metric", "#here", &format!("#{name}"), "#published", "verdict", "source", "what differs"],
    );
    for row in rows {
        let kind = Quantity::of_metric(&row.metric);
        let spread = |value: Option<f64>| value.map_or(String::new(), |value| format!(" ± {}", kind.value(value)));
        let here = row.here.as_ref();
        let class = if row.standing == PublishedAgreement::Below { "bad" } else { "" };
        table.classed(
            class,
            [
                row.metric.clone(),
                here.map_or_else(|| NONE.into(), |here| point(kind, here) + &spread(row.over_folds)),
                here.map_or_else(String::new, |here| kind.interval(here)),
                kind.value(row.published) + &spread(row.plus_minus),
                sign(row.standing).to_owned() + row.standing.words(),
                row.source.clone(),
                if row.differs.is_empty() { "nothing known".into() } else { row.differs.join("; ") },
            ],
        );
    }
    table.note =
        "“Agrees” means that the published value lies in this run's interval: with so many pairs the two cannot be \
                  told apart. Where something differs, a difference in value is to be expected."
            .into();
    Some(Section {
        id: "beside",
        title: "Beside published values".into(),
        blocks: vec![table.into()],
        ..Section::default()
    })
}

fn sign(standing: PublishedAgreement) -> &'static str {
    match standing {
        PublishedAgreement::Agrees => "✓ ",
        PublishedAgreement::Above => "▲ ",
        PublishedAgreement::Below => "▼ ",
        PublishedAgreement::NoInterval | PublishedAgreement::NotMeasured => "○ ",
    }
}

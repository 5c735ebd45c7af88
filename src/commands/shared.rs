//! What several commands print, and how they end.

use crate::dataset::LeftOut;
use crate::embed::EmbedSummary;
use crate::error::{CommandOutcome, Error};
use crate::metrics::{Judged, Metrics};
use crate::numbers::{self, Quantity};
use crate::run::{Evaluated, RunDirectory};
use crate::terminal::say;

/// Fails a run without a single embedding.
pub(super) fn any_embedded(run: &RunDirectory, summary: &EmbedSummary) -> Result<(), Error> {
    if summary.embedded > 0 {
        return Ok(());
    }
    let file = run.file(RunDirectory::FAILURES).display().to_string();
    Err(Error::NothingEmbedded { faces: summary.rows, file })
}

/// How a command ends after an evaluation.
pub(super) fn outcome(evaluated: &Evaluated) -> CommandOutcome {
    if evaluated.met() { CommandOutcome::Done } else { CommandOutcome::ExpectationNotMet }
}

pub(super) fn interrupted(resume: &str) -> CommandOutcome {
    say(&format!("interrupted; {resume}"));
    CommandOutcome::Interrupted
}

/// The line that says why there are no numbers.
pub(super) fn not_evaluated(reason: &str) -> String {
    format!("not evaluated: {reason}")
}

/// The line about files in the dataset's folders that are not faces, if there are any.
pub(super) fn left_out(left_out: &LeftOut) -> Option<String> {
    (!left_out.is_empty()).then(|| format!("left out: {left_out}"))
}

/// The headline numbers, a line each.
pub(super) fn headline(metrics: &Metrics) -> String {
    let mut lines = vec![
        format!(
            "genuine cosine   {}   {} pairs",
            Quantity::Cosine.sentence(&metrics.genuine.mean),
            metrics.pairs.genuine
        ),
        format!(
            "impostor cosine  {}   {} pairs",
            Quantity::Cosine.sentence(&metrics.impostor.mean),
            metrics.pairs.impostor
        ),
        format!("equal error rate {}", Quantity::Rate.sentence(&metrics.eer)),
    ];
    let resolved = || metrics.operating_points.iter().filter_map(|point| Some((point.target_fmr, point.tar.as_ref()?)));
    // The strictest rate that at least 30 expected false matches support (Doddington's rule of 30).
    let backed = resolved().rfind(|(target, _)| target * metrics.pairs.impostor as f64 >= 30.0);
    if let Some((target, tar)) = backed.or_else(|| resolved().next()) {
        lines.push(format!("TAR at FMR {target:e}  {}", Quantity::Rate.sentence(tar)));
    }
    lines.push(format!("FMR1000          {}", Quantity::Rate.sentence(&metrics.fmr1000)));
    lines.extend(metrics.protocols.iter().map(|found| {
        let (accuracy, spread) = (Quantity::Rate.sentence(&found.accuracy), Quantity::Rate.value(found.accuracy_std));
        let missing = match found.pairs.missing {
            0 => String::new(),
            n => format!(", {n} of {} pairs left out", found.pairs.listed),
        };
        format!("{:<16} accuracy {accuracy}, ± {spread} over folds{missing}", found.protocol.name)
    }));
    lines.join("\n")
}

/// One judged expectation in words; `known` is a reason that has been printed already.
pub(super) fn expectation(judged: &Judged, known: Option<&str>) -> String {
    let (metric, (value, range)) = (&judged.metric, numbers::judged(judged));
    match value {
        Ok(value) => {
            let verdict = if judged.met { "met    " } else { "NOT MET" };
            format!("{verdict} {metric} is {value}, expected {range}")
        }
        Err(reason) if !reason.is_empty() && Some(reason.as_str()) != known => {
            format!("NOT JUDGED {metric}, expected {range}: {reason}")
        }
        Err(_) => format!("NOT JUDGED {metric}, expected {range}"),
    }
}

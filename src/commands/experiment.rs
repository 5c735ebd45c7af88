//! `experiment CONFIG`: all steps.

use serde::Serialize;

use super::embed::EmbedOutput;
use super::{options_to_repeat, print, with_context};
use crate::agreement::PrecisionAgreement;
use crate::cli::ConfigArgs;
use crate::config::{self, Published};
use crate::dataset::LeftOut;
use crate::embed::{EmbedOutcome, EmbedSummary};
use crate::error::{CommandOutcome, Error};
use crate::metrics::{Judged, Metrics};
use crate::numbers::{self, Quantity};
use crate::pages;
use crate::published::{self, PublishedResult};
use crate::run::{Evaluated, MissingBoxes, RunContext, RunDirectory};
use crate::terminal::say;

/// What `experiment --json` prints.
#[derive(Debug, Serialize)]
struct ExperimentOutput<'a> {
    status: &'static str,
    #[serde(flatten)]
    embedded: EmbedOutput,
    report: Option<String>,
    expectations: &'a [Judged],
    #[serde(skip_serializing_if = "Option::is_none")]
    not_evaluated: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<&'a Metrics>,
    published: Vec<PublishedResult>,
}

pub(super) fn run(arguments: &ConfigArgs) -> Result<CommandOutcome, Error> {
    let loaded = config::load(&arguments.config, &arguments.overrides)?;
    let published = loaded.config.published.clone();
    with_context(&arguments.common, |context| {
        let resume = || {
            format!(
                "to resume: facevault experiment {}{}",
                arguments.config.display(),
                options_to_repeat(&arguments.common, &arguments.overrides)
            )
        };
        let prepared = match context.prepare(&arguments.config, loaded) {
            Err(error) if error.interrupted() => return Ok(interrupted(&resume())),
            other => other?,
        };
        let run = prepared.directory.clone();
        let whole = prepared.missing_boxes;
        let finished_before = run.has(RunDirectory::SEALED);
        context.progress.say(&format!("run {}", run.path().display()));
        let summary = match context.embed(prepared) {
            Ok(EmbedOutcome::Complete(summary)) => summary,
            Ok(EmbedOutcome::Interrupted(_)) => return Ok(interrupted(&resume())),
            Err(error) => return Err(error.into()),
        };
        finish(context, arguments, &run, (&summary, &published, whole), finished_before, &resume())
    })
}

/// The steps after embedding.
fn finish(
    context: &RunContext<'_>,
    arguments: &ConfigArgs,
    run: &RunDirectory,
    (summary, published, whole): (&EmbedSummary, &[Published], Option<MissingBoxes>),
    finished_before: bool,
    resume: &str,
) -> Result<CommandOutcome, Error> {
    // A changed expectation breaks the seal: a run that is still sealed was complete before.
    let nothing_to_do = finished_before && run.has(RunDirectory::SEALED);
    let evaluated = match context.evaluate(run, false) {
        Err(error) if error.interrupted() => return Ok(interrupted(resume)),
        other => other?,
    };
    let (metrics, report, not_evaluated) = match &evaluated {
        Evaluated::Metrics(evaluation) => {
            (Some(&evaluation.metrics), Some(pages::experiment(&arguments.common.reports, run)?), None)
        }
        Evaluated::NotEvaluable { reason, .. } => (None, None, Some(reason.as_str())),
    };
    let done = ExperimentOutput {
        status: match (summary.embedded, nothing_to_do) {
            (0, _) => "nothing-embedded",
            (_, true) => "already-complete",
            (_, false) => "complete",
        },
        embedded: EmbedOutput::new(run, summary, whole)?,
        report: report.map(|path| path.display().to_string()),
        expectations: evaluated.expectations(),
        not_evaluated,
        published: metrics
            .map(|metrics| published::compare(metrics, published, &arguments.overrides))
            .unwrap_or_default(),
        metrics,
    };
    if nothing_to_do {
        context.progress.say("already complete: nothing to do");
    }
    print(&arguments.common, &done, || text(&done))?;
    any_embedded(run, summary)?;
    Ok(outcome(&evaluated))
}

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

fn text(done: &ExperimentOutput<'_>) -> String {
    let mut lines = done.embedded.lines();
    if let Some(metrics) = done.metrics {
        lines.push(headline(metrics));
    }
    lines.extend(done.not_evaluated.map(not_evaluated));
    lines.extend(done.embedded.agreement.iter().flat_map(PrecisionAgreement::lines));
    lines.extend(done.expectations.iter().map(|judged| expectation(judged, done.not_evaluated)));
    lines.extend(done.published.iter().map(published_line));
    lines.extend(done.embedded.caution.clone());
    lines.push(format!("run     {}", done.embedded.directory));
    if let Some(report) = &done.report {
        lines.push(format!("report  {report}"));
    }
    lines.join("\n")
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

/// One published value in words.
fn published_line(row: &PublishedResult) -> String {
    let kind = Quantity::of_metric(&row.metric);
    let here = row.here.as_ref().map_or_else(|| "not measured".into(), |here| kind.sentence(here));
    let differs = if row.differs.is_empty() { String::new() } else { format!("; differs: {}", row.differs.join(", ")) };
    let (published, verdict) = (kind.value(row.published), row.standing.words());
    format!("{verdict:<7} {} is {here}, published {published} ({}{differs})", row.metric, row.source)
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

//! `experiment CONFIG`: all steps.

use serde::Serialize;

use super::{options_to_repeat, print, with_context};
use crate::agreement::PrecisionAgreement;
use crate::cli::ConfigArgs;
use crate::config::{self, Published};
use crate::dataset::LeftOut;
use crate::embed::{EmbedOutcome, EmbedSummary};
use crate::error::{CommandOutcome, Error};
use crate::metrics::{Judged, Metrics};
use crate::numbers::Quantity;
use crate::provenance::RunArithmetic;
use crate::published::{self, PublishedResult};
use crate::run::{self, Evaluated, Failures, MissingBoxes, RunContext, RunDirectory};
use crate::terminal::say;

/// What `experiment --json` prints.
#[derive(Debug, Serialize)]
struct ExperimentOutput<'a> {
    status: &'static str,
    run: String,
    directory: String,
    report: Option<String>,
    faces: usize,
    embedded: usize,
    failed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<&'a Failures>,
    resumed: usize,
    #[serde(skip_serializing_if = "LeftOut::is_empty")]
    left_out: LeftOut,
    #[serde(skip_serializing_if = "Option::is_none")]
    without_box: Option<u64>,
    #[serde(skip)]
    caution: Option<String>,
    expectations: &'a [Judged],
    #[serde(skip_serializing_if = "Option::is_none")]
    agreement: Option<PrecisionAgreement>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arithmetic: Option<RunArithmetic>,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_evaluated: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<&'a Metrics>,
    published: Vec<PublishedResult>,
}

/// Runs it.
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
    // A changed expectation takes the seal off; a run that is still sealed is exactly this one.
    let nothing_to_do = finished_before && run.has(RunDirectory::SEALED);
    let failures = run::failures(run)?;
    let evaluated = match context.evaluate(run, false) {
        Err(error) if error.interrupted() => return Ok(interrupted(resume)),
        other => other?,
    };
    let (metrics, report, not_evaluated) = match &evaluated {
        Evaluated::Metrics(evaluation) => (Some(&evaluation.metrics), Some(context.report(run)?), None),
        Evaluated::NotEvaluable { reason, .. } => (None, None, Some(reason.as_str())),
    };
    let done = ExperimentOutput {
        status: match (summary.embedded, nothing_to_do) {
            (0, _) => "nothing-embedded",
            (_, true) => "already-complete",
            (_, false) => "complete",
        },
        run: run.name(),
        directory: run.path().display().to_string(),
        report: report.map(|path| path.display().to_string()),
        faces: summary.rows,
        embedded: summary.embedded,
        failed: summary.failed,
        failures: failures.as_ref(),
        resumed: summary.resumed,
        left_out: run::left_out(run)?,
        without_box: whole.map(|whole| whole.without_box),
        caution: whole.map(|whole| whole.sentence()),
        expectations: evaluated.expectations(),
        agreement: run::agreement(run)?,
        arithmetic: run::arithmetic(run)?,
        not_evaluated,
        published: metrics
            .map(|metrics| published::beside(metrics, published, &arguments.overrides))
            .unwrap_or_default(),
        metrics,
    };
    if nothing_to_do {
        context.progress.say("this experiment is complete: nothing to do");
    }
    print(&arguments.common, &done, || text(&done))?;
    any_embedded(run, summary)?;
    Ok(outcome(&evaluated))
}

/// A run without one embedding has failed, however it is looked at.
pub(super) fn any_embedded(run: &RunDirectory, summary: &EmbedSummary) -> Result<(), Error> {
    if summary.embedded > 0 {
        return Ok(());
    }
    let file = run.file(RunDirectory::FAILURES).display().to_string();
    Err(Error::NothingEmbedded { faces: summary.rows, file })
}

/// The exit code that an evaluation stands for.
pub(super) fn outcome(evaluated: &Evaluated) -> CommandOutcome {
    if evaluated.met() { CommandOutcome::Done } else { CommandOutcome::ExpectationNotMet }
}

pub(super) fn interrupted(resume: &str) -> CommandOutcome {
    say(&format!("interrupted; {resume}"));
    CommandOutcome::Interrupted
}

fn text(done: &ExperimentOutput<'_>) -> String {
    let mut lines = vec![format!("{} of {} faces embedded, {} failed", done.embedded, done.faces, done.failed)];
    lines.extend(left_out(&done.left_out));
    if let Some(metrics) = done.metrics {
        lines.push(numbers(metrics));
    }
    lines.extend(done.not_evaluated.map(not_evaluated));
    lines.extend(done.agreement.iter().flat_map(PrecisionAgreement::lines));
    lines.extend(done.expectations.iter().map(|judged| expectation(judged, done.not_evaluated)));
    lines.extend(done.published.iter().map(published_line));
    lines.extend(done.caution.clone());
    lines.push(format!("run     {}", done.directory));
    if let Some(report) = &done.report {
        lines.push(format!("report  {report}"));
    }
    lines.join("\n")
}

/// That there are no numbers, and why.
pub(super) fn not_evaluated(reason: &str) -> String {
    format!("not evaluated: {reason}")
}

/// What the dataset's folders hold beside its faces, if there is something.
pub(super) fn left_out(left_out: &LeftOut) -> Option<String> {
    (!left_out.is_empty()).then(|| format!("left out: {left_out}"))
}

/// The headline numbers, a line each.
pub(super) fn numbers(metrics: &Metrics) -> String {
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
    // The strictest rate with enough false matches behind it to mean something (Doddington's rule of 30).
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
    let kind = Quantity::of_metric(&row.metric).unwrap_or(Quantity::Plain);
    let here = row.here.as_ref().map_or_else(|| "not measured".into(), |here| kind.sentence(here));
    let differs = if row.differs.is_empty() { String::new() } else { format!("; differs: {}", row.differs.join(", ")) };
    let (published, verdict) = (kind.value(row.published), row.standing.words());
    format!("{verdict:<7} {} is {here}, published {published} ({}{differs})", row.metric, row.source)
}

/// One judged expectation in words; `said` is a reason that need not be said again.
pub(super) fn expectation(judged: &Judged, said: Option<&str>) -> String {
    let range = match (judged.min, judged.max) {
        (Some(min), Some(max)) => format!("between {min} and {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, Some(max)) => format!("at most {max}"),
        (None, None) => "any value".into(),
    };
    let metric = &judged.metric;
    match (judged.value, &judged.not_judged) {
        (Some(value), _) => {
            let verdict = if judged.met { "met    " } else { "NOT MET" };
            let value = if metric.starts_with("faces.") { value.to_string() } else { format!("{value:.4}") };
            format!("{verdict} {metric} is {value}, expected {range}")
        }
        (None, Some(reason)) if Some(reason.as_str()) != said => {
            format!("NOT JUDGED {metric}, expected {range}: {reason}")
        }
        (None, _) => format!("NOT JUDGED {metric}, expected {range}"),
    }
}

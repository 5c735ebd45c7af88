//! `experiment CONFIG`: all steps.

use schemars::JsonSchema;
use serde::Serialize;

use super::embed::EmbedOutput;
use super::shared::{
    any_embedded, config_for, donors, expectation, found, interrupted, not_evaluated, outcome, reuse_options,
};
use super::{options_to_repeat, print, with_context};
use crate::agreement::PrecisionAgreement;
use crate::cli::{ConfigArgs, ExperimentArgs};
use crate::config::Published;
use crate::embed::{EmbedOutcome, EmbedSummary};
use crate::error::{CommandOutcome, Error};
use crate::metrics::{Judged, Metrics};
use crate::numbers::Quantity;
use crate::pages;
use crate::published::{self, PublishedResult};
use crate::run::{self, Evaluated, MissingBoxes, RunContext, RunDirectory};

/// What `experiment --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExperimentOutput<'a> {
    /// `complete`, `already-complete` if there was nothing to do, or `nothing-embedded`.
    status: &'static str,
    #[serde(flatten)]
    embedded: EmbedOutput,
    /// Path of the report; `None` without metrics.
    report: Option<String>,
    /// The config's expectations (`expect:`), judged.
    expectations: &'a [Judged],
    /// Why there are no metrics, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_evaluated: Option<&'a str>,
    /// The content of `metrics.json`.
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<&'a Metrics>,
    /// The config's published values (`published:`) beside the measured ones.
    published: Vec<PublishedResult>,
}

pub(super) fn run(
    ExperimentArgs { config: arguments, fresh, reuse }: &ExperimentArgs,
) -> Result<CommandOutcome, Error> {
    let loaded = config_for("experiment", &arguments.config, &arguments.overrides, &arguments.common)?;
    let published = loaded.config.published.clone();
    let options = options_to_repeat(&arguments.common, &arguments.overrides);
    let afresh = if *fresh { " --fresh" } else { "" };
    let donors = donors(reuse, &arguments.common.experiments)?;
    let alone = reuse_options(reuse);
    let again = format!("to resume: facevault experiment {}{afresh}{alone}{options}", arguments.config.display());
    with_context(&arguments.common, &again, |context| {
        let prepared = match context.prepare(&arguments.config, loaded) {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            other => other?,
        };
        let prepared = if *fresh { prepared.fresh()? } else { prepared.reusing(donors) };

        let run = prepared.directory.clone();
        let whole = prepared.missing_boxes;
        let finished_before = run.has(RunDirectory::SEALED);
        context.progress.say(&format!("run {}", run.shown()));
        let summary = match context.embed(prepared) {
            Ok(EmbedOutcome::Complete(summary)) => summary,
            Ok(EmbedOutcome::Interrupted(_)) => return Ok(interrupted(&again)),
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            Err(error) => return Err(error.into()),
        };
        finish(context, arguments, &run, (&summary, &published, whole), finished_before, &again)
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
        let by = run::other_build(run)?.map_or_else(String::new, |build| {
            format!(" (embedded by build {build}; with `--fresh`, this build embeds another run)")
        });
        context.progress.say(&format!("already complete: nothing to do{by}"));
    }
    print(&arguments.common, &done, || text(&done))?;
    any_embedded(run, summary.rows, summary.embedded)?;
    Ok(outcome(&evaluated))
}

fn text(done: &ExperimentOutput<'_>) -> String {
    let mut lines = done.embedded.lines();
    if let Some(metrics) = done.metrics {
        lines.push(found(metrics));
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

/// One published value in words.
fn published_line(row: &PublishedResult) -> String {
    let kind = Quantity::of_metric(&row.metric);
    let here = row.here.as_ref().map_or_else(|| "not measured".into(), |here| kind.sentence(here));
    let differs = if row.differs.is_empty() { String::new() } else { format!("; differs: {}", row.differs.join(", ")) };
    let (published, verdict) = (kind.value(row.published), row.standing.words());
    format!("{verdict:<7} {} is {here}, published {published} ({}{differs})", row.metric, row.source)
}

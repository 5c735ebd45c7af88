//! `compare RUN RUN…`: prints a table, writes a page, and can act as a gate by its exit code.

use super::{print, with_context};
use crate::cli::CompareArgs;
use crate::compare::{HeadlineMetric, RegressionGate, RunComparison, Tolerances};
use crate::digest::Digest;
use crate::error::{CommandOutcome, Error};
use crate::files;
use crate::report;
use crate::run::RunDirectory;

/// Longest page name: many file systems allow 255 bytes.
const MAX_PAGE_NAME: usize = 200;

/// Runs it.
pub(super) fn run(arguments: &CompareArgs) -> Result<CommandOutcome, Error> {
    let common = &arguments.common;
    // Reject a wrong command line before the long work.
    let by = HeadlineMetric::parse(&arguments.by, &[])?;
    let tolerances = Tolerances::parse(&arguments.tolerate)?;
    let runs = arguments.runs.iter().map(|name| RunDirectory::find(&common.experiments, name));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let mut comparison = with_context(common, |context| Ok(context.compare(&runs, by)?))?;
    if arguments.fail_on_regression {
        comparison.gate = Some(RegressionGate::judge(&comparison, tolerances));
    }
    let html = report::render_comparison(&comparison)?;
    let path = common.reports.join(page_name(&comparison));
    files::commit_below(&path, html.as_bytes(), "--reports")?;
    print(common, &comparison, || format!("{}\n\nreport  {}", comparison.to_text().trim_end(), path.display()))?;
    let passed = comparison.gate.is_none_or(|gate| gate.passed);
    Ok(if passed { CommandOutcome::Done } else { CommandOutcome::Regressed })
}

/// `compare-A-vs-B.html`; if the names do not fit, the first one and a digest of all.
fn page_name(comparison: &RunComparison) -> String {
    let names = comparison.runs.join("-vs-");
    if names.len() <= MAX_PAGE_NAME {
        return format!("compare-{names}.html");
    }
    let first: String = comparison.runs[0].chars().take(MAX_PAGE_NAME / 4).collect();
    let others = comparison.runs.len() - 1;
    format!("compare-{first}-vs-{others}-others-{}.html", Digest::of(names.as_bytes()).short(12))
}

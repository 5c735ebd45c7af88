//! What several commands print, and how they end.

use std::path::Path;

use crate::cli::{CommonArgs, ReuseArgs};
use crate::config::{self, Loaded};
use crate::dataset::LeftOut;
use crate::error::{CommandOutcome, Error};
use crate::estimate::Estimate;
use crate::headline::{HeadlineRate, headline};
use crate::metrics::{self, Judged, Metrics};
use crate::numbers::{self, Quantity};
use crate::provenance::Provenance;
use crate::run::{self, Evaluated, RunDirectory, RunError, quoted};
use crate::templates::TemplatePoint;
use crate::terminal::say;
use crate::text::counted;
use crate::text_table::TextTable;

/// Reads the config that a command was given. Fails with [`Error::Config`], and with [`Error::Usage`] for a run, whose own
/// config it names.
pub(super) fn config_for(verb: &str, path: &Path, overrides: &[String], common: &CommonArgs) -> Result<Loaded, Error> {
    config::load(path, overrides).map_err(|error| {
        let is_config = path.is_file() || config::is_built_in(path);
        let run = (!is_config).then(|| RunDirectory::find(&common.experiments, &path.to_string_lossy()).ok());
        run.flatten().and_then(|run| not_a_config(verb, &run, common)).map_or_else(|| error.into(), Error::Usage)
    })
}

/// What to give a command that takes a config and was given a run.
fn not_a_config(verb: &str, run: &RunDirectory, common: &CommonArgs) -> Option<String> {
    let origin = run.json::<Provenance>(RunDirectory::PROVENANCE).ok()?.config;
    let own = run::command_here(verb, &origin) + &run::experiments_option(&common.experiments);
    Some(format!("{} is a run, and `facevault {verb}` takes a config; with that of the run: `{own}`", run.name()))
}

/// Fails a run of so many faces of which not one is embedded.
pub(super) fn any_embedded(run: &RunDirectory, faces: usize, embedded: usize) -> Result<(), Error> {
    if embedded > 0 {
        return Ok(());
    }
    let file = run.file(RunDirectory::FAILURES).display().to_string();
    Err(Error::NothingEmbedded { faces, file })
}

/// How a command ends after an evaluation.
pub(super) fn outcome(evaluated: &Evaluated) -> CommandOutcome {
    if evaluated.met() { CommandOutcome::Done } else { CommandOutcome::ExpectationNotMet }
}

/// The options of a command to resume that say whose embeddings are reused.
pub(super) fn reuse_options(reuse: &ReuseArgs) -> String {
    let from = reuse.reuse_from.iter().map(|run| format!(" --reuse-from {}", quoted(run)));
    let none = reuse.no_reuse.then(|| " --no-reuse".to_owned());
    none.into_iter().chain(from).collect()
}

/// The runs that the options name; `None`: whichever the folder has.
pub(super) fn donors(reuse: &ReuseArgs, experiments: &Path) -> Result<Option<Vec<RunDirectory>>, RunError> {
    if !reuse.no_reuse && reuse.reuse_from.is_empty() {
        return Ok(None);
    }
    let named = reuse.reuse_from.iter().map(|text| RunDirectory::named(experiments, text));
    Ok(Some(named.collect::<Result<Vec<_>, _>>()?.concat()))
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

/// The false match rate at which IJB-B and IJB-C are usually quoted.
const TEMPLATE_FMR: f64 = 1e-4;

/// How the method of an estimate without an interval begins.
const NO_INTERVAL: &str = "no interval: ";

/// A rate, and why it is a bound or lacks its interval.
fn with_reason(estimate: &Estimate) -> String {
    let (rate, reason) = (Quantity::Rate.sentence(estimate), &estimate.method);
    match () {
        // `not resolved: …` says so itself.
        () if estimate.bound && reason.starts_with(&rate) => reason.clone(),
        () if estimate.bound || reason.starts_with(NO_INTERVAL) => format!("{rate}   {reason}"),
        () => rate,
    }
}

/// What a run found, a line each: its headline, a line for every protocol, and the mean cosines.
pub(super) fn found(metrics: &Metrics) -> String {
    // Protocols have lines of their own, which also say how folds vary.
    let rates = headline(metrics).into_iter().filter(|row| metrics::find(&row.metric).is_some());
    let rates = rates.map(|HeadlineRate { name, estimate, .. }| [name, with_reason(&estimate)]);
    let protocols = metrics.protocols.iter().map(|found| {
        let (accuracy, spread) = (Quantity::Rate.sentence(&found.accuracy), Quantity::Rate.value(found.accuracy_std));
        let missing = match found.pairs.missing {
            0 => String::new(),
            n => format!(", {n} of {} left out", counted(found.pairs.listed, "pair")),
        };
        [format!("{} accuracy", found.protocol.name), format!("{accuracy}, ± {spread} over folds{missing}")]
    });
    let groups = metrics.groups.iter().map(|found| {
        let [mean, spread, std] = [&found.mean, &found.spread, &found.std].map(|one| Quantity::Rate.sentence(one));
        let apart = format!("{} less {} {spread}", found.highest, found.lowest);
        [format!("{} accuracies", found.group), format!("mean {mean}, {apart}, standard deviation {std}")]
    });
    let templates = metrics.templates.iter().filter_map(|found| {
        let resolved = |point: &&TemplatePoint| point.tar.is_some() && point.target_fmr >= TEMPLATE_FMR;
        let point = found.operating_points.iter().rfind(resolved)?;
        let rank = found.estimate("rank1").map(|rank| format!(", rank 1 {}", Quantity::Rate.value(rank.point)));
        let missing = match found.counts.missing {
            0 => String::new(),
            n => format!(", {n} of {} left out", counted(found.counts.listed, "pair")),
        };
        let name = format!("{} TAR at FMR {:e}", found.protocol.name, point.target_fmr);
        Some([name, Quantity::Rate.sentence(point.tar.as_ref()?) + &rank.unwrap_or_default() + &missing])
    });
    let searches = metrics.identification.iter().flat_map(|found| {
        let name = &found.protocol.name;
        let strictest = found.rates.open_set.iter().filter_map(|at| Some((at.target_fpir, at.tpir.as_ref()?)));
        let strictest = strictest.min_by(|a, b| a.0.total_cmp(&b.0));
        let left_out = match found.left_out.searches() {
            0 => String::new(),
            n => format!("   {n} of {} left out", counted(found.probes(), "probe")),
        };
        let rank = found.estimate("rank1").map(|rate| {
            let people = format!("   {} in the gallery", counted(found.rates.counts.gallery, "person"));
            [format!("{name} rank 1"), Quantity::Rate.sentence(rate) + &people + &left_out]
        });
        let tpir =
            strictest.map(|(fpir, rate)| [format!("{name} TPIR at FPIR {fpir:e}"), Quantity::Rate.sentence(rate)]);
        rank.into_iter().chain(tpir)
    });
    let cosines = [
        ("genuine cosine", &metrics.genuine.mean, metrics.pairs.genuine),
        ("impostor cosine", &metrics.impostor.mean, metrics.pairs.impostor),
    ]
    .map(|(name, mean, pairs)| {
        [name.into(), format!("{}   {}", Quantity::Cosine.sentence(mean), counted(pairs, "pair"))]
    });
    let found = rates.chain(protocols).chain(groups).chain(templates).chain(searches).chain(cosines);
    TextTable::default().rows(found).to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_without_an_interval_says_why_and_says_it_once() {
        let estimate = |upper, bound, method: &str| Estimate {
            point: 0.25,
            upper,
            bound,
            method: method.into(),
            ..Estimate::default()
        };
        let unresolved = "not resolved: an FMR of 1e-3 takes 1000 impostor pairs";
        let few = "no interval: it takes genuine pairs of at least 8 identities, and these are of 5";
        let said = [
            with_reason(&estimate(None, true, unresolved)),
            with_reason(&estimate(Some(0.5), true, unresolved)),
            with_reason(&estimate(None, false, few)),
            with_reason(&Estimate { lower: Some(0.2), ..estimate(Some(0.3), false, "Wilson interval") }),
        ];
        insta::assert_snapshot!(said.join("\n"), @r"
        not resolved: an FMR of 1e-3 takes 1000 impostor pairs
        ≤ 50.00%   not resolved: an FMR of 1e-3 takes 1000 impostor pairs
        25.00%   no interval: it takes genuine pairs of at least 8 identities, and these are of 5
        25.00% [20.00%, 30.00%]
        ");
    }
}

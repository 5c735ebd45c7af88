//! The thresholds of compared runs, and what keeping the first one's does.

use super::page::{DataTable, Section, TableCell};
use super::words::{run_number, sentence, target};
use crate::compare::{EffectVerdict, KeptRate, KeptThreshold, RunComparison, Thresholds};
use crate::numbers::Quantity::{Cosine, Rate};

pub(super) fn section(comparison: &RunComparison, thresholds: &Thresholds) -> Section {
    let mut table = DataTable::new("Thresholds on the same pairs, by FMR", &["run"]).stacked();
    for at in &thresholds.at {
        table.column(&format!("#{}", target(at.target_fmr)));
    }
    for run in 0..comparison.runs.len() {
        let own = thresholds.at.iter().map(|at| TableCell::estimate(Cosine, &at.runs[run]));
        table.row(std::iter::once(run_number(run).into()).chain(own));
    }
    table.note = "The lowest threshold at which the FMR is not above the rate; a pair matches if its cosine reaches it. The interval is where other people of the same kind would put it.".into();
    let kept = thresholds.kept.as_ref();
    let sentences = kept.iter().flat_map(|kept| {
        let runs = comparison.runs.iter().enumerate().skip(1);
        runs.map(|(run, name)| sentence(&format!("{} {name}: {}", run_number(run), kept.sentence(run))))
    });
    let section = Section::new("thresholds", "Thresholds").texts(sentences).with_all(kept.map(keeping));
    if thresholds.at.is_empty() { section } else { section.with(table) }
}

/// Both error rates of every run at the first run's threshold.
fn keeping(kept: &KeptThreshold) -> DataTable {
    let caption = format!("At the threshold of [1], {}", Cosine.value(kept.threshold));
    let columns = ["run", "#FMR", "#minus [1]", "#FNMR", "#minus [1]"];
    let mut table = DataTable::new(caption, &columns).stacked();
    let change = |rate: &KeptRate| match &rate.change {
        Some(change) => TableCell::with_note(Rate.effect(&change.difference), change.verdict.name()),
        None => TableCell::default(),
    };
    for (run, rates) in kept.runs.iter().enumerate() {
        let (fmr, fnmr) = (&rates.fmr, &rates.fnmr);
        let more = fmr.change.as_ref().is_some_and(|change| change.verdict == EffectVerdict::Worse);
        table.marked(
            more,
            [
                run_number(run).into(),
                TableCell::estimate(Rate, &fmr.rate),
                change(fmr),
                TableCell::estimate(Rate, &fnmr.rate),
                change(fnmr),
            ],
        );
    }
    table.note(format!(
        "[1] has this threshold for an FMR of {}. What a network calls alike is its own: another network, crop or precision takes another threshold for the same FMR. Rates hold the threshold fixed; differences are paired.",
        target(kept.target_fmr)
    ))
}

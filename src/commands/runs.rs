//! `runs`: lists runs.

use std::collections::BTreeSet;
use std::path::Path;

use super::print;
use crate::cli::RunsArgs;
use crate::error::{CommandOutcome, Error};
use crate::metrics;
use crate::mirror;
use crate::numbers::Quantity;
use crate::pages;
use crate::run::{self, DEFAULT_FOLDER, ListedRun, ListedValue, RunError, RunKey, RunRow, RunState};
use crate::terminal::{self, say};
use crate::text_table::TextTable;

/// Differing keys shown for each run; `--json` has all of them.
const KEYS_SHOWN: usize = 3;
/// Longest value shown of a key: digests are told apart by less.
const LONGEST_VALUE: usize = 24;

pub(super) fn run(arguments: &RunsArgs) -> Result<CommandOutcome, Error> {
    let common = &arguments.common;
    let folder = &common.experiments;
    // Before the first run there are none, and nobody is mistaken; a folder that was named is there, or was misspelt.
    let here = mirror::local(folder).map_err(RunError::from)?;
    if folder != Path::new(DEFAULT_FOLDER) && !here.try_exists().unwrap_or(true) {
        return Err(RunError::NoFolder { folder: folder.clone() }.into());
    }
    let all = run::list(folder)?;
    let none = all.is_empty();
    let Selected { runs, keys } = select(arguments, all)?;
    let rows: Vec<&RunRow> = runs.iter().map(|run| &run.row).collect();
    let page = match &arguments.html {
        Some(path) => Some(pages::runs(&here, &common.reports, path.as_deref(), &runs, &order(arguments, &keys))?),
        None => None,
    };
    print(common, &rows, || {
        let table = match rows.is_empty() {
            true if none => {
                let option = run::experiments_option(folder);
                format!("no runs in {}; create one with `facevault experiment CONFIG{option}`", folder.display())
            }
            true => format!("no such runs in {}; without filters, `facevault runs` lists all", folder.display()),
            false => text(&rows, &keys, terminal::columns().unwrap_or(usize::MAX)),
        };
        let page = page.as_ref().map(|path| format!("\n\npage  {}", path.display()));
        table + &page.unwrap_or_default()
    })?;
    if let (true, false, Some(path)) = (common.json, common.quiet, &page) {
        say(&format!("page: {}", path.display()));
    }
    Ok(CommandOutcome::Done)
}

/// The runs that were asked for, in the order that was, and the keys that they were sorted and selected by.
struct Selected {
    runs: Vec<ListedRun>,
    keys: Vec<RunKey>,
}

fn select(arguments: &RunsArgs, all: Vec<ListedRun>) -> Result<Selected, RunError> {
    let RunsArgs { prefix, state, since, last, conditions, limit, .. } = arguments;
    let (sort, reverse) = sorting(arguments);
    let sort = sort.map(|key| RunKey::of(key, &all)).transpose()?;
    let mut keyed = Vec::new();
    for condition in conditions {
        let key = condition.key(&all)?;
        condition.check(&key)?;
        keyed.push((condition, key));
    }
    let wanted = |run: &ListedRun| {
        let row = &run.row;
        run::matches(&format!("{prefix}*"), &row.run)
            && state.is_none_or(|state| state.fits(row.state))
            // A run whose time is unknown may be as recent as any.
            && since.is_none_or(|since| row.worked_on.is_none_or(|at| at >= since))
            && keyed.iter().all(|(condition, key)| condition.fits(key.value(run).as_ref()))
    };
    let wanted = all.into_iter().filter(wanted);
    let mut runs: Vec<ListedRun> = wanted.take(last.unwrap_or(usize::MAX)).collect();
    match &sort {
        Some(key) => run::sort(&mut runs, key, reverse),
        None if reverse => runs.reverse(),
        None => {}
    }
    runs.truncate(limit.unwrap_or(usize::MAX));
    let keys: Vec<RunKey> = sort.into_iter().chain(keyed.into_iter().map(|(_, key)| key)).collect();
    for run in &mut runs {
        run.row.values = keys.iter().filter_map(|key| Some((key.name().to_owned(), key.value(run)?))).collect();
    }
    Ok(Selected { runs, keys })
}

/// What to sort by, and whether the other way round.
fn sorting(arguments: &RunsArgs) -> (Option<&str>, bool) {
    let given = arguments.sort.as_deref();
    let turned = given.and_then(|key| key.strip_prefix('-'));
    (turned.or(given), arguments.reverse != turned.is_some())
}

/// The order in words.
fn order(arguments: &RunsArgs, keys: &[RunKey]) -> String {
    match (sorting(arguments), keys.first()) {
        ((Some(_), reverse), Some(key)) => key.order_in_words(reverse),
        ((_, true), _) => "earliest first".into(),
        _ => "latest first".into(),
    }
}

/// The table's columns. Some are left out where no run has a value.
const COLUMNS: [&str; 14] = [
    "run",
    "when (UTC)",
    "state",
    "dataset",
    "faces",
    "network",
    "precision",
    "profile",
    "crop",
    "EER",
    "TAR at FMR 1e-3",
    "accuracy",
    "expectations",
    "differs in",
];

/// A line each, for programs that read lines, too; on a terminal too narrow for it, the cells below each other.
fn text(rows: &[&RunRow], keys: &[RunKey], width: usize) -> String {
    let cells: Vec<_> = rows.iter().map(|row| cells(row)).collect();
    // Few runs have a protocol, or another run of their config.
    let optional = ["accuracy", "differs in"];
    let shown: Vec<usize> = (0..COLUMNS.len())
        .filter(|&column| !optional.contains(&COLUMNS[column]) || cells.iter().any(|row| row[column].is_some()))
        .collect();
    let cell = |row: &[Option<String>], column: usize| row[column].clone().unwrap_or_else(|| "–".into());
    // What the runs are sorted and selected by, unless it is a column anyway.
    let more: BTreeSet<&str> = keys.iter().map(RunKey::name).filter(|key| !SHOWN.contains(key)).collect();
    let table = TextTable::new(shown.iter().map(|&column| COLUMNS[column]).chain(more.iter().copied())).rows(
        cells.iter().zip(rows).map(|(row, run)| {
            let values =
                more.iter().map(|key| run.values.get(*key).map_or_else(|| "–".into(), |value| shown_as(key, value)));
            shown.iter().map(|&column| cell(row, column)).chain(values).collect::<Vec<_>>()
        }),
    );
    let damage = rows.iter().filter_map(|row| {
        let reason = row.damage.as_ref()?;
        Some(match row.state {
            RunState::UnfinishedRemoval => reason.clone(),
            _ => format!("{} is damaged: {reason}", row.run),
        })
    });
    table.fitted(width, 1).into_iter().chain(damage).collect::<Vec<_>>().join("\n")
}

/// Keys whose values are columns anyway.
const SHOWN: [&str; 11] =
    ["name", "date", "state", "dataset", "faces", "network", "precision", "profile", "crop", "eer", "tar@fmr=1e-3"];

/// A value of a key as text.
fn shown_as(key: &str, value: &ListedValue) -> String {
    match value {
        ListedValue::Text(text) => text.clone(),
        ListedValue::Number(speed) if key == "speed" => format!("{speed:.1}/s"),
        ListedValue::Number(number) if metrics::kind(key).is_some() => Quantity::of_metric(key).value(*number),
        ListedValue::Number(number) => number.to_string(),
    }
}

/// A run's cells in the order of [`COLUMNS`].
fn cells(row: &RunRow) -> [Option<String>; COLUMNS.len()] {
    [
        Some(row.run.clone()),
        // To the minute.
        row.worked_on_utc.as_ref().map(|at| at.chars().take(16).collect()),
        Some(row.state_in_words()),
        row.dataset.clone(),
        row.damage.is_none().then(|| faces(row)),
        row.network.clone(),
        row.precision.clone(),
        row.profile.clone(),
        row.crop.clone(),
        rate(row, 0),
        rate(row, 1),
        rate(row, 2).map(|accuracy| format!("{accuracy} ({})", protocol(row))),
        row.expectations_met.map(|met| if met { "met" } else { "NOT MET" }.into()),
        (!row.differs.is_empty()).then(|| differing(row)),
    ]
}

fn faces(row: &RunRow) -> String {
    match row.embedded {
        embedded if embedded == row.faces => embedded.to_string(),
        embedded => format!("{embedded}/{}", row.faces),
    }
}

fn rate(row: &RunRow, place: usize) -> Option<String> {
    row.headline.get(place).map(|rate| Quantity::Rate.point(&rate.estimate))
}

/// Name of the protocol in the headline.
fn protocol(row: &RunRow) -> &str {
    row.headline.get(2).and_then(|rate| rate.metric.rsplit_once('.')).map_or("", |(protocol, _)| protocol)
}

fn differing(row: &RunRow) -> String {
    let keys = row.differs.iter().take(KEYS_SHOWN).map(|(key, value)| {
        let short: String = value.chars().take(LONGEST_VALUE).collect();
        format!("{key}={short}{}", if short.len() < value.len() { "…" } else { "" })
    });
    let more = row.differs.len().saturating_sub(KEYS_SHOWN);
    let more = (more > 0).then(|| format!("{more} more"));
    keys.chain(more).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_a_line_each_unless_the_terminal_is_too_narrow() {
        let network = Some("inception-resnet-v1".to_owned());
        let row = RunRow {
            run: "small-000000000001".into(),
            state: RunState::Complete,
            network,
            faces: 7,
            ..RunRow::default()
        };
        let wide = text(&[&row, &row], &[], usize::MAX);
        assert_eq!(wide.lines().count(), 3, "{wide}");
        let narrow = text(&[&row], &[], 60);
        assert!(
            narrow.starts_with("run\nsmall-000000000001\n  when (UTC)       –\n  state            complete\n"),
            "{narrow}"
        );
        assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    }
}

//! `runs`: lists runs.

use super::print;
use crate::cli::RunsArgs;
use crate::error::{CommandOutcome, Error};
use crate::numbers::Quantity;
use crate::run::{self, RunRow, RunState};
use crate::text_table::TextTable;

/// Differing keys shown for each run; `--json` has all of them.
const KEYS_SHOWN: usize = 3;
/// Longest value shown of a key: digests are told apart by less.
const LONGEST_VALUE: usize = 24;

pub(super) fn run(arguments: &RunsArgs) -> Result<CommandOutcome, Error> {
    let RunsArgs { prefix, state, since, last, common } = arguments;
    let all = run::list(&common.experiments)?;
    let none = all.is_empty();
    let wanted = |row: &RunRow| {
        row.run.starts_with(prefix)
            && state.is_none_or(|state| row.state == state)
            // A run whose time is unknown may be as recent as any.
            && since.is_none_or(|since| row.worked_on.is_none_or(|at| at >= since))
    };
    let rows: Vec<RunRow> = all.into_iter().filter(wanted).take(last.unwrap_or(usize::MAX)).collect();
    print(common, &rows, || {
        let folder = common.experiments.display();
        match rows.is_empty() {
            true if none => {
                let option = run::experiments_option(&common.experiments);
                format!("no runs in {folder}; create one with `facevault experiment CONFIG{option}`")
            }
            true => format!("no such runs in {folder}; without filters, `facevault runs` lists all"),
            false => text(&rows),
        }
    })?;
    Ok(CommandOutcome::Done)
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

fn text(rows: &[RunRow]) -> String {
    let cells: Vec<_> = rows.iter().map(cells).collect();
    // Few runs have a protocol, or another run of their config.
    let optional = ["accuracy", "differs in"];
    let shown: Vec<usize> = (0..COLUMNS.len())
        .filter(|&column| !optional.contains(&COLUMNS[column]) || cells.iter().any(|row| row[column].is_some()))
        .collect();
    let cell = |row: &[Option<String>], column: usize| row[column].clone().unwrap_or_else(|| "–".into());
    let table = TextTable::new(shown.iter().map(|&column| COLUMNS[column]))
        .rows(cells.iter().map(|row| shown.iter().map(|&column| cell(row, column))));
    let damage = rows.iter().filter_map(|row| {
        let reason = row.damage.as_ref()?;
        Some(match row.state {
            RunState::UnfinishedRemoval => reason.clone(),
            _ => format!("{} is damaged: {reason}", row.run),
        })
    });
    std::iter::once(table.to_string()).chain(damage).collect::<Vec<_>>().join("\n")
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

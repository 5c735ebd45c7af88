//! `runs`: lists runs.

use super::print;
use crate::cli::RunsArgs;
use crate::error::{CommandOutcome, Error};
use crate::numbers::Quantity;
use crate::run::{self, RunRow};
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
            true if none => format!("no runs in {folder}; create one with `facevault experiment configs/demo.yaml`"),
            true => format!("no such runs in {folder}; `facevault runs` without filters lists all"),
            false => text(&rows),
        }
    })?;
    Ok(CommandOutcome::Done)
}

fn text(rows: &[RunRow]) -> String {
    let protocols = rows.iter().any(|row| row.headline.len() > 2);
    let differs = rows.iter().any(|row| !row.differs.is_empty());
    let shown = |heading: &str| match heading {
        "accuracy" => protocols,
        "differs in" => differs,
        _ => true,
    };
    let columns: Vec<(&str, &dyn Fn(&RunRow) -> Option<String>)> = vec![
        ("run", &|row| Some(row.run.clone())),
        // To the minute.
        ("when (UTC)", &|row| row.worked_on_utc.as_ref().map(|at| at.chars().take(16).collect())),
        ("state", &|row| Some(row.state_in_words())),
        ("dataset", &|row| row.dataset.clone()),
        ("faces", &|row| row.damage.is_none().then(|| faces(row))),
        ("network", &|row| row.network.clone()),
        ("precision", &|row| row.precision.clone()),
        ("profile", &|row| row.profile.clone()),
        ("crop", &|row| row.crop.clone()),
        ("EER", &|row| rate(row, 0)),
        ("TAR at FMR 1e-3", &|row| rate(row, 1)),
        ("accuracy", &|row| rate(row, 2).map(|accuracy| format!("{accuracy} ({})", protocol(row)))),
        ("expectations", &|row| row.expectations_met.map(|met| if met { "met" } else { "NOT MET" }.into())),
        ("differs in", &|row| (!row.differs.is_empty()).then(|| differing(row))),
    ];
    let columns: Vec<_> = columns.into_iter().filter(|(heading, _)| shown(heading)).collect();
    let cells = rows.iter().map(|row| columns.iter().map(|(_, cell)| cell(row).unwrap_or_else(|| "–".into())));
    let table = TextTable::new(columns.iter().map(|(heading, _)| *heading)).rows(cells);
    let damage = rows.iter().filter_map(|row| Some(format!("{} is damaged: {}", row.run, row.damage.as_ref()?)));
    std::iter::once(table.to_string()).chain(damage).collect::<Vec<_>>().join("\n")
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

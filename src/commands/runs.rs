//! `runs`: all runs in a table.

use super::print;
use crate::cli::RunsArgs;
use crate::error::{CommandOutcome, Error};
use crate::numbers::Quantity;
use crate::run;

/// Runs it.
pub(super) fn run(arguments: &RunsArgs) -> Result<CommandOutcome, Error> {
    let rows = run::list(&arguments.common.experiments)?;
    print(&arguments.common, &rows, || {
        if rows.is_empty() {
            let folder = arguments.common.experiments.display();
            return format!("no runs in {folder}; `facevault experiment configs/demo.yaml` makes one");
        }
        let header = ["run", "state", "faces", "EER", "TAR@FMR=0.001", "d′", "expected", "worked on"].map(String::from);
        let table: Vec<_> = std::iter::once(header)
            .chain(rows.iter().map(|row| {
                let dash = || "–".to_owned();
                [
                    row.run.clone(),
                    row.state_in_words(),
                    row.embedded.to_string(),
                    row.eer.as_ref().map_or_else(dash, |eer| Quantity::Rate.point(eer)),
                    row.tar_at_fmr_1e3.as_ref().map_or_else(dash, |tar| Quantity::Rate.point(tar)),
                    row.d_prime.as_ref().map_or_else(dash, |d| format!("{:.2}", d.point)),
                    row.expectations_met.map_or_else(dash, |met| if met { "met" } else { "NOT MET" }.into()),
                    row.worked_on_utc.clone().unwrap_or_else(dash),
                ]
            }))
            .collect();
        let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..8).map(width).collect();
        table
            .iter()
            .map(|row| {
                let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
                cells.join("  ").trim_end().to_owned()
            })
            .collect::<Vec<_>>()
            .join("\n")
    })?;
    Ok(CommandOutcome::Done)
}

//! `runs`: lists all runs.

use super::print;
use crate::cli::RunsArgs;
use crate::error::{CommandOutcome, Error};
use crate::numbers::Quantity;
use crate::run;
use crate::text_table::TextTable;

pub(super) fn run(arguments: &RunsArgs) -> Result<CommandOutcome, Error> {
    let rows = run::list(&arguments.common.experiments)?;
    print(&arguments.common, &rows, || {
        if rows.is_empty() {
            let folder = arguments.common.experiments.display();
            return format!("no runs in {folder}; create one with `facevault experiment configs/demo.yaml`");
        }
        let head = ["run", "state", "faces", "EER", "TAR@FMR=0.001", "d′", "expectations", "last active"];
        let cells = rows.iter().map(|row| {
            let dash = || "–".to_owned();
            [
                row.run.clone(),
                row.state_in_words(),
                row.embedded.to_string(),
                row.eer.as_ref().map_or_else(dash, |eer| Quantity::Rate.point(eer)),
                row.tar_at_fmr_1e3.as_ref().map_or_else(dash, |tar| Quantity::Rate.point(tar)),
                row.d_prime.as_ref().map_or_else(dash, |d| Quantity::Plain.point(d)),
                row.expectations_met.map_or_else(dash, |met| if met { "met" } else { "NOT MET" }.into()),
                row.worked_on_utc.clone().unwrap_or_else(dash),
            ]
        });
        TextTable::new(head).rows(cells).to_string()
    })?;
    Ok(CommandOutcome::Done)
}

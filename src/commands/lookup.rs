//! `lookup RUN FACE_ID`: one face and its nearest neighbours.

use super::print;
use crate::cli::LookupArgs;
use crate::error::{CommandOutcome, Error};
use crate::numbers::Quantity;
use crate::run::{self, LookupThreshold, RunDirectory};
use crate::text_table::TextTable;

pub(super) fn run(arguments: &LookupArgs) -> Result<CommandOutcome, Error> {
    let run = RunDirectory::find(&arguments.common.experiments, &arguments.run)?;
    let found = run::lookup(&run, &arguments.face_id, arguments.neighbours)?;
    print(&arguments.common, &found, || {
        let identity = |identity: &Option<String>| identity.clone().unwrap_or_else(|| "(unknown)".into());
        let face = TextTable::default().rows([
            ["face", &found.face_id],
            ["run", &found.run],
            ["row", &found.row.to_string()],
            ["identity", &identity(&found.identity_id)],
            ["norm", &format!("{:.6}", found.norm)],
        ]);
        let neighbours = found.neighbours.iter().map(|near| {
            let same = near.identity_id.is_some() && near.identity_id == found.identity_id;
            let cosine = Quantity::Cosine.value(near.cosine.into());
            let same = if same { "=" } else { "" };
            let accepted = if near.accepted == Some(true) { "✓" } else { "" };
            [
                cosine,
                accepted.into(),
                near.row.to_string(),
                same.into(),
                identity(&near.identity_id),
                near.face_id.clone(),
            ]
        });
        let neighbours = TextTable::new(["cosine", "", "row", "", "identity", "face"]).rows(neighbours);
        let threshold = match found.threshold {
            Some(LookupThreshold { cosine, target_fmr }) => format!(
                "✓ reaches {}, this run's threshold at FMR {target_fmr:e}; = has the same identity",
                Quantity::Cosine.value(cosine)
            ),
            None => "this run has no threshold: it is not evaluated, or its pairs are too few; = has the same identity"
                .into(),
        };
        format!("{face}\n\n{neighbours}\n\n{threshold}")
    })?;
    Ok(CommandOutcome::Done)
}

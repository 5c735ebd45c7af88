//! `lookup RUN FACE_ID`: one face and its nearest neighbours.

use super::print;
use crate::cli::LookupArgs;
use crate::error::{CommandOutcome, Error};
use crate::numbers::Quantity;
use crate::run::{self, RunDirectory};
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
            let mark = if same { "=" } else { "" };
            [cosine, near.row.to_string(), mark.into(), identity(&near.identity_id), near.face_id.clone()]
        });
        let neighbours = TextTable::new(["cosine", "row", "", "identity", "face"]).rows(neighbours);
        format!("{face}\n\n{neighbours}")
    })?;
    Ok(CommandOutcome::Done)
}

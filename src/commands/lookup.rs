//! `lookup RUN FACE_ID`: one face and its nearest neighbours.

use super::print;
use crate::cli::LookupArgs;
use crate::error::{CommandOutcome, Error};
use crate::run::{self, RunDirectory};

/// Runs it.
pub(super) fn run(arguments: &LookupArgs) -> Result<CommandOutcome, Error> {
    let run = RunDirectory::find(&arguments.common.experiments, &arguments.run)?;
    let found = run::lookup(&run, &arguments.face_id, arguments.neighbours)?;
    print(&arguments.common, &found, || {
        let identity = |identity: &Option<String>| identity.clone().unwrap_or_else(|| "(unknown)".into());
        let mut lines = vec![
            format!("face      {}", found.face_id),
            format!("run       {}", found.run),
            format!("row       {}", found.row),
            format!("identity  {}", identity(&found.identity_id)),
            format!("norm      {:.6}", found.norm),
            String::new(),
            format!("{:>8}  {:>7}  {:<20}  face", "cosine", "row", "identity"),
        ];
        for near in &found.neighbours {
            let same = if near.identity_id.is_some() && near.identity_id == found.identity_id { "=" } else { " " };
            lines.push(format!(
                "{:>8.4}  {:>7} {same}{:<20}  {}",
                near.cosine,
                near.row,
                identity(&near.identity_id),
                near.face_id
            ));
        }
        lines.join("\n")
    })?;
    Ok(CommandOutcome::Done)
}

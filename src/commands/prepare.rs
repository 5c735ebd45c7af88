//! `prepare CONFIG`: makes a run that several workers embed.

use super::shared::{config_for, donors, interrupted, reuse_options};
use super::{options_to_repeat, print, with_context};
use crate::cli::PrepareArgs;
use crate::error::{CommandOutcome, Error};
use crate::run::RunDirectory;
use crate::text::counted;

pub(super) fn run(arguments: &PrepareArgs) -> Result<CommandOutcome, Error> {
    let PrepareArgs { config: args, reuse } = arguments;
    let loaded = config_for("prepare", &args.config, &args.overrides, &args.common)?;
    let donors = donors(reuse, &args.common.experiments)?;
    let options = reuse_options(reuse) + &options_to_repeat(&args.common, &args.overrides);
    let again = format!("to resume: facevault prepare {}{options}", args.config.display());
    with_context(&args.common, &again, |context| {
        let prepared = match context.prepare(&args.config, loaded) {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            other => other?,
        };
        let prepared = prepared.reusing(donors);
        let argument = RunDirectory::argument(&prepared.directory);
        let shared = match context.prepare_shards(prepared) {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            other => other?,
        };
        let Some(shared) = shared else { return Ok(interrupted(&again)) };
        print(&args.common, &shared, || {
            let (faces, chunks) = (counted(shared.faces, "face"), counted(shared.chunks, "chunk"));
            let counts = format!("{faces} in {chunks}, {} of them committed", shared.committed);
            let workers = format!("facevault embed {argument} --shard 0/N, to N-1/N; then ");
            let workers = if shared.committed < shared.chunks { workers } else { String::new() };
            let next = format!("next    {workers}facevault finish {argument}");
            [counts, format!("run     {}", shared.directory), next].join("\n")
        })?;
        Ok(CommandOutcome::Done)
    })
}

//! `missing RUN --shards N`: which shards are to be started again.

use super::print;
use crate::cli::MissingArgs;
use crate::error::{CommandOutcome, Error};
use crate::mirror::Needed;
use crate::run::{self, RunDirectory};

pub(super) fn run(arguments: &MissingArgs) -> Result<CommandOutcome, Error> {
    let run = RunDirectory::find_needing(&arguments.common.experiments, &arguments.run, Needed::Worker)?;
    let missing = run::missing_shards(&run, arguments.shards as usize)?;
    print(&arguments.common, &missing, || missing.array())?;
    Ok(CommandOutcome::Done)
}

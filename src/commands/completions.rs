//! `completions SHELL`: a script that completes commands and options.

use clap::CommandFactory as _;
use clap_complete::generate;

use crate::cli::{Cli, CompletionsArgs};
use crate::error::{CommandOutcome, Error};
use crate::terminal;

pub(super) fn run(arguments: &CompletionsArgs) -> Result<CommandOutcome, Error> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, name, &mut script);
    terminal::print(&String::from_utf8_lossy(&script))?;
    Ok(CommandOutcome::Done)
}

//! `facevault`: parse, dispatch, exit code.

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Parser;
use facevault::cli::Cli;
use facevault::error::{CommandOutcome, Error};
use facevault::{commands, terminal};

fn main() -> ExitCode {
    let ended = match Cli::try_parse() {
        Ok(cli) => commands::run(cli),
        // `--help` and `--version`: what was asked for is the result.
        Err(answer) if !answer.use_stderr() => help(&answer).map(|()| CommandOutcome::Done).map_err(Error::from),
        Err(mistake) => {
            let _ = mistake.print();
            return ExitCode::from(Error::USAGE);
        }
    };
    match ended {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(error) => {
            let text = error.to_string();
            // Config errors print themselves whole, with the line they are about.
            let error_said = if text.starts_with("error") { text } else { format!("error: {text}") };
            terminal::say(&error_said);
            ExitCode::from(error.code())
        }
    }
}

/// Prints what clap answers, in colour where that is a terminal.
fn help(answer: &clap::Error) -> io::Result<()> {
    let text = answer.render();
    let coloured = io::stdout().is_terminal();
    terminal::print(&if coloured { text.ansi().to_string() } else { text.to_string() })
}

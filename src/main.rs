//! `facevault`: parse, dispatch, exit code.

use std::process::ExitCode;

use clap::Parser;
use facevault::cli::Cli;
use facevault::commands;

fn main() -> ExitCode {
    match commands::run(Cli::parse()) {
        Ok(outcome) => ExitCode::from(outcome.code()),
        Err(error) => {
            let text = error.to_string();
            // Config errors print themselves whole, with the line they are about.
            if text.starts_with("error") {
                eprintln!("{text}");
            } else {
                eprintln!("error: {text}");
            }
            ExitCode::from(error.code())
        }
    }
}

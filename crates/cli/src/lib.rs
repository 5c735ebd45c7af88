//! The `facevault` command: parse, dispatch, exit code. The binary and the Python package both call [`run`].

#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::ffi::OsString;
use std::io;
use std::panic;
use std::process;

use clap::Parser;
use facevault::cli::Cli;
use facevault::error::{CommandOutcome, Error, ErrorKind};
use facevault::provenance::{self, Source};
use facevault::{commands, terminal};

/// The source that this program was built from.
pub const SOURCE: Source =
    Source { revision: env!("FACEVAULT_REVISION"), rustc: env!("FACEVAULT_RUSTC"), target: env!("FACEVAULT_TARGET") };

/// Runs the command with these arguments, its own name first, and returns the exit code. Takes over the process: handles
/// Ctrl-C, and ends it when the system allows no more threads.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    explain_missing_threads();
    provenance::set_source(SOURCE);
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let ended = match Cli::try_parse_from(&arguments) {
        Ok(cli) => commands::run(cli),
        // `--help` and `--version` print their result.
        Err(answer) if !answer.use_stderr() => help(&answer).map(|()| CommandOutcome::Done).map_err(Error::from),
        Err(mistake) if mistake.kind() == clap::error::ErrorKind::InvalidUtf8 => Err(not_utf8(arguments)),
        Err(mistake) => {
            let text = mistake.render();
            terminal::say_styled(&text.to_string(), &text.ansi().to_string());
            return ErrorKind::Usage.code();
        }
    };
    match ended {
        Ok(outcome) => outcome.code(),
        Err(error) => {
            terminal::say(&error.render());
            error.kind().code()
        }
    }
}

/// Which argument is not UTF-8; clap does not say.
fn not_utf8(arguments: Vec<OsString>) -> Error {
    let odd = arguments.into_iter().enumerate().find(|(_, word)| word.to_str().is_none());
    let (place, text) = odd.unwrap_or_default();
    let remedy = "give the file or folder that it names another name";
    Error::NotUtf8 { what: format!("argument {place}"), text, remedy }
}

/// Libraries panic when a thread cannot be started. That is a limit of the system, not a bug, so the user gets an error
/// instead. Nothing committed is lost: a run resumes from any exit.
fn explain_missing_threads() {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or_default();
        if ["spawn thread", "ThreadPoolBuildError"].iter().any(|part| text.contains(part)) {
            terminal::say(
                "error: the system allows no more threads; raise its limit on processes (`ulimit -u`, or the container's \
                 limit), or stop other programs, then run the command again",
            );
            process::exit(ErrorKind::Failure.code().into());
        }
        usual(panic);
    }));
}

/// Prints clap's answer.
fn help(answer: &clap::Error) -> io::Result<()> {
    let text = answer.render();
    terminal::print_styled(&text.to_string(), &text.ansi().to_string())
}

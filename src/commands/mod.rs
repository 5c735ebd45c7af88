//! One file per verb, each a thin layer over the library. Results go to standard output, everything else to standard
//! error.

mod ablate;
mod bars;
mod check;
mod compare;
mod completions;
mod detect;
mod embed;
mod evaluate;
mod experiment;
mod export;
mod fetch;
mod finish;
mod forget;
mod guide;
mod init;
mod lookup;
mod man;
mod missing;
mod paths;
mod prepare;
mod report;
mod reproduce;
mod runs;
mod shared;
mod throughput;
mod verify;
mod watch;

pub(crate) use check::CheckOutput;
use clap::ValueEnum as _;
pub(crate) use detect::DetectOutput;
pub(crate) use embed::EmbedOutput;
pub(crate) use evaluate::ComparedShard;
pub(crate) use experiment::ExperimentOutput;
pub(crate) use fetch::FetchOutput;
pub(crate) use guide::GuideOutput;
pub(crate) use init::InitOutput;
pub(crate) use report::ReportOutput;
pub(crate) use reproduce::ReproduceOutput;
use std::time::Duration;

use serde::Serialize;

use crate::cli::{Cli, Command, CommonArgs, NewPermissions, PERMISSIONS};
use crate::error::{CommandOutcome, Error};
use crate::progress::{Cancel, Progress};
use crate::run::{RunContext, RunError, experiments_option};
use crate::terminal::{print as print_text, say};
use crate::text;
use crate::{file_lock, files, mirror};
use shared::interrupted;

/// Runs one command.
///
/// # Errors
/// [`Error`], whose text is for the user.
pub fn run(cli: Cli) -> Result<CommandOutcome, Error> {
    files::set_permissions(permissions(cli.permissions)?);
    paths::check(&cli.command)?;
    let done = command(cli.command);
    // Also what a command that failed or was interrupted has done.
    let kept = mirror::push_all();
    let outcome = done?;
    kept.map_err(RunError::from)?;
    Ok(outcome)
}

fn command(command: Command) -> Result<CommandOutcome, Error> {
    match command {
        Command::Experiment(arguments) => experiment::run(&arguments),
        Command::Embed(arguments) => embed::run(&arguments),
        Command::Prepare(arguments) => prepare::run(&arguments),
        Command::Missing(arguments) => missing::run(&arguments),
        Command::Finish(arguments) => finish::run(&arguments),
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Fetch(arguments) => fetch::run(&arguments),
        Command::Detect(arguments) => detect::run(&arguments),
        Command::Init(arguments) => init::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Lookup(arguments) => lookup::run(&arguments),
        Command::Forget(arguments) => forget::run(&arguments),
        Command::Runs(arguments) => runs::run(&arguments),
        Command::Watch(arguments) => watch::run(&arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Ablate(arguments) => ablate::run(&arguments),
        Command::Reproduce(arguments) => reproduce::run(&arguments),
        Command::Throughput(arguments) => throughput::run(&arguments),
        Command::Guide(arguments) => guide::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    }
}

/// Who may read what is created: as the command line says, else as the environment says, else the owner alone.
fn permissions(given: Option<NewPermissions>) -> Result<files::Permissions, Error> {
    let named = |name: &str| NewPermissions::from_str(name, false);
    let chosen = match (given, std::env::var_os(PERMISSIONS)) {
        (Some(given), _) => given,
        (None, Some(name)) if !name.is_empty() => named(&name.to_string_lossy()).map_err(|_| {
            let shown = name.to_string_lossy();
            Error::Usage(format!("{PERMISSIONS}: expected `private` or `umask`, this is `{}`", shown.escape_debug()))
        })?,
        (None, _) => NewPermissions::Private,
    };
    Ok(match chosen {
        NewPermissions::Private => files::Permissions::Private,
        NewPermissions::Umask => files::Permissions::Umask,
    })
}

/// Calls `act` with a context that draws progress on the terminal and is cancelled by Ctrl-C. What goes on nevertheless
/// is ended a moment later, with `again`: how to resume.
fn with_context<T>(
    common: &CommonArgs,
    again: &str,
    act: impl FnOnce(&RunContext<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let again = again.to_owned();
    with_context_and(common, move || again.clone(), act)
}

/// [`with_context`] where how to resume depends on how far it has come.
fn with_context_and<T>(
    common: &CommonArgs,
    again: impl Fn() -> String + Clone + Send + 'static,
    act: impl FnOnce(&RunContext<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let cancel = Cancel::default();
    let on_signal = cancel.clone();
    ctrlc::set_handler(move || {
        if on_signal.requested() {
            // The second Ctrl-C: whatever is not committed is recomputed on resume.
            end_now();
        }
        on_signal.request();
        say("\nstopping; press Ctrl-C again to abort");
        let (cancel, again) = (on_signal.clone(), again.clone());
        std::thread::spawn(move || end_soon(&cancel, again));
    })?;
    let terminal = bars::Terminal::default();
    let progress: &dyn Progress = if common.quiet { &bars::Quiet } else { &terminal };
    mirror::report_to(if common.quiet { Box::new(bars::Quiet) } else { Box::new(bars::Terminal::default()) });
    let experiments = mirror::local(&common.experiments).map_err(RunError::from)?;
    let done = act(&RunContext { experiments: &experiments, progress, cancel: &cancel });
    // The command has its own last words.
    std::mem::forget(cancel.keeping());
    done
}

/// For commands that keep nothing.
const START_OVER: &str = "nothing was written; run it again to start over";

/// How long work that has nothing to keep may take to stop by itself.
const GRACE: Duration = Duration::from_millis(80);

/// Ends the process a moment after the request, once nothing is being kept: every file is whole or absent, and the next
/// start removes what is partial. A long step that asks now and then whether to stop, ends by itself before, and says how
/// to resume.
fn end_soon(cancel: &Cancel, again: impl Fn() -> String) {
    loop {
        while cancel.is_keeping() {
            std::thread::sleep(Duration::from_millis(5));
        }
        // For its last words, too.
        std::thread::sleep(GRACE);
        if !cancel.is_keeping() {
            break;
        }
    }
    interrupted(&again());
    end_now();
}

/// Ends the process on request, wherever it is.
fn end_now() -> ! {
    file_lock::sign_off();
    std::process::exit(i32::from(CommandOutcome::Interrupted.code()));
}

/// Prints a result as JSON if requested, otherwise as text.
fn print<T: Serialize>(common: &CommonArgs, value: &T, text: impl FnOnce() -> String) -> Result<(), Error> {
    let text = if common.json { serde_json::to_string_pretty(value)? } else { text() };
    Ok(print_text(&text)?)
}

/// The options to repeat in a suggested command.
fn options_to_repeat(common: &CommonArgs, overrides: &[String]) -> String {
    let mut words: Vec<_> = overrides.iter().map(|set| format!(" --set '{}'", text::masked(set))).collect();
    words.push(experiments_option(&common.experiments));
    if common.reports.as_os_str() != "reports" {
        words.push(format!(" --reports '{}'", common.reports.display()));
    }
    words.concat()
}

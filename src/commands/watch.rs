//! `watch RUN`: how far a run is that another process works on.

use std::io::{self, IsTerminal};
use std::thread;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::cli::WatchArgs;
use crate::error::{CommandOutcome, Error};
use crate::mirror::{self, Needed};
use crate::run::{RunDirectory, RunError, RunWatch, WatchState, WatchedRun};
use crate::terminal::print_line;

/// How long a run has to be as it is before nobody works on it: `experiment` gives it back between its steps.
const PAUSE: Duration = Duration::from_millis(400);
/// Looks in this time.
const LOOKS: u32 = 4;

pub(super) fn run(arguments: &WatchArgs) -> Result<CommandOutcome, Error> {
    let WatchArgs { run, once, every, patience, common } = arguments;
    let run = RunDirectory::find_needing(&common.experiments, run, Needed::Progress)?;
    let mut watch = RunWatch::new(run.clone());
    let mut line = Line::new(common.json, *once);
    let mut seen = Seen::default();
    loop {
        let found = settled(&mut watch)?;
        let quiet = seen.quiet_for(&found, watch.sign_of_life());
        let stuck = quiet >= Duration::from_secs_f64(*patience);
        let lost = found.state == WatchState::Unknown && stuck;
        if !line.show(&found)? {
            return Ok(CommandOutcome::Done);
        }
        let error = match found.state {
            WatchState::Complete | WatchState::Embedded => {
                line.leave();
                return Ok(CommandOutcome::Done);
            }
            // Nothing is left to wait for. `--json` has the command in its line.
            WatchState::Workers if found.lacks_only_finish() => {
                line.leave();
                if let Some(next) = found.resume.as_ref().filter(|_| !common.json) {
                    print_line(&format!("next      {next}"))?;
                }
                return Ok(CommandOutcome::Done);
            }
            WatchState::Workers if stuck => {
                let (workers, seconds) = (found.process.as_deref().unwrap_or("no worker"), quiet.as_secs());
                Some(format!("has not changed for {seconds} s ({workers}, by what they say)"))
            }
            WatchState::Stopped => Some("was stopped or failed before it was done".to_owned()),
            WatchState::Died => {
                let process = found.process.as_deref().unwrap_or("its process");
                Some(format!("is not done, and {process} has ended: it was stopped or killed"))
            }
            WatchState::Unknown if lost => {
                let (process, seconds) = (found.process.as_deref().unwrap_or("its process"), quiet.as_secs());
                Some(format!(
                    "has not changed for {seconds} s, and {process} cannot be seen from here; look there first"
                ))
            }
            WatchState::Working | WatchState::Workers | WatchState::Unknown => None,
        };
        if let Some(what) = error {
            line.leave();
            let remedy = found.resume.unwrap_or_default();
            return Err(RunError::Abandoned { run: found.run, what, remedy }.into());
        }
        if *once {
            return Ok(CommandOutcome::Done);
        }
        thread::sleep(Duration::from_secs_f64(*every));
        // Of a run in an object store, what has come meanwhile.
        mirror::update(run.path(), Needed::Progress).map_err(RunError::from)?;
    }
}

/// A look at a run that somebody works on, or that has been as it is for a moment.
fn settled(watch: &mut RunWatch) -> Result<WatchedRun, RunError> {
    let mut found = watch.look()?;
    for _ in 0..LOOKS {
        if matches!(found.state, WatchState::Working | WatchState::Workers | WatchState::Complete | WatchState::Unknown)
        {
            break;
        }
        thread::sleep(PAUSE / LOOKS);
        found = watch.look()?;
    }
    Ok(found)
}

/// When something changed last.
#[derive(Default)]
struct Seen {
    last: Option<(WatchedRun, Option<std::time::SystemTime>, Instant)>,
}

impl Seen {
    /// How long nothing has changed.
    fn quiet_for(&mut self, found: &WatchedRun, sign: Option<std::time::SystemTime>) -> Duration {
        match &self.last {
            Some((before, sign_before, since)) if before == found && *sign_before == sign => since.elapsed(),
            _ => {
                self.last = Some((found.clone(), sign, Instant::now()));
                Duration::ZERO
            }
        }
    }
}

/// Where lines go: one that is drawn anew on a terminal, a line for each change elsewhere.
struct Line {
    json: bool,
    bar: Option<ProgressBar>,
    shown: Option<WatchedRun>,
}

impl Line {
    fn new(json: bool, once: bool) -> Self {
        let drawn = !json && !once && io::stdout().is_terminal();
        let bar = drawn.then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stdout());
            bar.set_style(ProgressStyle::with_template("{wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { json, bar, shown: None }
    }

    /// Shows a line if it is another one; `false` if nobody reads any more.
    fn show(&mut self, found: &WatchedRun) -> Result<bool, Error> {
        if self.shown.as_ref() == Some(found) {
            return Ok(true);
        }
        self.shown = Some(found.clone());
        if let Some(bar) = &self.bar {
            bar.set_message(text(found));
            bar.tick();
            return Ok(true);
        }
        let line = if self.json { serde_json::to_string(found)? } else { text(found) };
        Ok(print_line(&line)?)
    }

    /// Leaves the last line on the terminal.
    fn leave(&self) {
        if let Some(bar) = &self.bar {
            bar.abandon();
        }
    }
}

/// The line for people.
fn text(found: &WatchedRun) -> String {
    let state = match found.state {
        WatchState::Complete => "complete".to_owned(),
        WatchState::Embedded => "embedded".to_owned(),
        WatchState::Workers if found.lacks_only_finish() => "embedded, not finished".to_owned(),
        WatchState::Stopped => format!("stopped while {}", found.stage.name()),
        WatchState::Died => format!("died while {}", found.stage.name()),
        WatchState::Working | WatchState::Workers | WatchState::Unknown => found.stage.name().to_owned(),
    };
    let share = |done: u64, all: u64| done.saturating_mul(100).checked_div(all).unwrap_or(100);
    let mut parts = vec![state, format!("{}/{} faces ({}%)", found.done, found.faces, share(found.done, found.faces))];
    parts.extend(found.chunks.map(|chunks| format!("{}/{chunks} chunks", found.chunks_done)));
    parts.extend(found.faces_per_second.map(|speed| format!("{speed:.0} faces/s")));
    parts.extend(found.seconds_left.map(|left| format!("ETA {}", duration(left))));
    parts.push(match found.failed {
        1 => "1 failure".into(),
        n => format!("{n} failures"),
    });
    let host = found.host.as_ref().map_or_else(String::new, |host| format!(", last embedded on {host}"));
    match (found.state, &found.process) {
        (WatchState::Workers, _) if found.lacks_only_finish() => {}
        (WatchState::Working | WatchState::Workers, Some(process)) => parts.push(process.clone()),
        (WatchState::Unknown, Some(process)) => parts.push(format!("{process}, which is not to be seen here{host}")),
        _ => {}
    }
    parts.join("  ")
}

/// Seconds as people read them.
fn duration(seconds: f64) -> String {
    let whole = seconds.ceil() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_people_read_them() {
        assert_eq!([0.0, 59.1, 61.0, 3_661.0].map(duration), ["0 s", "1:00", "1:01", "1:01:01"]);
        // As large as it gets.
        assert!(duration(f64::INFINITY).ends_with(":15"));
    }
}

//! Progress on the terminal: bars on standard error, lines above them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::progress::Progress;
use crate::terminal::say;
use crate::text;

/// Time between two signs of life of a long step where standard error is not a terminal.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// Bars on standard error; if that is not a terminal, one line at each start and end, and now and then in between.
#[derive(Default)]
pub struct Terminal {
    open: Mutex<Option<Open>>,
}

/// `--quiet`: no progress, but warnings.
pub struct Quiet;

impl Progress for Quiet {
    fn start(&self, _: &str, _: &'static str, _: Option<u64>, _: u64) {}
    fn advance(&self, _: u64) {}
    fn remark(&self, _: &str) {}
    fn finish(&self) {}
    fn say(&self, _: &str) {}
    fn warn(&self, line: &str) {
        say(line);
    }
}

struct Open {
    bar: ProgressBar,
    task: String,
    unit: &'static str,
    resumed: u64,
    told: Instant,
}

impl Open {
    /// A line on how far it is, if the last one is long enough ago.
    fn sign_of_life(&mut self, now: Instant) -> Option<String> {
        if now.duration_since(self.told) < SIGN_OF_LIFE {
            return None;
        }
        self.told = now;
        let (done, task, unit) = (self.bar.position(), &self.task, self.unit);
        let amount = |n: u64| if unit == "bytes" { format!("{:.1}", n as f64 / 1e6) } else { n.to_string() };
        let of = self.bar.length().map_or_else(String::new, |total| format!(" of {}", amount(total)));
        Some(format!("{task}: {}{of} {}", amount(done), if unit == "bytes" { "MB" } else { unit }))
    }
}

impl Terminal {
    fn with<T>(&self, act: impl FnOnce(&mut Option<Open>) -> T) -> T {
        act(&mut self.open.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }
}

fn interactive() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal()
}

/// The noun for one of a unit.
fn one(unit: &str) -> &str {
    unit.strip_suffix(if unit.ends_with("sses") { "es" } else { "s" }).unwrap_or(unit)
}

/// The line at the start of a step, where there is no bar. How much there is to do need not be known.
fn opening(task: &str, unit: &str, total: Option<u64>, resumed: u64) -> String {
    match (total, resumed) {
        (Some(total), 0) => format!("{task}: {}", text::counted(total, one(unit))),
        (Some(total), resumed) => format!("{task}: {}, {resumed} already done", text::counted(total, one(unit))),
        (None, 0) => task.to_owned(),
        (None, resumed) => format!("{task}: {} already done", text::counted(resumed, one(unit))),
    }
}

impl Progress for Terminal {
    fn start(&self, task: &str, unit: &'static str, total: Option<u64>, resumed: u64) {
        self.finish();
        // A name from elsewhere beside a bar must neither drive the terminal nor fill it.
        let task = &*text::quoted(task);
        let target = if interactive() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match (unit, total) {
            ("bytes", Some(_)) => {
                "{prefix:>11} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} eta {eta} {msg}".into()
            }
            ("bytes", None) => "{prefix:>11} {spinner} {bytes} {bytes_per_sec} {msg}".into(),
            (_, Some(_)) => format!(
                "{{prefix:>11}} {{wide_bar}} {{human_pos}}/{{human_len}} {unit} {{per_sec:1}} eta {{eta}} {{msg}}"
            ),
            (_, None) => format!("{{prefix:>11}} {{spinner}} {{human_pos}} {unit} {{per_sec:1}} {{msg}}"),
        };
        bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(task.to_owned());
        bar.set_position(resumed);
        // Resumed work must not count towards the speed.
        bar.reset_eta();
        bar.enable_steady_tick(Duration::from_millis(200));
        if !interactive() {
            say(&opening(task, unit, total, resumed));
        }
        let told = Instant::now();
        self.with(|open| *open = Some(Open { bar, task: task.to_owned(), unit, resumed, told }));
    }

    fn advance(&self, n: u64) {
        let line = self.with(|open| {
            let open = open.as_mut()?;
            open.bar.inc(n);
            if interactive() { None } else { open.sign_of_life(Instant::now()) }
        });
        if let Some(line) = line {
            say(&line);
        }
    }

    fn remark(&self, remark: &str) {
        self.with(|open| {
            if let Some(open) = open {
                open.bar.set_message(text::quoted(remark).into_owned());
            }
        });
    }

    fn finish(&self) {
        let Some(Open { bar, task, unit, resumed, .. }) = self.with(Option::take) else { return };
        let (done, seconds) = (bar.position().saturating_sub(resumed), bar.elapsed().as_secs_f64());
        bar.finish_and_clear();
        let speed = if unit == "bytes" {
            format!("{:.1} MB", done as f64 / 1e6)
        } else {
            format!("{}, {:.0}/s", text::counted(done, one(unit)), done as f64 / seconds.max(1e-9))
        };
        say(&format!("{task}: {speed}, {seconds:.1} s"));
    }

    fn say(&self, line: &str) {
        let printed = self.with(|open| match open {
            Some(open) if interactive() => {
                open.bar.println(text::message(line));
                true
            }
            _ => false,
        });
        if !printed {
            say(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_opens_with_what_is_known_of_it() {
        assert_eq!(opening("comparing", "pairs", Some(7), 0), "comparing: 7 pairs");
        assert_eq!(opening("comparing", "pairs", Some(7), 3), "comparing: 7 pairs, 3 already done");
        assert_eq!(opening("comparing", "pairs", None, 0), "comparing");
        assert_eq!(opening("comparing", "pairs", None, 1), "comparing: 1 pair already done");
    }

    #[test]
    fn a_long_step_gives_a_sign_of_life_now_and_then() {
        let bar = ProgressBar::with_draw_target(Some(13_233), ProgressDrawTarget::hidden());
        let told = Instant::now();
        let mut open = Open { bar, task: "detecting".into(), unit: "photos", resumed: 0, told };
        open.bar.inc(500);
        assert_eq!(open.sign_of_life(told + SIGN_OF_LIFE / 2), None);
        let line = open.sign_of_life(told + SIGN_OF_LIFE);
        assert_eq!(line.as_deref(), Some("detecting: 500 of 13233 photos"));
        assert_eq!(open.sign_of_life(told + SIGN_OF_LIFE), None, "not for each photo");
        open.unit = "bytes";
        let line = open.sign_of_life(told + 2 * SIGN_OF_LIFE);
        assert_eq!(line.as_deref(), Some("detecting: 0.0 of 0.0 MB"));
    }
}

//! Progress on the terminal: bars on standard error, lines above them.

use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::progress::Progress;
use crate::terminal::say;

/// Bars on standard error; if that is not a terminal, one line at each start and end.
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

impl Progress for Terminal {
    fn start(&self, task: &str, unit: &'static str, total: Option<u64>, resumed: u64) {
        self.finish();
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
            let total = total.map_or_else(String::new, |total| format!(" {total} {unit}"));
            let resumed = if resumed > 0 { format!(", {resumed} already done") } else { String::new() };
            say(&format!("{task}:{total}{resumed}"));
        }
        self.with(|open| *open = Some(Open { bar, task: task.to_owned(), unit, resumed }));
    }

    fn advance(&self, n: u64) {
        self.with(|open| {
            if let Some(open) = open {
                open.bar.inc(n);
            }
        });
    }

    fn remark(&self, text: &str) {
        self.with(|open| {
            if let Some(open) = open {
                open.bar.set_message(text.to_owned());
            }
        });
    }

    fn finish(&self) {
        let Some(Open { bar, task, unit, resumed }) = self.with(Option::take) else { return };
        let (done, seconds) = (bar.position().saturating_sub(resumed), bar.elapsed().as_secs_f64());
        bar.finish_and_clear();
        let speed = if unit == "bytes" {
            format!("{:.1} MB", done as f64 / 1e6)
        } else {
            format!("{done} {unit}, {:.0}/s", done as f64 / seconds.max(1e-9))
        };
        say(&format!("{task}: {speed}, {seconds:.1} s"));
    }

    fn say(&self, line: &str) {
        let printed = self.with(|open| match open {
            Some(open) if interactive() => {
                open.bar.println(line);
                true
            }
            _ => false,
        });
        if !printed {
            say(line);
        }
    }
}

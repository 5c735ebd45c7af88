//! Calls into the library: without the GIL, stopped by Ctrl-C, and with its errors as Python's.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use std::{io, panic, process, thread};

use facevault::api;
use facevault::error::Error;
use facevault::progress::Cancel;
use pyo3::prelude::*;

/// How often a call looks whether Ctrl-C was pressed.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The process whose threads the library has started.
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// Does `work` on a thread of its own while this one, without holding the GIL, looks for signals; after one, asks the work
/// to stop and waits until it has.
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method itself is of one lifetime only")]
pub fn call<T: Send>(py: Python<'_>, work: impl FnOnce(&Cancel) -> Result<T, Error> + Send) -> PyResult<T> {
    let here = process::id();
    let first = PROCESS.compare_exchange(0, here, Ordering::Relaxed, Ordering::Relaxed);
    if first.is_err_and(|first| first != here) {
        // Waiting for a thread that did not follow would be forever.
        return Err(input_error(
            py,
            "facevault was used before this process was forked, and its threads did not follow; start processes with \
             the method `spawn` or `forkserver` (`multiprocessing.set_start_method`), or use facevault only in the forked \
             processes",
        ));
    }
    let cancel = Cancel::default();
    let begun = py.detach(|| {
        thread::scope(|scope| {
            let (running, over) = mpsc::channel::<()>();
            let work = thread::Builder::new().name("facevault".into()).spawn_scoped(scope, || {
                let _running = running;
                work(&cancel)
            })?;
            let mut stopped = None;
            while over.recv_timeout(LOOK_EVERY) == Err(RecvTimeoutError::Timeout) {
                if stopped.is_none()
                    && let Err(signal) = Python::attach(|py| py.check_signals())
                {
                    cancel.request();
                    stopped = Some(signal);
                }
            }
            Ok((work.join(), stopped))
        })
    });
    let (ended, stopped) = begun.map_err(|error: io::Error| {
        let text = format!(
            "the system allows no more threads ({error}); raise its limit on processes, or stop other programs"
        );
        of_class(py, "MachineError", &text)
    })?;
    // A panic is a bug; Python shows it as one.
    let ended = ended.unwrap_or_else(|panic| panic::resume_unwind(panic));
    match (ended, stopped) {
        (_, Some(signal)) => Err(signal),
        (Ok(done), None) => Ok(done),
        (Err(error), None) => Err(python_error(py, &error)),
    }
}

/// The library's error as one of Python's: of arguments a `ValueError`, of the machine an `OSError`.
pub fn python_error(py: Python<'_>, error: &Error) -> PyErr {
    let text = error.render();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    if api::wrong_argument(error) { input_error(py, text) } else { of_class(py, "MachineError", text) }
}

/// What is wrong with an argument.
pub fn input_error(py: Python<'_>, text: &str) -> PyErr {
    of_class(py, "InputError", text)
}

fn of_class(py: Python<'_>, class: &str, text: &str) -> PyErr {
    let error = || py.import("facevault_bench._errors")?.getattr(class)?.call1((text,));
    error().map_or_else(|missing| missing, PyErr::from_value)
}

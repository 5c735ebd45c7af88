//! The threads that wait for the network, started when the first object is asked for.

use std::io;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Requests wait most of the time; TLS takes what a thread has at full speed.
const THREADS: usize = 2;

/// The runtime of all folders.
pub(crate) fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).thread_name("objects").enable_all().build()?;
    // Of two that start at once, one is dropped unused.
    Ok(RUNTIME.get_or_init(|| runtime))
}

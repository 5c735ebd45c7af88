//! Many transfers at a time: each of them mostly waits.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::progress;

/// Transfers at a time.
const TRANSFERS: usize = 16;

/// Fewer files than this, of fewer bytes, are copied without a word.
const MANY: usize = 32;
const LARGE: u64 = 32 << 20;

/// Calls `act` with each item on several threads, and shows how far it is; the first error ends it. `size` is that of an item.
pub(super) fn each<T: Sync, E: Send>(
    task: &str,
    items: &[T],
    size: impl Fn(&T) -> u64 + Sync,
    act: impl Fn(&T) -> Result<(), E> + Sync,
) -> Result<(), E> {
    let bytes = items.iter().map(&size).sum();
    let shown = items.len() >= MANY || bytes >= LARGE;
    if shown {
        progress().start(task, "bytes", Some(bytes), 0);
    }
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..TRANSFERS.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match act(item) {
                        Ok(()) if shown => progress().advance(size(item)),
                        Ok(()) => {}
                        Err(error) => {
                            next.store(items.len(), Ordering::Relaxed);
                            failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    if shown {
        progress().finish();
    }
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

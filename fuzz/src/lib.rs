//! How much memory a target holds at a time.

// Tested by: `what_a_target_holds_is_counted` in fuzz/src/lib.rs

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that a target may hold for each byte of its input.
const PER_BYTE: usize = 64;

/// Bytes that it may hold besides.
const BESIDES: usize = 1 << 20;

static HELD: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, counted.
pub struct Counted;

// SAFETY: every call is passed on to `System` as it is.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let held = HELD.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(held, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`, which is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Runs a target; panics if it held more memory than its input allows.
pub fn bounded(data: &[u8], target: fn(&[u8])) {
    let before = HELD.load(Relaxed);
    MOST.store(before, Relaxed);
    target(data);
    let held = MOST.load(Relaxed).saturating_sub(before);
    assert!(held <= PER_BYTE * data.len() + BESIDES, "{held} bytes held for an input of {}", data.len());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[global_allocator]
    static COUNTED: Counted = Counted;

    #[test]
    fn what_a_target_holds_is_counted() {
        bounded(&[1; 32_000], |data| drop(data.repeat(32)));
        let too_much = std::panic::catch_unwind(|| bounded(&[1; 32_000], |data| drop(data.repeat(128))));
        assert!(too_much.is_err());
    }
}

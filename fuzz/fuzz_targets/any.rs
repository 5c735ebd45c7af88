//! Every target of `facevault::fuzzing`: FACEVAULT_TARGET names the one that is fuzzed.

#![no_main]

use std::sync::OnceLock;

use facevault::fuzzing::{TARGETS, Target};

#[global_allocator]
static COUNTED: facevault_fuzz::Counted = facevault_fuzz::Counted;

static CHOSEN: OnceLock<Target> = OnceLock::new();

fn choose() {
    let asked = std::env::var("FACEVAULT_TARGET").unwrap_or_default();
    let Some(target) = TARGETS.into_iter().find(|(name, _)| *name == asked) else {
        panic!("set FACEVAULT_TARGET to one of {:?}", TARGETS.map(|(name, _)| name));
    };
    // polars panics, and is caught: only what is not caught ends the process.
    if matches!(target.0, "manifest" | "parquet") {
        std::panic::set_hook(Box::new(|_| ()));
    }
    let _ = CHOSEN.set(target);
}

libfuzzer_sys::fuzz_target!(init: choose(), |data: &[u8]| {
    match CHOSEN.get() {
        Some(("npy" | "onnx" | "parts" | "pickle" | "safetensors", target)) => facevault_fuzz::bounded(data, *target),
        Some((_, target)) => target(data),
        None => {}
    }
});

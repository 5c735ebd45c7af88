#![no_main]

#[global_allocator]
static COUNTED: facevault_fuzz::Counted = facevault_fuzz::Counted;

libfuzzer_sys::fuzz_target!(|data: &[u8]| facevault_fuzz::bounded(data, facevault::fuzzing::pickle));

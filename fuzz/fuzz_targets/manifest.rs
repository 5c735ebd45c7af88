#![no_main]

// polars panics, and is caught: only what is not caught ends the process.
libfuzzer_sys::fuzz_target!(
    init: {
        std::panic::set_hook(Box::new(|_| ()));
    },
    |data: &[u8]| facevault::fuzzing::manifest(data)
);

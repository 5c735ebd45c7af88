//! The `facevault` binary.

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    facevault_cli::run(env::args_os()).into()
}

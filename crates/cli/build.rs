//! Facts of the build that a run records: which source, which compiler.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    println!("cargo::rustc-env=FACEVAULT_RUSTC={}", output(&rustc, &["--version"]).unwrap_or_else(|| "unknown".into()));
    println!("cargo::rustc-env=FACEVAULT_TARGET={}", env::var("TARGET").unwrap_or_default());

    // Absent when built from an archive: the run then says "unknown".
    let revision = output("git", &["rev-parse", "HEAD"]).map_or_else(
        || "unknown".into(),
        |commit| match output("git", &["status", "--porcelain", "--untracked-files=no"]) {
            Some(changes) if changes.is_empty() => commit,
            _ => format!("{commit} (dirty)"),
        },
    );
    println!("cargo::rustc-env=FACEVAULT_REVISION={revision}");

    // What makes the working tree clean or dirty.
    for path in ["src", "crates", "assets", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed=../../{path}");
    }
    if let Some(git) = output("git", &["rev-parse", "--absolute-git-dir"]) {
        for name in ["HEAD", "index"] {
            let path = Path::new(&git).join(name);
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }
}

/// What a program prints, trimmed; `None` when it is missing or fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

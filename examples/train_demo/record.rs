//! The record of a training: what was run, on what, and what came of it.

use std::fmt::Write as _;
use std::process::Command;

use crate::Options;
use crate::judge::Judgement;

/// One line of the table.
pub struct Row {
    pub minutes: f64,
    pub step: usize,
    pub persons: usize,
    pub rate: f64,
    /// Means since the row before.
    pub contrast: f64,
    pub spread: f64,
    pub validation: Judgement,
}

/// What is known before the first step; asked for then, since the working tree may change meanwhile.
pub fn facts(options: &Options, parameters: usize) -> String {
    let facts = [
        ("Command", format!("`cargo run --release --locked --example train_demo -- {}`", arguments())),
        ("Date", output("date", &["-u", "+%Y-%m-%d"])),
        ("Source", revision()),
        ("Machine", format!("{}, {} threads", processor(), rayon::current_num_threads())),
        (
            "Network",
            format!(
                "InceptionResnetV1, width {}, {} × {} pixels, {parameters} trained numbers",
                options.width, options.side, options.side
            ),
        ),
        (
            "Faces",
            format!(
                "procedural, generator version {}, universe {}; {} pictures each of {} persons a step",
                facevault::dataset::synthetic::GENERATOR_VERSION,
                options.seed,
                options.samples,
                options.persons
            ),
        ),
        (
            "Loss",
            format!(
                "supervised contrastive at temperature {}, plus {} × mean cos² between persons",
                options.temperature, options.spread
            ),
        ),
        (
            "Optimiser",
            format!(
                "AdamW, peak learning rate {}, warm-up, then cosine decay over {} minutes",
                options.learning_rate, options.minutes
            ),
        ),
    ];
    facts.iter().fold(String::new(), |text, (what, value)| text + &format!("- {what}: {value}\n"))
}

/// The whole record.
pub fn markdown(facts: &str, rows: &[Row], last: Option<(&str, &Judgement)>) -> String {
    let mut text = format!(
        "# How `demo.safetensors` was trained\n\nWritten by `examples/train_demo` beside the weights.\n\n{facts}"
    );
    let _ = writeln!(
        text,
        "\nValidation: {} persons × {} pictures of universe {}, never trained on, through the library's inference path.\n",
        crate::VALIDATION.1,
        crate::VALIDATION.2,
        crate::VALIDATION.0
    );
    text += "| minutes | step | persons seen | learning rate | contrast | mean cos² | EER | genuine mean | impostor mean | impostor std | impostor mean \\|cos\\| |\n";
    text += "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
    for row in rows {
        let v = &row.validation;
        let _ = writeln!(
            text,
            "| {:.1} | {} | {} | {:.1e} | {:.3} | {:.4} | {:.2}% | {:.3} | {:+.3} | {:.3} | {:.4} |",
            row.minutes,
            row.step,
            row.persons,
            row.rate,
            row.contrast,
            row.spread,
            v.eer * 100.0,
            v.genuine.mean(),
            v.impostor.mean(),
            v.impostor.std(),
            v.impostor.mean_abs()
        );
    }
    if let Some((what, judgement)) = last {
        let _ = writeln!(text, "\nThe written file, read again, on {what}: {judgement}.");
    }
    text
}

fn arguments() -> String {
    std::env::args().skip(1).collect::<Vec<_>>().join(" ")
}

fn revision() -> String {
    let dirty = !output("git", &["status", "--porcelain", "--", "src", "examples", "Cargo.lock"]).is_empty();
    let mark = if dirty { ", with uncommitted changes" } else { "" };
    format!("git revision {}{mark}", output("git", &["rev-parse", "HEAD"]))
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    format!("{} ({})", name.trim_start_matches([' ', '\t', ':']), facevault::model::device::instruction_sets())
}

fn output(program: &str, arguments: &[&str]) -> String {
    Command::new(program)
        .args(arguments)
        .output()
        .ok()
        .map_or_else(String::new, |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

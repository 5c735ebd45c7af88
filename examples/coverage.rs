//! How often a nominal 95% interval holds the truth, by score model, metric and kind of interval: the table of
//! docs/statistics.md.
//!
//! `cargo run --release --example coverage -- [TRIALS [REPLICATES]]`, 2,000 and 500 unless told.

use std::env;

use facevault::verification::simulation::{HARD_MODELS, KINDS, METRICS, MODELS, TrialResult};
use rayon::prelude::*;

fn main() {
    let mut arguments = env::args().skip(1).map(|text| text.parse::<u32>());
    let mut number = |default: u32| arguments.next().and_then(Result::ok).unwrap_or(default);
    let (trials, replicates) = (number(2_000), number(500));
    println!("{trials} data sets a model, {replicates} replicates\n");
    println!("| model | rate | interval | coverage | truth above | truth below | mean width |");
    println!("|---|---|---|---|---|---|---|");
    for model in MODELS.into_iter().chain(HARD_MODELS) {
        let found: Vec<[TrialResult; 6]> =
            (0..trials).into_par_iter().map(|number| model.trial(replicates, 2026, number)).collect();
        for (metric, name) in METRICS.iter().enumerate() {
            for (kind, interval) in KINDS.iter().enumerate() {
                let all: Vec<(f64, [f64; 2])> = found
                    .iter()
                    .filter_map(|found| Some((found[metric].truth, found[metric].intervals[kind]?)))
                    .collect();
                if all.is_empty() {
                    continue;
                }
                let share = |holds: &dyn Fn(f64, [f64; 2]) -> bool| {
                    100.0 * all.iter().filter(|(truth, ends)| holds(*truth, *ends)).count() as f64 / all.len() as f64
                };
                let (above, below) = (share(&|truth, ends| truth > ends[1]), share(&|truth, ends| truth < ends[0]));
                let width = all.iter().map(|(_, ends)| ends[1] - ends[0]).sum::<f64>() / all.len() as f64;
                println!(
                    "| {} | {name} {:.3}% | {interval} | {:.1}% | {above:.1}% | {below:.1}% | {:.4}% |",
                    model.name,
                    100.0 * all[0].0,
                    100.0 - above - below,
                    100.0 * width
                );
            }
        }
    }
}

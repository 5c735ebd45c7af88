//! Trains the demo's miniature network on procedural faces, on the CPU, within a time budget:
//!
//! ```text
//! cargo run --release --example train_demo -- --out assets/demo.safetensors
//! ```
//!
//! It learns from persons of one universe, is watched on a second, and the demo uses a third: nobody who is compared in
//! the demo was ever seen. A checkpoint and its record (`<out>` with `.md` for its extension) are written at every
//! validation, so the training may be stopped at any moment.

mod checkpoint;
mod faces;
mod judge;
mod loss;
mod network;
mod ops;
mod record;

use std::path::PathBuf;
use std::time::Instant;

use candle_core::Tensor;
use candle_nn::{AdamW, Optimizer, ParamsAdamW};
use clap::Parser;
use facevault::files;
use facevault::model::weights;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use checkpoint::Failure;
use judge::{Gallery, Judgement};
use record::Row;

/// Universe, persons and pictures of the validation.
const VALIDATION: (u64, u32, u32) = (7, 100, 5);

/// Universe, persons and pictures of the demo: judged once, after the end.
const DEMO: (u64, u32, u32) = (2026, 60, 10);

/// Trains the demo's miniature network on procedural faces.
#[derive(Debug, Parser)]
pub struct Options {
    /// Where the weights go; the record goes beside them
    #[arg(long)]
    out: PathBuf,
    /// Judge the weights that are there on the demo's faces, and train nothing
    #[arg(long)]
    judge: bool,
    /// Time budget; the learning rate falls to zero within it
    #[arg(long, default_value_t = 40.0)]
    minutes: f64,
    /// Minutes between validations
    #[arg(long, default_value_t = 6.0)]
    validate_every: f64,
    /// Universe of the training's faces, and seed of the weights
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads; all cores if left out
    #[arg(long)]
    threads: Option<usize>,
    /// Width of the network
    #[arg(long, default_value_t = 0.25)]
    width: f64,
    /// Side of the pictures
    #[arg(long, default_value_t = 80)]
    side: u32,
    /// Persons in a batch
    #[arg(long, default_value_t = 64)]
    persons: usize,
    /// Pictures of each
    #[arg(long, default_value_t = 2)]
    samples: usize,
    /// Peak learning rate
    #[arg(long, default_value_t = 3e-3)]
    learning_rate: f64,
    /// Temperature of the contrastive loss
    #[arg(long, default_value_t = 0.1)]
    temperature: f64,
    /// Weight of the mean cos² between persons
    #[arg(long, default_value_t = 10.0)]
    spread: f64,
}

/// Share of the budget in which the learning rate rises.
const WARM_UP: f64 = 0.03;

/// Batches that the statistics of `BatchNorm` are taken from.
const CALIBRATION: usize = 12;

fn main() -> Result<(), Failure> {
    let options = Options::parse();
    if [VALIDATION.0, DEMO.0].contains(&options.seed) {
        return Err(format!("universe {} is kept for judging; choose another seed", options.seed).into());
    }
    rayon::ThreadPoolBuilder::new().num_threads(options.threads.unwrap_or(0)).build_global()?;
    if options.judge {
        return judge_demo(&options).map(|_| ());
    }
    let start = Instant::now();
    let minutes = || start.elapsed().as_secs_f64() / 60.0;

    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut network = network::Network::new(options.width, options.side as usize, options.seed)?;
    let parameters = network.variables().iter().map(|variable| variable.elem_count()).sum();
    let facts = record::facts(&options, parameters);
    let loss = loss::Loss::new(options.persons, options.samples, options.temperature, options.spread)?;
    let mut optimiser = AdamW::new(network.variables(), ParamsAdamW { weight_decay: 1e-3, ..ParamsAdamW::default() })?;
    let gallery = Gallery::new(VALIDATION.0, VALIDATION.1, VALIDATION.2, options.side);
    let mut pool = faces::Pool::new(options.seed, options.side, options.persons * 6);
    println!("{parameters} numbers to train; {:.1} min until the first step", minutes());

    let mut rows: Vec<Row> = Vec::new();
    let mut sums = (0.0, 0.0, 0);
    let (mut step, mut next_validation) = (0, options.validate_every.min(2.0));
    loop {
        let progress = minutes() / options.minutes;
        let rate = options.learning_rate * schedule(progress);
        if progress < 1.0 {
            optimiser.set_learning_rate(rate);
            let batch = pool.batch(options.persons, options.samples, &mut random);
            let [total, contrast, spread] = loss.of(&network.forward(&batch)?)?;
            optimiser.backward_step(&total)?;
            let (contrast, spread) = (number(&contrast)?, number(&spread)?);
            sums = (sums.0 + contrast, sums.1 + spread, sums.2 + 1);
            step += 1;
            if step % 20 == 0 {
                println!(
                    "{:5.1} min, step {step}: contrast {contrast:.3}, cos² {spread:.4}, rate {rate:.1e}, {} persons",
                    minutes(),
                    pool.seen
                );
            }
        }
        if progress >= 1.0 || minutes() >= next_validation {
            next_validation = minutes() + options.validate_every;
            let batches: Vec<_> =
                (0..CALIBRATION).map(|_| pool.batch(options.persons, options.samples, &mut random)).collect();
            network.calibrate(&batches)?;
            let bytes = checkpoint::encode(&network.tensors()?)?;
            let tensors = weights::parse(&bytes, &|_| {})?;
            let validation = gallery.judge(&tensors, options.width)?;
            println!("{:5.1} min, step {step}: {validation}", minutes());
            let steps = f64::from(sums.2.max(1));
            rows.push(Row {
                minutes: minutes(),
                step,
                persons: pool.seen,
                rate,
                contrast: sums.0 / steps,
                spread: sums.1 / steps,
                validation,
            });
            sums = (0.0, 0.0, 0);
            files::commit_bytes(&options.out, &bytes)?;
            let record = options.out.with_extension("md");
            files::commit_bytes(&record, record::markdown(&facts, &rows, None).as_bytes())?;
            if progress >= 1.0 {
                break;
            }
        }
    }

    let (what, demo) = judge_demo(&options)?;
    let text = record::markdown(&facts, &rows, Some((&what, &demo)));
    files::commit_bytes(&options.out.with_extension("md"), text.as_bytes())?;
    Ok(())
}

/// Reads the written file again and judges it on the demo's own faces; says which, and how it did.
fn judge_demo(options: &Options) -> Result<(String, Judgement), Failure> {
    let tensors = weights::parse(&files::read(&options.out)?, &|_| {})?;
    let demo = Gallery::new(DEMO.0, DEMO.1, DEMO.2, options.side).judge(&tensors, options.width)?;
    let what = format!("{} persons × {} pictures of the demo's universe {}", DEMO.1, DEMO.2, DEMO.0);
    println!("{what}: {demo}");
    Ok((what, demo))
}

/// Learning rate at a share of the budget, as a share of its peak: rises linearly, falls as the cosine to zero.
fn schedule(progress: f64) -> f64 {
    if progress < WARM_UP {
        return (progress / WARM_UP).max(0.01);
    }
    let fall = ((progress - WARM_UP) / (1.0 - WARM_UP)).min(1.0);
    0.5 * (1.0 + (fall * std::f64::consts::PI).cos())
}

fn number(tensor: &Tensor) -> candle_core::Result<f64> {
    tensor.to_scalar::<f32>().map(f64::from)
}

//! FaceVault Phase-2: face crops in, trustworthy embeddings and similarity statistics out.
//!
//! ```text
//! config.yaml ─ plan ─┬─ weights ──┐
//!                     └─ manifest ─┴─ embed ─ store ─ similarity ─ verification ─ report
//!                                    (chunks)  (npy, csv)  (pairs, histograms)  (metrics.json)  (html)
//!                                                                                   └─ compare (two runs or more)
//! ```
//!
//! Data moves one way; every step's result is a file that the next step reads. Dependencies point the same way:
//! `commands → run → {embed, evaluate, report, ablation, compare, agreement, published, reproduce} → {people, protocol} →
//! {model, weights, dataset, preprocess, breakdown, similarity, verification} → {plan, sample, closeness, quality, config,
//! files, file_lock, pointer, digest, estimate, progress, cuda}` and never back. `throughput` times the network of a config with
//! what `run` prepares. Only `terminal` writes to the terminal.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod ablation;
pub mod agreement;
pub mod breakdown;
pub mod cli;
pub mod closeness;
pub mod commands;
pub mod compare;
pub mod config;
pub mod cuda;
pub mod dataset;
pub mod digest;
pub mod embed;
pub mod error;
pub mod estimate;
pub mod evaluate;
pub mod file_lock;
pub mod files;
pub mod hub;
pub mod metrics;
pub mod model;
pub mod numbers;
pub mod people;
pub mod plan;
pub mod pointer;
pub mod preprocess;
pub mod progress;
pub mod protocol;
pub mod provenance;
pub mod published;
pub mod quality;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod sample;
pub mod similarity;
pub mod spelling;
pub mod terminal;
pub mod throughput;
pub mod verification;
pub mod weights;

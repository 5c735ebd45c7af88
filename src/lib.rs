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
pub mod cli;
pub mod closeness;
pub mod commands;
pub mod compare;
pub mod config;
pub mod dataset;
pub mod embed;
pub mod error;
pub mod hub;
pub mod numbers;
pub mod pages;
pub mod plan;
pub mod provenance;
pub mod published;
pub mod report;
pub mod reproduce;
pub mod results;
pub mod run;
pub mod sample;
pub mod terminal;
pub mod throughput;
pub mod weights;

pub use facevault_base::{digest, file_lock, files, pointer, progress};
pub use facevault_cuda as cuda;
pub use facevault_nn as model;
pub use facevault_preprocess::{self as preprocess, quality};
pub use facevault_stats::{breakdown, estimate, evaluate, metrics, people, protocol, similarity, verification};

//! FaceVault Phase-2: photos or face crops in, trustworthy embeddings and similarity statistics out.
//!
//! ```text
//! config.yaml ─ plan ─┬─ weights ──┐
//!                     └─ manifest ─┴─ embed ─ store ─ similarity ─ verification ─ report
//!                                    (chunks)  (npy, csv)  (pairs, histograms)  (metrics.json)  (html)
//!                                                                                   └─ compare (two runs or more)
//! ```
//!
//! Data moves one way; every step's result is a file that the next step reads. Dependencies point down. Each part
//! that stands alone is its own package, so the compiler enforces the order:
//!
//! ```text
//! facevault (this package)
//! facevault-nn          networks and checkpoints            facevault-stats   pairs, error rates, intervals, protocols
//! facevault-detect      photos → boxes and landmarks
//! facevault-preprocess  pictures → network input            facevault-kernels CPU kernels for all three
//! facevault-engine      any graph on the CPU                facevault-graph   ONNX files → graphs
//! facevault-jpeg        libjpeg-turbo's pixels              facevault-cuda    NVIDIA cards through the driver
//! facevault-ort         ONNX Runtime, where there is one    facevault-objects S3, Google's and Azure's stores
//! facevault-pixels      resizing, with Pillow's bytes       facevault-map     files as slices of numbers
//! facevault-base        digests, files, locks, progress
//! ```
//!
//! Each module uses only modules on lines below its own:
//!
//! ```text
//! fuzzing · schemas
//! api · commands
//! export
//! pages
//! error
//! cli
//! init
//! report
//! throughput
//! run
//! provenance · reproduce
//! ablation · plan · published
//! config
//! detect · embed
//! agreement · compare · dataset · results · weights
//! matrix · mirror
//! closeness · generated · guides · hub · npy · numbers · parquet · sample · shard · spelling · table · terminal
//! text_table
//! ```
//!
//! `tests/facevault/layers.rs` fails when one points back. Only `terminal` writes to the terminal.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod ablation;
mod agreement;
pub mod api;
pub mod cli;
mod closeness;
pub mod commands;
mod compare;
pub mod config;
pub mod dataset;
mod detect;
mod embed;
pub mod error;
mod export;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod generated;
mod guides;
pub mod hub;
mod init;
mod matrix;
mod mirror;
pub mod npy;
pub mod numbers;
mod pages;
mod parquet;
mod plan;
pub mod provenance;
mod published;
mod report;
mod reproduce;
pub mod results;
mod run;
mod sample;
pub mod schemas;
pub mod shard;
mod spelling;
mod table;
pub mod terminal;
mod text_table;
pub mod throughput;
pub mod weights;

pub use facevault_base::{digest, files, progress, text};
use facevault_base::{file_lock, pickle, pointer, transient};
pub use facevault_cuda as cuda;
pub use facevault_nn as model;
use facevault_objects as objects;
pub use facevault_preprocess::{self as preprocess, quality};
use facevault_stats::{breakdown, headline, metrics, people};
pub use facevault_stats::{estimate, evaluate, identification, protocol, similarity, templates, verification};

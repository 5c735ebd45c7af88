//! YAML → [`ExperimentConfig`]. Wire types accept what a person may write; the types in [`types`] are what the rest of
//! the program sees.

pub mod types;

pub use types::*;

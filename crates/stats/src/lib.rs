#![doc = include_str!("../README.md")]
//!
//! ## Layers
//!
//! ```text
//! similarity (unit rows → tallies, cells, hardest pairs) ─ verification (tallies → estimates)
//!        └─ protocol (published lists) · identification (gallery and probes) · people (identities, label audit, routing)
//!           · templates (sets of faces) · breakdown (slices, discard curves)
//! ```
//!
//! Pairs are compared on a GPU through `facevault-cuda` where the caller asks for one.

pub mod breakdown;
pub(crate) mod disjoint_sets;
pub mod estimate;
pub mod evaluate;
pub mod headline;
pub mod identification;
pub mod metrics;
pub mod people;
pub mod protocol;
pub mod similarity;
pub mod templates;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod verification;

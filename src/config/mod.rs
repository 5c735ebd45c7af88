//! YAML → [`ExperimentConfig`]. Wire types accept what a person may write; the types in [`types`] are what the rest of
//! the program sees.
//!
//! ```text
//! text ─ tree (each node with its place) ─ overrides ─ wire types ─ validation ─ ExperimentConfig
//! ```
//!
//! Whatever is refused on the way is refused with the line it stands in.

mod ablation;
mod decode;
mod diagnostics;
mod load;
mod overrides;
mod protocols;
mod schema;
#[cfg(test)]
mod tests;
mod tree;
pub mod types;
mod validate;
mod wire;

pub use diagnostics::ConfigError;
pub use load::{Loaded, load, load_stored};
pub use schema::schema;
pub use types::*;

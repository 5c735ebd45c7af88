//! YAML → [`ExperimentConfig`]. The type of each section is its owner's (`embed::EmbedOptions`, …) and carries defaults,
//! descriptions, units and rules; from its JSON schema come the checks, `configs/schema.json` and the tables of
//! `configs/README.md`.
//!
//! ```text
//! text ─ tree (each node with its place) ─ overrides ─ rules of the schema ─ sections ─ rules between values ─ ExperimentConfig
//! ```
//!
//! Every refusal names the line.
//!
//! To add a key, add a field to its section's type: the doc comment, the default and the `#[schemars(…)]` rule are its
//! description, default and check. Then run `just schema`, which rewrites `configs/schema.json` and the tables.

mod ablation;
mod as_written;
mod built_in;
mod diagnostics;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod in_words;
mod load;
mod overrides;
mod place;
mod protocols;
mod rules;
mod schema;
#[cfg(test)]
mod table;
#[cfg(test)]
mod tests;
mod tree;
pub mod types;
mod validate;
mod wire;

pub use as_written::as_written;
pub use built_in::is_built_in;
pub use diagnostics::ConfigError;
pub use in_words::in_words;
pub use load::{Loaded, load, load_stored, of_sections};
pub use schema::schema;
pub use types::*;
pub(crate) use validate::without_photos;

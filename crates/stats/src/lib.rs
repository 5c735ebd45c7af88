//! Verification statistics that know that pairs share people: cosines of all pairs, error rates and thresholds with
//! intervals over identities, published protocols, who fails, and which labels deserve a look.
//!
//! ```text
//! similarity (unit rows → tallies, cells, hardest pairs) ─ verification (tallies → estimates)
//!        └─ protocol (published lists) · people (identities, label audit, routing) · breakdown (slices, discard curves)
//! ```
//!
//! Pure: no file, no network; a card is used through `facevault-cuda` where one is asked for.

pub mod breakdown;
pub mod estimate;
pub mod evaluate;
pub mod metrics;
pub mod people;
pub mod protocol;
pub mod similarity;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod verification;

//! The files an evaluation is kept in: written whole, read back bit for bit.

mod error;
mod files;
mod people;
mod searched;
mod table;
mod tested;
#[cfg(test)]
mod tests;

use crate::table::Table;
pub use error::ResultsError;
pub(crate) use files::{read, read_histograms, write};
pub use searched::read as read_searched;
pub use tested::read as read_tested;

/// The tables of an evaluation.
pub(crate) const TABLES: [&Table; 11] = [
    &files::HISTOGRAMS,
    &files::CURVES,
    &files::PAIRS,
    &files::IDENTITIES,
    &people::ERRORS,
    &people::AUDIT,
    &people::PAIRS,
    &files::IDENTITY_IDS,
    &tested::PROTOCOL_PAIRS,
    &searched::SEARCHES,
    &searched::CURVES,
];

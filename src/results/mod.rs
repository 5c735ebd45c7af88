//! The files an evaluation is kept in: written whole, read back bit for bit.

mod error;
mod files;
mod people;
mod table;
mod tested;
#[cfg(test)]
mod tests;

pub use error::ResultsError;
pub(crate) use files::{read, write};
pub use tested::read as read_tested;

//! Folders in object stores, for code that knows no asynchrony.
//!
//! ```text
//! address    s3://bucket/prefix, and which store that is
//! folder     list, read, fetch, put if absent or unchanged, remove
//! ahead      objects that are read in order, some of them before they are asked for
//! error      what went wrong with which object; never a credential
//! ```

mod address;
mod ahead;
mod error;
mod folder;
mod runtime;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use address::{Address, has_scheme, is_address};
pub use ahead::{Ahead, Wanted};
pub use error::ObjectError;
pub use folder::{Condition, Folder, Object};

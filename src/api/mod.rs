//! What programs call that link this library: the Python package (`python/`). The steps of the commands, from memory to
//! memory, without a terminal. Everything fails with [`Error`], whose text is for the user, and stops soon after `cancel` is
//! requested, with an error of the kind `Interrupted`.

mod network;
mod photos;
mod runs;

pub use network::{Embedded, FaceFile, FailedFace, OpenedNetwork, Quality};
pub use photos::{PhotoFaces, detect};
pub use runs::{compare, drawings, find_run, headline, verify};

use crate::error::Error;
use crate::run::RunError;

/// The work was stopped on request.
#[must_use]
pub fn interrupted() -> Error {
    RunError::Interrupted { resume: "call it again to start over".into() }.into()
}

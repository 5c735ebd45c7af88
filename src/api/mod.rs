//! What programs call that link this library: the Python package (`python/`). The steps of the commands, from memory to
//! memory, without a terminal. Everything fails with [`Error`], whose text is for the user, and stops soon after `cancel` is
//! requested, with an error of the kind `Interrupted`.

mod network;
mod photos;
mod runs;

pub use network::{Embedded, FaceFile, FailedFace, OpenedNetwork, Quality};
pub use photos::{PhotoFaces, detect};
pub use runs::{compare, drawings, find_run, headline, matrix, verify};

use crate::error::{Error, ErrorKind};
use crate::model::ModelError;
use crate::run::RunError;
use crate::weights::WeightsError;

/// The work was stopped on request.
#[must_use]
pub fn interrupted() -> Error {
    RunError::Interrupted { resume: "call it again to start over".into() }.into()
}

/// Whether an argument has to change, such as weights that are not the network's, rather than the machine, its files or its
/// network. For a program the two are apart; for the command, all that is found after the config was read is a failure.
#[must_use]
pub fn wrong_argument(error: &Error) -> bool {
    let Error::Run(wrong) = error else { return error.kind() == ErrorKind::Usage };
    match wrong {
        RunError::Weights(error) => !matches!(error, WeightsError::Hub(_) | WeightsError::File(_)),
        RunError::Model(error) => !matches!(
            error,
            ModelError::NoCuda { .. }
                | ModelError::NoKernels { .. }
                | ModelError::OutOfMemory { .. }
                | ModelError::UnlikeCards { .. }
                | ModelError::Device { .. }
        ),
        RunError::NotUnit(_) | RunError::WholePhotos { .. } | RunError::NoLandmarks { .. } => true,
        _ => error.kind() == ErrorKind::Usage,
    }
}

//! What every layer of FaceVault needs: digests, files that are whole or absent, locks, and a way to watch and to stop
//! long work.

pub mod digest;
pub mod file_lock;
pub mod files;
pub mod pickle;
pub mod pointer;
pub mod progress;

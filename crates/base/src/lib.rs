//! Digests, files that are either whole or absent, lock files, and a way to watch and cancel long work. Every other package
//! may use this one; it uses none of them.

pub mod digest;
pub mod file_lock;
pub mod files;
pub mod pickle;
pub mod pointer;
pub mod progress;
pub mod transient;

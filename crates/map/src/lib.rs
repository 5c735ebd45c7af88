//! Numbers that lie in files, as one slice: mapped, so that they take no memory of the process.

use std::fs::File;

#[cfg(all(unix, target_endian = "little"))]
mod mapping;
#[cfg(not(all(unix, target_endian = "little")))]
mod nowhere;

#[cfg(all(unix, target_endian = "little"))]
pub use mapping::Mapping;
#[cfg(not(all(unix, target_endian = "little")))]
pub use nowhere::Mapping;

/// Little-endian f32 that follow each other in a file.
#[derive(Debug, Clone, Copy)]
pub struct Extent<'a> {
    /// The file, open for reading.
    pub file: &'a File,
    /// Byte of the first.
    pub first: u64,
    /// How many.
    pub count: usize,
}

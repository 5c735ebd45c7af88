//! What may be unpacked of containers: a small file may claim any number of bytes, and they would fill memory or the disk.
//! Pictures are compressed already, so a container of pictures unpacks to about its own size.

use std::cell::Cell;
use std::io::{self, Read};
use std::path::Path;

use super::{ContainerProblem, Located};
use crate::files;

/// Most bytes that containers unpack to, as a multiple of their size. Uncompressed pictures of one colour reach 100,
/// photographs and their formats do not reach 5.
pub(super) const RATIO: u64 = 100;

/// Bytes that any container may unpack to.
pub(super) const GRACE: u64 = 256 << 20;

/// Most bytes that any containers unpack to: 4 TiB.
pub(super) const MOST: u64 = 4 << 40;

/// Most bytes of one text in a table: a name, a path, a description.
pub(super) const LONGEST_TEXT: usize = 64 << 10;

/// What is left free on the file system of the cache, unless it is small: the twentieth part of it.
const LEFT_FREE: u64 = 512 << 20;

/// Most bytes that a file of `packed` bytes unpacks to.
pub(super) fn most_of(packed: u64) -> u64 {
    packed.saturating_mul(RATIO).clamp(GRACE, MOST)
}

/// What is left to unpack of containers.
pub(super) struct Budget<'a> {
    /// Where it is written to.
    folder: &'a Path,
    packed: u64,
    pictures: Cell<u64>,
    texts: Cell<u64>,
}

impl<'a> Budget<'a> {
    pub fn new(containers: &[Located], folder: &'a Path) -> Self {
        let packed = containers.iter().map(|container| container.record.bytes).fold(0, u64::saturating_add);
        Self { folder, packed, pictures: Cell::new(0), texts: Cell::new(0) }
    }

    /// Takes a picture of this many bytes, before it is written.
    pub fn picture(&self, bytes: u64) -> Result<(), ContainerProblem> {
        self.pictures.set(self.pictures.get().saturating_add(bytes));
        grows(self.packed, self.pictures.get())?;
        let full = files::space(self.folder).is_some_and(|space| {
            let left = space.free.saturating_sub(bytes);
            left < LEFT_FREE.min(space.size / 20)
        });
        if full { Err(ContainerProblem::DiskFull(self.folder.display().to_string())) } else { Ok(()) }
    }

    /// Takes a text of this many bytes, before it is kept in memory. Texts are a small part of a container of pictures.
    pub fn text(&self, bytes: usize) -> Result<(), ContainerProblem> {
        self.texts.set(self.texts.get().saturating_add(bytes as u64));
        let most = self.packed.max(GRACE);
        if self.texts.get() > most { Err(ContainerProblem::Texts { most }) } else { Ok(()) }
    }
}

/// Refuses containers of `packed` bytes that unpack to more than they may.
pub(super) fn grows(packed: u64, unpacked: u64) -> Result<(), ContainerProblem> {
    let most = most_of(packed);
    if unpacked <= most { Ok(()) } else { Err(ContainerProblem::Grows { packed, most }) }
}

/// Passes on what a decompressor gives until it is more than a file of `packed` bytes may unpack to.
pub(super) struct Bounded<R> {
    reader: R,
    packed: u64,
    unpacked: u64,
}

impl<R> Bounded<R> {
    pub fn new(reader: R, packed: u64) -> Self {
        Self { reader, packed, unpacked: 0 }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.unpacked += n as u64;
        grows(self.packed, self.unpacked).map(|()| n).map_err(io::Error::other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (archives): a container that unpacks to more than 256 MiB and more than 100 times its size → refused when it does
    #[test]
    fn containers_of_pictures_do_not_meet_the_limits() {
        // LFW's 173 MB of JPEGs, VGGFace2's 36 GB, parquet of 100 GB, and a small set of uncompressed pictures.
        for (packed, unpacked) in
            [(173 << 20, 176 << 20), (36 << 30, 37 << 30), (100 << 30, 120 << 30), (1 << 20, 90 << 20)]
        {
            assert!(grows(packed, unpacked).is_ok());
        }
        for (packed, unpacked) in [(11_000, 2 << 30), (2_300_000, 2_300_000_000), (u64::MAX, MOST + 1)] {
            assert!(grows(packed, unpacked).is_err());
        }
        let mut bounded = Bounded { unpacked: GRACE - 10, ..Bounded::new(io::repeat(0), 100) };
        let mut taken = 0;
        while bounded.read(&mut [0; 7]).is_ok() {
            taken += 7;
        }
        assert_eq!(taken, 7);
    }

    /// Fault (disk): too little space for the next picture of an archive → refused before it is written
    #[test]
    fn what_does_not_fit_the_disk_is_refused_before_it_is_written() {
        let folder = std::env::temp_dir();
        let budget = Budget { folder: &folder, packed: MOST, pictures: Cell::new(0), texts: Cell::new(0) };
        let free = files::space(&folder).unwrap().free;
        assert!(matches!(budget.picture(free), Err(ContainerProblem::DiskFull(_))));
    }
}

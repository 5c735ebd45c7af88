//! Tar archives, compressed with gzip or not, read in the order of their entries.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use super::{ContainerProblem, Located};
use crate::dataset::{DatasetError, LARGEST_PICTURE};
use crate::files::{self, FileError};

/// The first bytes of a gzip file.
pub(super) const GZIP: &[u8] = b"\x1f\x8b";

/// What a tar archive's first header holds, and at which byte (POSIX.1-1988).
const USTAR: &[u8] = b"ustar";
const USTAR_AT: usize = 257;

/// Zero bytes that end a tar archive. gzip has a checksum instead.
const END_MARKER: usize = 1024;

/// An archive whose entries are visited in order. Links, devices and paths that lead out of it are refused.
pub(super) struct Tarball<'a> {
    tar: tar::Archive<Box<dyn Read + 'a>>,
    located: &'a Located,
}

impl<'a> Tarball<'a> {
    /// Opens the archive; `advance` is told how many of its bytes were read.
    pub fn open(located: &'a Located, advance: &'a dyn Fn(u64)) -> Result<Self, DatasetError> {
        let head = located.head()?;
        let compressed = head.starts_with(GZIP);
        if !compressed && head.get(USTAR_AT..USTAR_AT + USTAR.len()) != Some(USTAR) {
            let found = files::looks_like(&head);
            let expected = "a tar archive, compressed with gzip or not";
            return Err(located.problem(ContainerProblem::OtherFormat { found, expected }));
        }
        if !compressed && !ends_with_marker(located)? {
            let length = located.record.bytes;
            return Err(located.problem(ContainerProblem::Truncated { length, what: "the archive" }));
        }
        let file = BufReader::with_capacity(256 * 1024, CountingReader { file: located.open()?, advance });
        let bytes: Box<dyn Read> = if compressed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
        Ok(Self { tar: tar::Archive::new(bytes), located })
    }

    /// Passes the path and content of each file to `look`.
    pub fn each(
        mut self,
        mut look: impl FnMut(&str, &mut dyn Read) -> Result<(), DatasetError>,
    ) -> Result<(), DatasetError> {
        let located = self.located;
        let broken = |error: io::Error| unreadable(&error, located);
        for entry in self.tar.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let bytes = entry.path_bytes().into_owned();
            let refused =
                |rule| located.problem(ContainerProblem::Entry { name: bytes.escape_ascii().to_string(), rule });
            let Ok(path) = std::str::from_utf8(&bytes) else { return Err(refused("is not UTF-8")) };
            if path.starts_with('/') {
                return Err(refused("is an absolute path"));
            }
            if path.contains('\\') {
                return Err(refused("has a backslash in its name"));
            }
            if path.split('/').any(|part| part == "..") {
                return Err(refused("leads out of the archive"));
            }
            if path.contains(char::is_control) {
                return Err(refused("has a control character in its name"));
            }
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => look(path, &mut entry)?,
                EntryType::Directory | EntryType::XGlobalHeader => {}
                EntryType::Symlink | EntryType::Link => return Err(refused("is a link")),
                _ => return Err(refused("is not a regular file")),
            }
        }
        // gzip's checksum follows the last entry.
        io::copy(&mut self.tar.into_inner(), &mut io::sink()).map(drop).map_err(broken)
    }
}

/// Whether a file ends as a complete tar archive does. A truncated one may end between two entries.
fn ends_with_marker(located: &Located) -> Result<bool, DatasetError> {
    let failed = |error| FileError::new("read", &located.path)(error);
    let mut file = located.open()?;
    let mut end = [1; END_MARKER];
    Ok(match file.seek(SeekFrom::End(-(END_MARKER as i64))) {
        Ok(_) => {
            file.read_exact(&mut end).map_err(failed)?;
            end == [0; END_MARKER]
        }
        Err(_) => false,
    })
}

/// The picture in an entry.
pub(super) fn read_picture(located: &Located, path: &str, entry: &mut dyn Read) -> Result<Vec<u8>, DatasetError> {
    let mut picture = Vec::new();
    entry.take(LARGEST_PICTURE + 1).read_to_end(&mut picture).map_err(|error| unreadable(&error, located))?;
    if picture.len() as u64 > LARGEST_PICTURE {
        return Err(refused(located, path, "is larger than 512 MiB"));
    }
    Ok(picture)
}

/// The error about an entry that breaks a rule.
pub(super) fn refused(located: &Located, path: &str, rule: &'static str) -> DatasetError {
    located.problem(ContainerProblem::Entry { name: path.escape_debug().to_string(), rule })
}

/// The error of tar or gzip.
pub(super) fn unreadable(error: &io::Error, archive: &Located) -> DatasetError {
    archive.problem(match error.kind() {
        io::ErrorKind::UnexpectedEof => ContainerProblem::Truncated { length: archive.record.bytes, what: "an entry" },
        _ => ContainerProblem::Archive(error.to_string()),
    })
}

/// A file that counts the bytes read.
struct CountingReader<'a> {
    file: File,
    advance: &'a dyn Fn(u64),
}

impl Read for CountingReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        (self.advance)(n as u64);
        Ok(n)
    }
}

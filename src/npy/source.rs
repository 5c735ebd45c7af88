//! Where the numbers of a matrix are: in one file, or in several one after another.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::BUFFER;
use crate::files;

/// The numbers of a matrix.
#[derive(Debug)]
pub enum MatrixSource {
    /// Of one file.
    File(BufReader<File>),
    /// Of parts.
    Parts(Joined),
}

impl Read for MatrixSource {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(out),
            Self::Parts(parts) => parts.read(out),
        }
    }
}

impl Seek for MatrixSource {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Parts(parts) => parts.seek(to),
        }
    }

    // Keeps what is buffered.
    fn seek_relative(&mut self, distance: i64) -> io::Result<()> {
        match self {
            Self::File(file) => file.seek_relative(distance),
            Self::Parts(parts) => parts.seek_relative(distance),
        }
    }
}

/// A file whose numbers follow those of another.
#[derive(Debug)]
pub(super) struct JoinedPart {
    pub path: PathBuf,
    /// Byte of its first number.
    pub first: u64,
    /// Bytes of its numbers.
    pub bytes: u64,
}

/// The bytes of several files as if they were those of one; one file is open at a time.
#[derive(Debug)]
pub struct Joined {
    parts: Vec<JoinedPart>,
    /// Where each part ends.
    ends: Vec<u64>,
    at: u64,
    open: Option<(usize, BufReader<File>)>,
}

impl Joined {
    pub(super) fn new(parts: Vec<JoinedPart>) -> Self {
        let sum = |end: &mut u64, part: &JoinedPart| {
            *end += part.bytes;
            Some(*end)
        };
        let ends = parts.iter().scan(0, sum).collect();
        Self { parts, ends, at: 0, open: None }
    }

    pub(super) fn parts(&self) -> &[JoinedPart] {
        &self.parts
    }

    /// The part that the next byte is of, and how many of its bytes are before it; `None` at the end.
    fn place(&self) -> Option<(usize, u64)> {
        let part = self.ends.partition_point(|end| *end <= self.at);
        let end = self.ends.get(part)?;
        Some((part, self.at - (end - self.parts[part].bytes)))
    }
}

impl Read for Joined {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let Some((number, before)) = self.place() else { return Ok(0) };
        let JoinedPart { path, first, bytes } = &self.parts[number];
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", shown(path)));
        if self.open.as_ref().is_none_or(|(open, _)| *open != number) {
            let mut file = files::open(path).map_err(named)?;
            file.seek(SeekFrom::Start(first + before)).map_err(named)?;
            self.open = Some((number, BufReader::with_capacity(BUFFER, file)));
        }
        let Some((_, file)) = &mut self.open else { return Ok(0) };
        let most = out.len().min(usize::try_from(bytes - before).unwrap_or(usize::MAX));
        let read = file.read(&mut out[..most]).map_err(named)?;
        if read == 0 && most > 0 {
            return Err(named(io::Error::new(io::ErrorKind::UnexpectedEof, "it has become shorter")));
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for Joined {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = self.ends.last().copied().unwrap_or(0);
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(distance) => end.checked_add_signed(distance),
            SeekFrom::Current(distance) => self.at.checked_add_signed(distance),
        };
        let at = at.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "before the first byte"))?;
        let open = self.open.take();
        let before = self.at;
        self.at = at;
        // What is buffered of the same part stays so.
        if let (Some((number, mut file)), Some((now, _))) = (open, self.place())
            && number == now
        {
            file.seek_relative(at.cast_signed() - before.cast_signed())?;
            self.open = Some((number, file));
        }
        Ok(at)
    }
}

/// The last two names of a path: the part beside its index, whose path the error has.
fn shown(path: &Path) -> String {
    let names: Vec<_> = path.iter().rev().take(2).collect();
    names.into_iter().rev().collect::<PathBuf>().display().to_string()
}

//! Tar archives, compressed with gzip or not, read in the order of their entries.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use flate2::bufread::GzDecoder;
use tar::{Entry, EntryType, PaxExtension, PaxExtensions};

use super::budget::Bounded;
use super::{ContainerProblem, Place};
use crate::dataset::{DatasetError, LARGEST_PICTURE};
use crate::files::{self, FileError};
use crate::progress::{Cancel, Cancelled};

/// The first bytes of a gzip file.
pub(super) const GZIP: &[u8] = b"\x1f\x8b";

/// What a tar archive's first header holds, and at which byte (POSIX.1-1988).
const USTAR: &[u8] = b"ustar";
const USTAR_AT: usize = 257;

/// Zero bytes that end a tar archive. gzip has a checksum instead.
const END_MARKER: usize = 1024;

/// Most bytes of an archive without members: 128 blocks of 512.
const LARGEST_EMPTY: u64 = 64 << 10;

/// Most bytes of a path, as Linux has it.
const LONGEST_NAME: u64 = 4096;

/// Most bytes of an entry's extended attributes (pax); their values have up to 64 KiB.
const LARGEST_PAX: u64 = 1 << 20;

/// The kind of an entry that names the whole archive, as `tar --label` writes it.
const VOLUME_LABEL: u8 = b'V';

/// Most entries, folders and other files included.
const MOST_ENTRIES: u64 = 50_000_000;

/// An archive whose entries are visited in order. Links, devices and paths that lead out of it are refused.
pub(super) struct Tarball<'a> {
    tar: tar::Archive<Box<dyn Read + 'a>>,
    located: &'a Place,
}

impl<'a> Tarball<'a> {
    /// Opens the archive; `advance` is told how many of its bytes were read.
    pub fn open(located: &'a Place, advance: &'a dyn Fn(u64), cancel: &'a Cancel) -> Result<Self, DatasetError> {
        let head = located.head()?;
        let compressed = head.starts_with(GZIP);
        if !compressed {
            check(located, &head, "a tar archive, compressed with gzip or not")?;
        }
        let file = BufReader::with_capacity(256 * 1024, CountingReader { file: located.open()?, advance });
        let bytes: Box<dyn Read> =
            if compressed { Box::new(GzipMembers { member: Some(GzDecoder::new(file)) }) } else { Box::new(file) };
        // Compressed or not: what is skipped takes time, too.
        let bytes = cancel.guard(Bounded::new(bytes, located.bytes));
        Ok(Self { tar: tar::Archive::new(Box::new(bytes)), located })
    }

    /// Passes the path and content of each file to `look`.
    pub fn each(
        mut self,
        mut look: impl FnMut(&str, &mut dyn Read) -> Result<(), DatasetError>,
    ) -> Result<(), DatasetError> {
        let located = self.located;
        let broken = |error: io::Error| unreadable(error, located);
        visit(self.tar.entries().map_err(broken)?, located, |file| look(file.path, file.content))?;
        // gzip's checksum follows the last entry.
        nothing_behind(self.tar.into_inner(), located)
    }
}

/// A file in an archive.
pub(super) struct Member<'m> {
    pub path: &'m str,
    /// Its first byte in the archive.
    pub offset: u64,
    pub size: u64,
    pub content: &'m mut dyn Read,
}

/// Passes each file of an archive that is not compressed to `look`. What `look` does not read is skipped.
pub(super) fn members(
    located: &Place,
    cancel: &Cancel,
    mut look: impl FnMut(Member<'_>) -> Result<(), DatasetError>,
) -> Result<(), DatasetError> {
    let head = located.head()?;
    if head.starts_with(GZIP) {
        return Err(located.problem(ContainerProblem::Compressed));
    }
    check(located, &head, "a tar archive")?;
    let mut tar = tar::Archive::new(BufReader::new(located.open()?));
    let entries = tar.entries_with_seek().map_err(|error| unreadable(error, located))?;
    visit(entries, located, |member| if cancel.requested() { Err(DatasetError::Interrupted) } else { look(member) })?;
    nothing_behind(cancel.guard(tar.into_inner()), located)
}

/// Refuses anything but zeros behind the mark of an archive's end. It would be another archive, appended with `cat`, of which
/// nothing is read.
fn nothing_behind(mut rest: impl Read, located: &Place) -> Result<(), DatasetError> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) if buffer[..n].iter().any(|byte| *byte != 0) => {
                return Err(located.problem(ContainerProblem::Continues));
            }
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(unreadable(error, located)),
            _ => {}
        }
    }
}

/// The entries of an archive in their order; only files are passed on.
fn visit<R: Read>(
    entries: tar::Entries<'_, R>,
    located: &Place,
    mut look: impl FnMut(Member<'_>) -> Result<(), DatasetError>,
) -> Result<(), DatasetError> {
    let broken = |error: io::Error| unreadable(error, located);
    let mut described = Described::default();
    // Raw: the library reads the records that describe an entry whole, whatever their size.
    for (number, entry) in (1..).zip(entries.raw(true)) {
        let mut entry = entry.map_err(broken)?;
        let described_only = if number > MOST_ENTRIES {
            Err("is one of more than 50 million entries; unpack the archive yourself and use `source: folders`")
        } else {
            described.take(&mut entry).map_err(broken)?
        };
        let bytes = described.name(&entry);
        let refused = |rule| located.problem(ContainerProblem::Entry { name: bytes.escape_ascii().to_string(), rule });
        if described_only.map_err(refused)? {
            continue;
        }
        std::mem::take(&mut described).check(&entry).map_err(refused)?;
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
            EntryType::Regular | EntryType::Continuous => {
                let (offset, size) = (entry.raw_file_position(), entry.size());
                look(Member { path, offset, size, content: &mut entry })?;
            }
            EntryType::Directory => {}
            EntryType::Symlink | EntryType::Link => return Err(refused("is a link")),
            _ => return Err(refused("is not a regular file")),
        }
    }
    Ok(())
}

/// What the records before an entry say about it.
#[derive(Default)]
struct Described {
    /// Its path, in GNU's way.
    long_name: Option<Vec<u8>>,
    /// Whether there is a path that it links to, in GNU's way.
    long_link: bool,
    /// Its attributes, in POSIX's way.
    pax: Option<Vec<u8>>,
}

impl Described {
    /// Takes an entry that describes the next one, or all that follow; `false` for any other. The inner error is a rule
    /// that it breaks.
    fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<Result<bool, &'static str>> {
        const TWICE: &str = "is described twice";
        let (size, kind) = (entry.size(), entry.header().entry_type());
        match kind {
            EntryType::GNULongName | EntryType::GNULongLink if size > LONGEST_NAME => {
                return Ok(Err("announces a name of more than 4,096 bytes"));
            }
            EntryType::XHeader | EntryType::XGlobalHeader if size > LARGEST_PAX => {
                return Ok(Err("announces more than 1 MiB of attributes"));
            }
            EntryType::GNULongName if self.long_name.is_some() => return Ok(Err(TWICE)),
            EntryType::GNULongLink if self.long_link => return Ok(Err(TWICE)),
            EntryType::XHeader if self.pax.is_some() => return Ok(Err(TWICE)),
            EntryType::GNULongName => self.long_name = Some(whole(entry)?),
            EntryType::XHeader => self.pax = Some(whole(entry)?),
            EntryType::GNULongLink => self.long_link = true,
            // Comments.
            EntryType::XGlobalHeader => {}
            kind if kind.as_byte() == VOLUME_LABEL => {}
            _ => return Ok(Ok(false)),
        }
        Ok(Ok(true))
    }

    /// The values of an attribute.
    fn attributes(&self) -> impl Iterator<Item = PaxExtension<'_>> {
        PaxExtensions::new(self.pax.as_deref().unwrap_or_default()).filter_map(Result::ok)
    }

    /// The path of the entry that is described.
    fn name<R: Read>(&self, entry: &Entry<'_, R>) -> Vec<u8> {
        let pax = || self.attributes().find(|attribute| attribute.key_bytes() == b"path");
        match &self.long_name {
            Some(name) => name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
            None => pax().map_or_else(|| entry.path_bytes().into_owned(), |path| path.value_bytes().to_vec()),
        }
    }

    /// Refuses an entry whose content is not the bytes behind its header.
    fn check<R: Read>(&self, entry: &Entry<'_, R>) -> Result<(), &'static str> {
        for attribute in self.attributes() {
            if attribute.key_bytes().starts_with(b"GNU.sparse.") {
                return Err("is sparse");
            }
            if attribute.key_bytes() == b"size" && attribute.value_bytes() != entry.size().to_string().as_bytes() {
                return Err("has 8 GiB or more; unpack the archive yourself and use `source: folders`");
            }
        }
        Ok(())
    }
}

/// The content of an entry whose size was checked.
fn whole<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    if content.len() as u64 == entry.size() { Ok(content) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// Refuses a file that is not a tar archive, by its first bytes, or not a whole one.
fn check(located: &Place, head: &[u8], expected: &'static str) -> Result<(), DatasetError> {
    let is_tar = head.get(USTAR_AT..USTAR_AT + USTAR.len()) == Some(USTAR);
    let problem = match ends_with_marker(located)? {
        true if is_tar => return Ok(()),
        // Of an empty one there is the end alone, in blocks of some size.
        true if located.bytes <= LARGEST_EMPTY && head.iter().all(|byte| *byte == 0) => ContainerProblem::NoMembers,
        _ if !is_tar => ContainerProblem::OtherFormat { found: files::looks_like(head), expected },
        _ => ContainerProblem::Truncated { length: located.bytes, what: "the archive" },
    };
    Err(located.problem(problem))
}

/// Whether a file ends as a complete tar archive does. A truncated one may end between two entries.
fn ends_with_marker(located: &Place) -> Result<bool, DatasetError> {
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
pub(super) fn read_picture(located: &Place, path: &str, entry: &mut dyn Read) -> Result<Vec<u8>, DatasetError> {
    let mut picture = Vec::new();
    entry.take(LARGEST_PICTURE + 1).read_to_end(&mut picture).map_err(|error| unreadable(error, located))?;
    if picture.len() as u64 > LARGEST_PICTURE {
        return Err(refused(located, path, "is larger than 512 MiB"));
    }
    Ok(picture)
}

/// The error about an entry that breaks a rule.
pub(super) fn refused(located: &Place, path: &str, rule: &'static str) -> DatasetError {
    located.problem(ContainerProblem::Entry { name: path.escape_debug().to_string(), rule })
}

/// The error of tar or gzip.
pub(super) fn unreadable(error: io::Error, archive: &Place) -> DatasetError {
    let error = match error.downcast::<ContainerProblem>() {
        Ok(problem) => return archive.problem(problem),
        Err(error) => error,
    };
    if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<Cancelled>) {
        return DatasetError::Interrupted;
    }
    // The library says it in words where it skips an entry.
    let cut = error.kind() == io::ErrorKind::UnexpectedEof || error.to_string().starts_with("unexpected EOF");
    archive.problem(if cut {
        ContainerProblem::Truncated { length: archive.bytes, what: "an entry" }
    } else {
        ContainerProblem::Archive(error.to_string())
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

/// The content of a gzip file of any number of members. Zeros behind a member are padding, as gzip(1) reads them: they fill
/// the last block of a tape, or of a download that was preallocated.
struct GzipMembers<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let n = member.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let another = !skip_zeros(member.get_mut())?;
            let file = self.member.take().map(GzDecoder::into_inner);
            self.member = file.filter(|_| another).map(GzDecoder::new);
        }
        Ok(0)
    }
}

/// Skips zeros; whether they reach to the end.
fn skip_zeros(file: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = file.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let at_end = zeros == bytes.len();
        file.consume(zeros);
        if !at_end {
            return Ok(false);
        }
    }
}

//! A text file line by line, however long it is: lists of pairs of templates have hundreds of megabytes.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{CsvProblem, DatasetError, LONGEST_NAME};
use crate::files::{self, FileError};
use crate::text;

/// Longest line in bytes.
const LONGEST: u64 = 2 * LONGEST_NAME as u64;

/// The lines that are not empty.
pub(super) struct TextLines {
    path: PathBuf,
    reader: BufReader<File>,
    buffer: Vec<u8>,
    line: u64,
}

impl TextLines {
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let file = files::open(path).map_err(FileError::new("read", path))?;
        Ok(Self { path: path.into(), reader: BufReader::with_capacity(1 << 20, file), buffer: Vec::new(), line: 0 })
    }

    /// The next line that is not empty with its number, from 1, without white space around it.
    pub fn next(&mut self) -> Result<Option<(u64, &str)>, DatasetError> {
        loop {
            self.buffer.clear();
            let read = self.reader.by_ref().take(LONGEST + 1).read_until(b'\n', &mut self.buffer);
            let read = read.map_err(FileError::new("read", &self.path))?;
            if read == 0 {
                return Ok(None);
            }
            self.line += 1;
            if self.line == 1 && self.buffer.starts_with("\u{feff}".as_bytes()) {
                self.buffer.drain(..3);
            }
            if !self.buffer.trim_ascii().is_empty() {
                break;
            }
        }
        let problem = if self.buffer.len() as u64 > LONGEST {
            let start = String::from_utf8_lossy(&self.buffer[..100]);
            let value = text::quoted_to(&start, 40).into_owned();
            Some(CsvProblem::TooLong { column: "the line".into(), value, most: LONGEST as usize })
        } else {
            let end = std::str::from_utf8(&self.buffer).err().map(|error| error.valid_up_to());
            end.map(|end| CsvProblem::NotUtf8 { column: end + 1 })
        };
        match (problem, std::str::from_utf8(&self.buffer)) {
            (None, Ok(text)) => Ok(Some((self.line, text.trim()))),
            (problem, _) => {
                let problem = Box::new(problem.unwrap_or(CsvProblem::NotUtf8 { column: 1 }));
                Err(DatasetError::Csv { path: self.path.clone(), line: self.line, problem })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(bytes: &[u8]) -> Result<Vec<(u64, String)>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.txt");
        std::fs::write(&path, bytes).unwrap();
        let mut lines = TextLines::open(&path).unwrap();
        let mut found = Vec::new();
        loop {
            match lines.next() {
                Ok(Some((number, line))) => found.push((number, line.to_owned())),
                Ok(None) => return Ok(found),
                Err(error) => return Err(error.to_string().rsplit_once("list.txt").unwrap().1.to_owned()),
            }
        }
    }

    #[test]
    fn lines_are_numbered_and_empty_ones_skipped() {
        let found = lines("\u{feff}a b\r\n\n  \n c \nd".as_bytes()).unwrap();
        assert_eq!(found, [(1, "a b".into()), (4, "c".into()), (5, "d".into())]);
        assert_eq!(lines(b"").unwrap(), []);
    }

    /// Fault (tables): a line without an end in a list of templates → refused at 8 KiB; the rest is not read
    /// Fault (tables): bytes that are not UTF-8 in a list of templates → refused with line and byte
    #[test]
    fn a_line_without_an_end_is_not_read_into_memory() {
        let endless = [&b"a\n"[..], &vec![b'7'; 1 << 20]].concat();
        insta::assert_snapshot!(lines(&endless).unwrap_err(), @", line 2: `the line` is `7777777777777777777777777777777777777777… (100 bytes)`, and at most 8192 bytes are accepted; look for a missing separator or quote");
        insta::assert_snapshot!(lines(b"a\nb \xff\n").unwrap_err(), @", line 2: invalid UTF-8 at byte 3 of the line; save the table as UTF-8");
    }
}

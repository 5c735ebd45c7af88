//! A picture within a larger file: an entry of an archive, or a row of an array.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use crate::files;

/// Where a picture lies in a larger file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Path of that file relative to [`super::Manifest::root`], `/`-separated.
    pub path: String,
    /// Its first byte there.
    pub offset: u64,
    /// Bytes.
    pub size: u64,
    /// When the file was last changed, ns since the epoch; 0 until the dataset is opened.
    pub modified: i64,
    /// Height and width of a row of an array: RGB bytes, line by line. `None`: an encoded picture.
    pub pixels: Option<[u32; 2]>,
}

impl Part {
    /// What the path and the place name together.
    pub(super) fn key(&self) -> String {
        format!("{}#{}+{}", self.path, self.offset, self.size)
    }

    /// The bytes of an encoded picture; those of an array are one in the simplest format, PPM.
    pub(super) fn open(&self, root: &Path) -> io::Result<impl Read + use<>> {
        let mut file = files::open(&root.join(&self.path))?;
        file.seek(SeekFrom::Start(self.offset))?;
        let header = self.pixels.map_or_else(String::new, |[height, width]| format!("P6\n{width} {height}\n255\n"));
        Ok(Cursor::new(header).chain(Whole { file: BufReader::new(file).take(self.size) }))
    }

    /// All of them.
    pub(super) fn read(&self, root: &Path) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open(root)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The shorter side in pixels, if the header tells.
    pub(super) fn shorter_side(&self, root: &Path) -> Option<u32> {
        match self.pixels {
            Some(sides) => sides.into_iter().min(),
            // Headers are at the beginning; what follows one is not needed.
            None => {
                let mut head = Vec::new();
                self.open(root).ok()?.take(1 << 16).read_to_end(&mut head).ok()?;
                crate::preprocess::size(Cursor::new(head))?.into_iter().min()
            }
        }
    }
}

/// A part that must not end early.
struct Whole {
    file: io::Take<BufReader<File>>,
}

impl Read for Whole {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer)? {
            0 if !buffer.is_empty() && self.file.limit() > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => Ok(n),
        }
    }
}

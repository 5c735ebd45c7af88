//! Some rows of a table in the store, without the rest of it: a worker of a run of a hundred million faces reads its own.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use super::holding;
use crate::files::{self, FileError, Scratch};
use crate::objects::Folder;
use crate::parquet;

/// Bytes of the end of the file that are read at first: most footers are shorter.
const END: u64 = 256 << 10;

/// Most bytes that are read at a time.
const PIECE: u64 = 64 << 20;

/// Calls `read` with the path of a parquet file that has these rows. In a run here, it is the run's own; of one in a store, it is
/// a file of the same length with holes in the place of what other rows need.
pub(crate) fn with_rows<T, E: From<FileError>>(
    path: &Path,
    rows: Range<usize>,
    read: impl FnOnce(&Path) -> Result<T, E>,
) -> Result<T, E> {
    let Some((mirror, run, name)) = holding(path) else { return read(path) };
    let folder = mirror.run(&run)?;
    let missing =
        || FileError::new("read", format!("{}/{name}", folder.address()))(std::io::ErrorKind::NotFound.into());
    let size = folder.look(&name).map_err(FileError::from)?.ok_or_else(missing)?.size;
    let scratch = Scratch::new()?;
    let copy = scratch.path().join("rows.parquet");
    let mut file = files::open_to_write(&copy)?;
    let failed = || FileError::new("write", &copy);
    file.set_len(size).map_err(failed())?;
    let mut fill = |part: Range<u64>| fill(&folder, &name, part, &mut file, &copy);
    let end = size.saturating_sub(END)..size;
    fill(end.clone())?;
    let footer = parquet::footer(|| files::open(&copy)).map_err(FileError::new("read", &copy))?;
    if footer.start < end.start {
        fill(footer.start..end.start)?;
    }
    let parts = parquet::bytes_of_rows(|| files::open(&copy), rows);
    let parts = parts.map_err(|error| FileError::new("read", &copy)(std::io::Error::other(error.to_string())))?;
    for part in joined(parts) {
        fill(part.start..part.end.min(end.start).max(part.start))?;
    }
    read(&copy)
}

fn fill(folder: &Folder, name: &str, part: Range<u64>, file: &mut File, copy: &Path) -> Result<(), FileError> {
    let mut at = part.start;
    while at < part.end {
        let to = part.end.min(at + PIECE);
        let bytes = folder.read(name, Some(at..to), PIECE)?;
        file.seek(SeekFrom::Start(at)).and_then(|_| file.write_all(&bytes)).map_err(FileError::new("write", copy))?;
        at = to;
    }
    Ok(())
}

/// A request takes as long as this many bytes.
const GAP: u64 = 1 << 20;

/// Neighbouring parts as one.
fn joined(mut parts: Vec<Range<u64>>) -> Vec<Range<u64>> {
    parts.sort_by_key(|part| part.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for part in parts {
        match joined.last_mut() {
            Some(last) if part.start <= last.end + GAP => last.end = last.end.max(part.end),
            _ => joined.push(part),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_parts_are_one() {
        let far = 40 + GAP + 1;
        assert_eq!(joined(vec![far..far + 1, 0..10, 10..20, 35..37, 30..40]), [0..40, far..far + 1]);
    }
}

//! Reads Parquet that may be damaged or hostile: polars allocates what a page's header claims, and panics on some files.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars::io::mmap::MmapBytesReader;
use polars::polars_utils::mmap::MMapSemaphore;
use polars::prelude::{ArrowDataType, ArrowField, ParquetReader, PolarsError, PolarsResult, SerReader};
use polars_parquet_format::thrift::protocol::TCompactInputProtocol;
use polars_parquet_format::{Encoding, FileMetaData, PageHeader};

use crate::files::{self, FileError};

/// Most bytes of a page once it is decompressed; writers aim at 1 MiB and exceed it by the pictures of one batch.
const LARGEST_PAGE: u64 = 1 << 30;

/// Most bytes of a page's header; statistics in it may hold values.
const LONGEST_HEADER: usize = 16 << 20;

/// Most bytes of a footer, which takes about eight times as much memory: 1,000 columns in 1,000 row groups.
const LONGEST_FOOTER: u32 = 64 << 20;

/// What a file claims that is not read.
#[derive(Debug, thiserror::Error)]
pub enum ParquetProblem {
    #[error(
        "its footer has {length} bytes, at most {LONGEST_FOOTER} are read; write the file again with fewer row groups"
    )]
    Footer { length: u32 },
    #[error(
        "its page at byte {at} takes {bytes} bytes once it is unpacked, at most {LARGEST_PAGE} are read; write the file again \
         with smaller pages, without DELTA_BYTE_ARRAY"
    )]
    Page { at: u64, bytes: u64 },
    #[error("page at byte {at}: {what}")]
    Damaged { at: u64, what: String },
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Calls polars, whose panics become errors: on some files that are damaged, or that have columns of types it was built
/// without.
pub(crate) fn guarded<T>(read: impl FnOnce() -> PolarsResult<T>) -> PolarsResult<T> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(PolarsError::ComputeError("it is damaged, or has a column of an unknown type".into())))
}

/// A file as polars reads it.
pub(crate) type Mapped = Cursor<MMapSemaphore>;

/// Maps a file as polars does by itself, which panics where the system refuses.
pub(crate) fn map(file: &File) -> PolarsResult<Mapped> {
    MMapSemaphore::new_from_file(file).map(Cursor::new)
}

/// A reader of a file, after its footer and the headers of all its pages were checked.
pub(crate) fn reader(path: &Path) -> PolarsResult<ParquetReader<Mapped>> {
    checked(path, 0..usize::MAX)
}

/// The same for these rows alone: the other pages are neither checked nor read.
pub(crate) fn reader_of_rows(path: &Path, rows: Range<usize>) -> PolarsResult<ParquetReader<Mapped>> {
    Ok(checked(path, rows.clone())?.with_slice(Some((rows.start, rows.len()))))
}

fn checked(path: &Path, rows: Range<usize>) -> PolarsResult<ParquetReader<Mapped>> {
    let open = || files::open(path);
    check(open, rows)?;
    Ok(ParquetReader::new(map(&open()?)?))
}

/// The same of a file in memory.
pub(crate) fn reader_of_bytes(bytes: &[u8]) -> PolarsResult<ParquetReader<Cursor<&[u8]>>> {
    check(|| Ok(Cursor::new(bytes)), 0..usize::MAX)?;
    Ok(ParquetReader::new(Cursor::new(bytes)))
}

/// Refuses a footer, and pages of these rows, for which polars would take more memory than they are worth.
fn check<R: MmapBytesReader>(open: impl Fn() -> io::Result<R>, rows: Range<usize>) -> PolarsResult<()> {
    let chunks: Vec<_> = bytes_of_rows(&open, rows)?.into_iter().map(|part| (part.start, part.end)).collect();
    let mut file = open()?;
    let length = file.seek(SeekFrom::End(0))?;
    unpacked_bytes(&mut file, length, &chunks).map_err(refused)?;
    Ok(())
}

fn refused(problem: ParquetProblem) -> PolarsError {
    match problem {
        ParquetProblem::Io(error) => PolarsError::from(error),
        other => PolarsError::ComputeError(other.to_string().into()),
    }
}

/// The parts of a file that these rows are in, beside its footer, after that was checked.
pub(crate) fn bytes_of_rows<R: MmapBytesReader>(
    open: impl Fn() -> io::Result<R>,
    rows: Range<usize>,
) -> PolarsResult<Vec<Range<u64>>> {
    let mut file = open()?;
    let length = file.seek(SeekFrom::End(0))?;
    check_footer(&mut file, length).map_err(refused)?;
    guarded(|| {
        let mut reader = ParquetReader::new(open()?);
        let (mut parts, mut first) = (Vec::new(), 0_usize);
        for group in &reader.get_metadata()?.row_groups {
            let end = first.saturating_add(group.num_rows());
            if first < rows.end && rows.start < end {
                for column in group.parquet_columns() {
                    parts.push(column.byte_range());
                }
            }
            first = end;
        }
        Ok(parts)
    })
}

/// Where a file's footer is, from the last eight bytes. A file that is none has an empty one at its end.
pub(crate) fn footer<R: Read + Seek>(open: impl Fn() -> io::Result<R>) -> io::Result<Range<u64>> {
    let mut file = open()?;
    let length = file.seek(SeekFrom::End(0))?;
    let mut end = [0; 8];
    if length < 8 {
        return Ok(length..length);
    }
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut end)?;
    let bytes = u32::from_le_bytes([end[0], end[1], end[2], end[3]]);
    // What is longer is refused when it is read.
    let bytes = if end[4..] == *b"PAR1" && bytes <= LONGEST_FOOTER { u64::from(bytes) + 8 } else { 8 };
    Ok(length.saturating_sub(bytes)..length)
}

/// All names of columns and all values of text columns, a line each.
pub(crate) fn texts(path: &Path) -> Result<String, FileError> {
    let bytes = files::read(path)?;
    let read = || {
        let schema = guarded(|| reader_of_bytes(&bytes)?.schema())?;
        let is_text = |field: &&ArrowField| {
            matches!(field.dtype, ArrowDataType::Utf8View | ArrowDataType::LargeUtf8 | ArrowDataType::Utf8)
        };
        let names: Vec<String> = schema.iter_values().map(|field| field.name.to_string()).collect();
        let wanted = schema.iter_values().filter(is_text).map(|field| field.name.to_string()).collect();
        let frame = reader_of_bytes(&bytes)?.with_columns(Some(wanted));
        let frame = guarded(|| frame.finish())?;
        let mut text = names.join("\n");
        for column in frame.columns() {
            for value in column.str()?.iter().flatten() {
                text.push('\n');
                text.push_str(value);
            }
        }
        Ok(text)
    };
    read().map_err(|error: PolarsError| FileError::new("read", path)(io::Error::other(error.to_string())))
}

/// Rows that any file may have, and the fewest bytes for each row beyond them: polars and the manifest take memory for
/// whatever a damaged file claims, and a row of pictures or embeddings has more bytes.
const ROWS: u64 = 1_000_000;
const BYTES_OF_ROW: u64 = 16;

/// Refuses a file that claims more rows than its bytes could hold.
pub(crate) fn check_rows(rows: u64, bytes: u64) -> Result<(), String> {
    if rows <= ROWS.max(bytes / BYTES_OF_ROW) {
        return Ok(());
    }
    Err(format!("it claims {rows} rows in {bytes} bytes, so it is damaged; download or copy it again"))
}

/// Refuses a footer that is too long to be read into memory, or whose lists claim more than they hold: polars takes memory for
/// what they claim.
pub(crate) fn check_footer(mut file: impl Read + Seek, bytes: u64) -> Result<(), ParquetProblem> {
    let mut end = [0; 8];
    // A shorter file is polars' to refuse.
    if file.seek(SeekFrom::End(-8)).is_err() {
        return Ok(());
    }
    file.read_exact(&mut end)?;
    let length = u32::from_le_bytes([end[0], end[1], end[2], end[3]]);
    if length > LONGEST_FOOTER && u64::from(length) < bytes {
        return Err(ParquetProblem::Footer { length });
    }
    let Some(start) = bytes.checked_sub(8 + u64::from(length)).filter(|_| end[4..] == *b"PAR1") else { return Ok(()) };
    file.seek(SeekFrom::Start(start))?;
    let mut footer = vec![0; length as usize];
    file.read_exact(&mut footer)?;
    // What is read takes more room than its bytes.
    let room = footer.len() * 16 + 4096;
    FileMetaData::read_from_in_protocol(&mut TCompactInputProtocol::new(&footer[..], room))
        .map_err(|error| ParquetProblem::Damaged { at: start, what: error.to_string() })?;
    Ok(())
}

/// Bytes that the pages in these parts of a file of `bytes` bytes, from a byte to another, take once they are decompressed.
pub(crate) fn unpacked_bytes(file: impl Read + Seek, bytes: u64, chunks: &[(u64, u64)]) -> Result<u64, ParquetProblem> {
    let mut file = BufReader::with_capacity(4096, file);
    let mut total = 0u64;
    for &(start, end) in chunks {
        let mut at = start;
        while at < end.min(bytes) {
            file.seek(SeekFrom::Start(at))?;
            let mut counted = Counted { reader: &mut file, read: 0 };
            let damaged = |what: String| ParquetProblem::Damaged { at, what };
            let header =
                PageHeader::read_from_in_protocol(&mut TCompactInputProtocol::new(&mut counted, LONGEST_HEADER))
                    .map_err(|error| damaged(error.to_string()))?;
            let size = |bytes: i32| u64::try_from(bytes).map_err(|_| damaged(format!("it claims {bytes} bytes")));
            let (packed, unpacked) = (size(header.compressed_page_size)?, size(header.uncompressed_page_size)?);
            if let Some(values) = counts(&header).find(|count| *count < 0) {
                return Err(damaged(format!("it claims {values} values")));
            }
            let most = values(&header).saturating_mul(unpacked).max(unpacked);
            if most > LARGEST_PAGE {
                return Err(ParquetProblem::Page { at, bytes: most });
            }
            total = total.saturating_add(unpacked);
            at = at.saturating_add(counted.read).saturating_add(packed);
        }
    }
    Ok(total)
}

/// What a page says of how much it holds: polars takes a negative number for 2⁶⁴ less as many.
fn counts(header: &PageHeader) -> impl Iterator<Item = i32> {
    let v1 = header.data_page_header.iter().map(|page| page.num_values);
    let v2 = header.data_page_header_v2.iter().flat_map(|page| [page.num_values, page.num_nulls, page.num_rows]);
    v1.chain(v2).chain(header.dictionary_page_header.iter().map(|page| page.num_values))
}

/// How many times a page's bytes may be repeated in its values: with shared beginnings, each may have all of them.
fn values(header: &PageHeader) -> u64 {
    let v1 = header.data_page_header.as_ref().map(|header| (header.encoding, header.num_values));
    let v2 = header.data_page_header_v2.as_ref().map(|header| (header.encoding, header.num_values));
    match v1.or(v2) {
        Some((Encoding::DELTA_BYTE_ARRAY, values)) => u64::try_from(values).unwrap_or_default(),
        _ => 1,
    }
}

/// A reader that counts.
struct Counted<R> {
    reader: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(buffer)?;
        self.read += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use polars_parquet_format::thrift::protocol::TCompactOutputProtocol;
    use polars_parquet_format::{DataPageHeader, PageType};

    use super::*;

    fn bytes_of(encoding: Encoding, values: i32, unpacked: i32) -> Result<u64, String> {
        let page = DataPageHeader {
            num_values: values,
            encoding,
            definition_level_encoding: Encoding::RLE,
            repetition_level_encoding: Encoding::RLE,
            statistics: None,
        };
        let header = PageHeader {
            type_: PageType::DATA_PAGE,
            uncompressed_page_size: unpacked,
            compressed_page_size: 5,
            crc: None,
            data_page_header: Some(page),
            index_page_header: None,
            dictionary_page_header: None,
            data_page_header_v2: None,
        };
        let mut page = Vec::new();
        header.write_to_out_protocol(&mut TCompactOutputProtocol::new(&mut page)).unwrap();
        page.extend(b"12345");
        // Two of them.
        let bytes = page.repeat(2);
        unpacked_bytes(io::Cursor::new(&bytes), bytes.len() as u64, &[(0, bytes.len() as u64)])
            .map_err(|error| error.to_string())
    }

    /// Fault (archives): a parquet page of a few bytes that claims 2 GB once it is unpacked → refused from its header
    /// Fault (archives): a parquet page whose values share their beginnings, 1 MB each → refused from its header
    /// Fault (archives): a parquet page that claims a negative size or number of values → refused as damaged
    #[test]
    fn pages_are_judged_by_their_headers() {
        assert_eq!(bytes_of(Encoding::PLAIN, 7, 1000), Ok(2000));
        assert_eq!(bytes_of(Encoding::DELTA_BYTE_ARRAY, 7, 1000), Ok(2000));
        insta::assert_snapshot!(bytes_of(Encoding::PLAIN, 7, i32::MAX).unwrap_err(), @"its page at byte 0 takes 2147483647 bytes once it is unpacked, at most 1073741824 are read; write the file again with smaller pages, without DELTA_BYTE_ARRAY");
        insta::assert_snapshot!(bytes_of(Encoding::DELTA_BYTE_ARRAY, 100_000, 1 << 20).unwrap_err(), @"its page at byte 0 takes 104857600000 bytes once it is unpacked, at most 1073741824 are read; write the file again with smaller pages, without DELTA_BYTE_ARRAY");
        insta::assert_snapshot!(bytes_of(Encoding::PLAIN, 7, -1).unwrap_err(), @"page at byte 0: it claims -1 bytes");
        insta::assert_snapshot!(bytes_of(Encoding::PLAIN, -1, 1000).unwrap_err(), @"page at byte 0: it claims -1 values");
    }

    /// Fault (runs): a Parquet file of a run with the right digest, whose page claims more than its bytes can hold → refused
    /// before memory is reserved for it
    #[test]
    fn files_for_which_polars_would_reserve_gigabytes_are_refused() {
        for name in ["page-that-reserves-memory", "pages-that-reserve-memory"] {
            let path = crate::generated::path(&format!("fuzz/regressions/manifest/{name}.parquet"));
            assert!(reader(&path).is_err(), "{name}");
        }
    }
}

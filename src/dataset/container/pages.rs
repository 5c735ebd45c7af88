//! The pages of a parquet file, from their headers: polars allocates what a header claims.

use std::io::{self, BufReader, Read, Seek, SeekFrom};

use polars_parquet_format::thrift::protocol::TCompactInputProtocol;
use polars_parquet_format::{Encoding, PageHeader};

use super::{ContainerProblem, Located};
use crate::dataset::DatasetError;
use crate::files::FileError;

/// Most bytes of a page once it is decompressed; writers aim at 1 MiB and exceed it by the pictures of one batch.
const LARGEST_PAGE: u64 = 1 << 30;

/// Most bytes of a page's header; statistics in it may hold values.
const LONGEST_HEADER: usize = 16 << 20;

/// Most bytes of a footer: 10,000 columns in 1,000 row groups.
const LONGEST_FOOTER: u32 = 512 << 20;

/// Refuses a footer that is too long to be read into memory.
pub(super) fn check_footer(located: &Located) -> Result<(), DatasetError> {
    let failed = |error| FileError::new("read", &located.path)(error);
    let mut file = located.open()?;
    let mut end = [0; 8];
    // A shorter file is polars' to refuse.
    if file.seek(SeekFrom::End(-8)).is_err() {
        return Ok(());
    }
    file.read_exact(&mut end).map_err(failed)?;
    let length = u32::from_le_bytes([end[0], end[1], end[2], end[3]]);
    if length > LONGEST_FOOTER && u64::from(length) < located.record.bytes {
        return Err(located.problem(ContainerProblem::Footer { length, most: LONGEST_FOOTER }));
    }
    Ok(())
}

/// Bytes that the pages in these parts of a file, from a byte to another, take once they are decompressed.
pub(super) fn unpacked_bytes(located: &Located, chunks: &[(u64, u64)]) -> Result<u64, DatasetError> {
    let mut file = BufReader::with_capacity(4096, located.open()?);
    let mut total = 0u64;
    for &(start, end) in chunks {
        let mut at = start;
        while at < end.min(located.record.bytes) {
            file.seek(SeekFrom::Start(at)).map_err(FileError::new("read", &located.path))?;
            let mut counted = Counted { reader: &mut file, read: 0 };
            let damaged =
                |what: String| located.problem(ContainerProblem::Polars(format!("page at byte {at}: {what}")));
            let header =
                PageHeader::read_from_in_protocol(&mut TCompactInputProtocol::new(&mut counted, LONGEST_HEADER))
                    .map_err(|error| damaged(error.to_string()))?;
            let size = |bytes: i32| u64::try_from(bytes).map_err(|_| damaged(format!("it claims {bytes} bytes")));
            let (packed, unpacked) = (size(header.compressed_page_size)?, size(header.uncompressed_page_size)?);
            let most = values(&header).saturating_mul(unpacked).max(unpacked);
            if most > LARGEST_PAGE {
                return Err(located.problem(ContainerProblem::Page { at, bytes: most, most: LARGEST_PAGE }));
            }
            total = total.saturating_add(unpacked);
            at = at.saturating_add(counted.read).saturating_add(packed);
        }
    }
    Ok(total)
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

    use super::super::ContainerFile;
    use super::*;
    use crate::digest::Digest;

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
        let file = tempfile::NamedTempFile::new().unwrap();
        // Two of them.
        std::fs::write(file.path(), page.repeat(2)).unwrap();
        let (path, bytes) = (file.path().to_owned(), 2 * page.len() as u64);
        let sha256 = Digest::of(b"");
        let record = ContainerFile { path: String::new(), commit: None, bytes, sha256 };
        let located = Located { name: "x.parquet".into(), path, sha256, record };
        unpacked_bytes(&located, &[(0, bytes)]).map_err(|error| error.to_string())
    }

    /// Fault (archives): a parquet page of a few bytes that claims 2 GB once it is unpacked → refused from its header
    /// Fault (archives): a parquet page whose values share their beginnings, 1 MB each → refused from its header
    /// Fault (archives): a parquet page that claims a negative size → refused as damaged
    #[test]
    fn pages_are_judged_by_their_headers() {
        assert_eq!(bytes_of(Encoding::PLAIN, 7, 1000), Ok(2000));
        assert_eq!(bytes_of(Encoding::DELTA_BYTE_ARRAY, 7, 1000), Ok(2000));
        insta::assert_snapshot!(bytes_of(Encoding::PLAIN, 7, i32::MAX).unwrap_err(), @"x.parquet: its page at byte 0 takes 2147483647 bytes once it is unpacked, at most 1073741824 are read; write the file again with smaller pages, without DELTA_BYTE_ARRAY");
        insta::assert_snapshot!(bytes_of(Encoding::DELTA_BYTE_ARRAY, 100_000, 1 << 20).unwrap_err(), @"x.parquet: its page at byte 0 takes 104857600000 bytes once it is unpacked, at most 1073741824 are read; write the file again with smaller pages, without DELTA_BYTE_ARRAY");
        insta::assert_snapshot!(bytes_of(Encoding::PLAIN, 7, -1).unwrap_err(), @"x.parquet: polars cannot read it: page at byte 0: it claims -1 bytes");
    }
}

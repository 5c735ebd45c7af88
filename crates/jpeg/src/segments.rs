//! Markers and the segments between them (T.81 B.1).

use crate::JpegError;
use crate::huffman::Damage;

pub(crate) const SOI: u8 = 0xd8;
pub(crate) const EOI: u8 = 0xd9;
pub(crate) const RST0: u8 = 0xd0;

/// Walks through a file.
pub(crate) struct Segments<'a> {
    bytes: &'a [u8],
    /// The next byte.
    at: usize,
    /// Compressed data without its stuffing, see [`Self::next`].
    data: Vec<u8>,
}

impl<'a> Segments<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, data: Vec::new() }
    }

    /// Bytes from the start of the file.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The start of image, which must be the first marker, and the beginning of another.
    pub fn start(&mut self) -> Result<(), JpegError> {
        if self.bytes.starts_with(&[0xff, SOI, 0xff]) {
            self.at = 2;
            Ok(())
        } else {
            Err(JpegError::NotJpeg)
        }
    }

    /// The next marker. Bytes before it are skipped, as every reader does.
    pub fn marker(&mut self) -> Result<u8, JpegError> {
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let fill = rest.iter().position(|&byte| byte == 0xff).ok_or(JpegError::CutShort)?;
            let code = rest[fill..].iter().position(|&byte| byte != 0xff).ok_or(JpegError::CutShort)?;
            self.at += fill + code + 1;
            if rest[fill + code] != 0 {
                return Ok(rest[fill + code]);
            }
        }
    }

    /// The next marker, which must follow at once: behind a scan, what belongs to no segment is the rest of something damaged.
    pub fn marker_at_once(&mut self) -> Result<u8, JpegError> {
        let start = self.at;
        let code = self.marker()?;
        if self.bytes[start..self.at - 1].iter().all(|&byte| byte == 0xff) {
            Ok(code)
        } else {
            Err(JpegError::Damaged { at: start, what: "bytes behind its first scan belong to no segment" })
        }
    }

    /// The body of the segment whose marker was just read, and its place in the file.
    pub fn body(&mut self) -> Result<(&'a [u8], usize), JpegError> {
        let at = self.at;
        let [high, low] = *self.bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()).ok_or(JpegError::CutShort)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(JpegError::Damaged { at, what: "a segment's length is less than two" });
        }
        let body = self.bytes.get(at + 2..at + length).ok_or(JpegError::CutShort)?;
        self.at += length;
        Ok((body, at + 2))
    }

    /// The compressed data up to the next marker (T.81 B.1.1.5), of which [`SegmentData::bytes`] are without stuffing.
    pub fn next(&mut self) -> Result<SegmentData<'_, 'a>, JpegError> {
        let start = self.at;
        self.data.clear();
        let ended = loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let plain = find_ff(rest);
            self.data.extend_from_slice(&rest[..plain]);
            self.at += plain;
            let Some(code) = rest[plain..].iter().position(|&byte| byte != 0xff) else { break false };
            if rest[plain + code] != 0 {
                break true;
            }
            if code > 1 {
                // Fill bytes before a zero: no marker and no stuffing. libjpeg reads one thing or another.
                return Err(JpegError::Damaged {
                    at: self.at,
                    what: "the compressed data holds a marker that does not exist",
                });
            }
            // A stuffed byte.
            self.data.push(0xff);
            self.at += code + 1;
        };
        Ok(SegmentData { segments: self, start, ended })
    }
}

/// Bytes before the first 0xff.
fn find_ff(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    let (words, _) = bytes.as_chunks::<8>();
    let mut at = 0;
    for word in words {
        // A byte of zeros in the complement: the classic test for the lowest.
        let inverse = !u64::from_le_bytes(*word);
        let found = inverse.wrapping_sub(ONES) & !inverse & (ONES << 7);
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + bytes[at..].iter().position(|&byte| byte == 0xff).unwrap_or(bytes.len() - at)
}

/// The compressed data between two markers.
pub(crate) struct SegmentData<'s, 'a> {
    segments: &'s mut Segments<'a>,
    start: usize,
    /// A marker follows, not the end of the file.
    ended: bool,
}

impl SegmentData<'_, '_> {
    pub fn bytes(&self) -> &[u8] {
        &self.segments.data
    }

    /// Whether a marker follows.
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// The error of decoding that runs out of data.
    pub fn too_short(&self) -> JpegError {
        if self.ended { self.damaged("the compressed data ends before the picture does") } else { JpegError::CutShort }
    }

    pub fn damaged(&self, what: Damage) -> JpegError {
        JpegError::Damaged { at: self.start, what }
    }

    /// Steps over the restart marker that must follow now.
    pub fn restart(&mut self, number: u8) -> Result<(), JpegError> {
        if !self.ended {
            return Err(JpegError::CutShort);
        }
        if self.segments.marker()? != RST0 + number {
            return Err(self.damaged("the compressed data ends without the restart marker that is due"));
        }
        Ok(())
    }
}

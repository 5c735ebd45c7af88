//! PBM, PGM and PPM, as Pillow's `Image.open(…).convert("RGB")`: samples scaled to 8 bits with halves to even, except grey
//! of more than 8 bits, which is scaled to 16 bits and cut off at 255.

use image::{ImageFormat, RgbImage};

use super::PreprocessError;
use super::limits::{Gate, allow};

/// Decodes the picture.
pub(super) fn decode(bytes: &[u8], gate: &mut Gate<'_>) -> Result<RgbImage, PreprocessError> {
    let mut header = PnmHeader { bytes, at: 2 };
    let (width, height) = (header.number()?, header.number()?);
    allow(gate.limits, width, height)?;
    let kind = bytes.get(1).copied().unwrap_or_default();
    let bits = matches!(kind, b'1' | b'4');
    let maximum = if bits { 1 } else { header.number()? };
    if !(1..=65_535).contains(&maximum) {
        return Err(damaged("its maximum sample is not between 1 and 65535"));
    }
    let channels = if matches!(kind, b'3' | b'6') { 3 } else { 1 };
    let size = width as usize * height as usize * channels;
    let data = bytes.get(header.at..).unwrap_or_default();
    // Bits are unpacked to bytes twice.
    gate.take(width, height, size as u64, if bits { size as u64 } else { 0 })?;
    let samples: Vec<u8> = if bits {
        let set =
            if kind == b'1' { plain_bits(data, size)? } else { packed_bits(data, width as usize, height as usize)? };
        set.into_iter().map(|set| if set { 0 } else { 255 }).collect()
    } else {
        let scale = SampleScale::new(maximum, channels);
        match (kind, maximum) {
            (b'2' | b'3', _) => plain(data, size, maximum, &scale)?,
            (_, ..=255) => enough(data, size)?.iter().map(|&sample| scale.byte(u32::from(sample))).collect(),
            _ => {
                let pairs = enough(data, size * 2)?.as_chunks::<2>().0;
                pairs.iter().map(|&pair| scale.byte(u32::from(u16::from_be_bytes(pair)))).collect()
            }
        }
    };
    let rgb = if channels == 3 { samples } else { samples.into_iter().flat_map(|grey| [grey; 3]).collect() };
    RgbImage::from_raw(width, height, rgb).ok_or_else(short)
}

fn damaged(reason: &str) -> PreprocessError {
    PreprocessError::damaged(ImageFormat::Pnm, reason)
}

fn short() -> PreprocessError {
    PreprocessError::CutShort { format: ImageFormat::Pnm }
}

fn enough(data: &[u8], size: usize) -> Result<&[u8], PreprocessError> {
    data.get(..size).ok_or_else(short)
}

/// The numbers before the samples.
struct PnmHeader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl PnmHeader<'_> {
    /// Reads the next number and exactly one space after it.
    fn number(&mut self) -> Result<u32, PreprocessError> {
        let mut digits = String::new();
        while let Some(&byte) = self.bytes.get(self.at) {
            self.at += 1;
            match byte {
                b'#' => self.at += self.bytes[self.at..].iter().take_while(|byte| !is_end(**byte)).count() + 1,
                _ if !is_space(byte) => digits.push(byte as char),
                _ if !digits.is_empty() => break,
                _ => {}
            }
        }
        let valid = digits.len() <= 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| valid).ok_or_else(|| damaged("its header holds something other than numbers"))
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

/// Sample → byte.
struct SampleScale(Vec<u8>);

impl SampleScale {
    fn new(maximum: u32, channels: usize) -> Self {
        let most = if channels == 1 && maximum > 255 { 65_535.0 } else { 255.0 };
        let byte = |sample| (f64::from(sample) / f64::from(maximum) * most).round_ties_even().min(255.0) as u8;
        Self((0..=maximum).map(byte).collect())
    }

    /// Clamps samples to the maximum.
    fn byte(&self, sample: u32) -> u8 {
        self.0[(sample as usize).min(self.0.len() - 1)]
    }
}

/// Text without its comments, in words.
fn words(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let lines = data.split(|byte| is_end(*byte));
    let before_comments = lines.filter_map(|line| line.split(|byte| *byte == b'#').next());
    before_comments.flat_map(|line| line.split(|byte| is_space(*byte))).filter(|word| !word.is_empty())
}

/// The first `size` of these samples.
fn all<T>(size: usize, samples: impl Iterator<Item = Result<T, PreprocessError>>) -> Result<Vec<T>, PreprocessError> {
    let samples = samples.take(size).collect::<Result<Vec<_>, _>>()?;
    if samples.len() < size { Err(short()) } else { Ok(samples) }
}

fn plain(data: &[u8], size: usize, maximum: u32, scale: &SampleScale) -> Result<Vec<u8>, PreprocessError> {
    let sample = |word: &[u8]| {
        let number = std::str::from_utf8(word).ok().and_then(|word| word.parse::<u32>().ok());
        let number = number.filter(|number| *number <= maximum);
        number.map(|number| scale.byte(number)).ok_or_else(|| damaged("a sample is not a number up to its maximum"))
    };
    all(size, words(data).map(sample))
}

/// Bits as characters, with or without space between; 1 is black.
fn plain_bits(data: &[u8], size: usize) -> Result<Vec<bool>, PreprocessError> {
    let bit = |byte: &u8| match byte {
        b'0' => Ok(false),
        b'1' => Ok(true),
        _ => Err(damaged("a sample is neither 0 nor 1")),
    };
    all(size, words(data).flatten().map(bit))
}

/// Rows of whole bytes, the highest bit first; 1 is black.
fn packed_bits(data: &[u8], width: usize, height: usize) -> Result<Vec<bool>, PreprocessError> {
    let stride = width.div_ceil(8);
    let rows = enough(data, stride * height)?.chunks_exact(stride);
    Ok(rows.flat_map(|row| (0..width).map(|x| row[x / 8] >> (7 - x % 8) & 1 == 1)).collect())
}

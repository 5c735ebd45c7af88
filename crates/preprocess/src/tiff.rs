//! The first picture of a TIFF file, as Pillow's `Image.open(…).convert("RGB")`: grey, palette, RGB and CMYK, in strips or
//! tiles, interleaved or in planes, uncompressed or packed by `PackBits`, LZW or Deflate. What else Pillow opens by way of
//! libtiff is named: JPEG and fax compression, YCbCr and Lab colours, unusual depths.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use image::{DynamicImage, ImageFormat, RgbImage};
use weezl::BitOrder;

use super::ifd::Directory;
use super::limits::{Gate, allow};
use super::{Limits, PreprocessError, orientation};

/// Decodes the first picture, turned upright by its orientation.
pub(super) fn decode(bytes: &[u8], gate: &mut Gate<'_>) -> Result<RgbImage, PreprocessError> {
    let Some(directory) = Directory::read(bytes) else { return Err(damaged("it has no directory")) };
    upright(bytes, &directory, gate).map_err(|error| match error {
        // Most programs write the directory last.
        PreprocessError::Damaged { .. } if directory.is_cut() => {
            PreprocessError::CutShort { format: ImageFormat::Tiff }
        }
        error => error,
    })
}

fn upright(bytes: &[u8], directory: &Directory<'_>, gate: &mut Gate<'_>) -> Result<RgbImage, PreprocessError> {
    let layout = TiffLayout::of(directory, gate.limits)?;
    let [samples, chunk] =
        [(layout.width, layout.height), layout.chunk].map(|(width, height)| layout.bytes(width, height));
    gate.take(layout.width as u32, layout.height as u32, samples, 2 * chunk)?;
    let samples = layout.samples(bytes, directory)?;
    let rgb = layout.rgb(&samples, directory)?;
    let Some(rgb) = RgbImage::from_raw(layout.width as u32, layout.height as u32, rgb) else {
        return Err(damaged("it holds fewer pixels than it announces"));
    };
    let mut picture = DynamicImage::ImageRgb8(rgb);
    picture.apply_orientation(orientation::of_tiff(directory));
    Ok(picture.into_rgb8())
}

fn damaged(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> PreprocessError {
    PreprocessError::damaged(ImageFormat::Tiff, reason)
}

fn unsupported(what: &str) -> PreprocessError {
    PreprocessError::Unsupported { what: format!("TIFF with {what}") }
}

/// How a strip or tile is packed.
#[derive(Debug, Clone, Copy)]
enum Packing {
    None,
    Lzw,
    Deflate,
    PackBits,
}

/// What the samples of a pixel mean.
#[derive(Debug, Clone, Copy, PartialEq)]
enum TiffColours {
    /// Whether 0 is white.
    Grey {
        inverted: bool,
    },
    Palette,
    Rgb,
    /// RGB that was multiplied by the fourth sample.
    Premultiplied,
    Cmyk,
}

/// Kind of number of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Number {
    Unsigned,
    Signed,
    Float,
}

fn bytes(width: usize, height: usize, channels: usize, bits: usize) -> u64 {
    (width * height * channels) as u64 * bits.div_ceil(8) as u64
}

#[derive(Debug)]
struct TiffLayout {
    width: usize,
    height: usize,
    /// Samples a pixel, those that are left out included.
    channels: usize,
    /// Bits a sample: 1, 2, 4, 8, 16 or 32.
    bits: usize,
    number: Number,
    colours: TiffColours,
    packing: Packing,
    /// Whether each row holds differences.
    differences: bool,
    /// How often the strips or tiles repeat, each time with a share of the channels: once, or once a channel.
    planes: usize,
    /// Whether the lowest bit of a byte is its first.
    reversed: bool,
    /// Width and height of a tile, or of a strip.
    chunk: (usize, usize),
    tiled: bool,
}

impl TiffLayout {
    fn of(directory: &Directory<'_>, limits: &Limits) -> Result<Self, PreprocessError> {
        let number = |tag, otherwise| directory.number(tag).unwrap_or(otherwise);
        let side = |tag| number(tag, 0).try_into().unwrap_or(u32::MAX);
        if directory.bytes(256).is_none() || directory.bytes(257).is_none() {
            return Err(damaged("its directory is cut short or missing"));
        }
        let (width, height) = (side(256), side(257));
        allow(limits, width, height)?;
        let packing = match number(259, 1) {
            1 => Packing::None,
            5 => Packing::Lzw,
            8 | 32_946 => Packing::Deflate,
            32_773 => Packing::PackBits,
            2..=4 | 32_771 => return Err(unsupported("fax compression")),
            6 | 7 => return Err(unsupported("JPEG compression")),
            34_925 => return Err(unsupported("LZMA compression")),
            50_000 => return Err(unsupported("Zstandard compression")),
            50_001 => return Err(unsupported("WebP compression")),
            other => return Err(unsupported(&format!("compression {other}"))),
        };
        let differences = match number(317, 1) {
            // Without compression Pillow does not look at it.
            _ if matches!(packing, Packing::None | Packing::PackBits) => false,
            1 => false,
            2 => true,
            _ => return Err(unsupported("floating-point differences")),
        };
        let extra = directory.numbers(338).unwrap_or_default();
        let (depths, channels) = (directory.numbers(258).unwrap_or(vec![1]), number(277, 1));
        let channels = usize::try_from(channels).ok().filter(|channels| (1..=6).contains(channels));
        let channels = channels.ok_or_else(|| unsupported("more than six samples a pixel"))?;
        let bits = depths.first().copied().unwrap_or(1);
        if !(depths.len() == 1 || depths.len() >= channels) || depths.iter().take(channels).any(|depth| *depth != bits)
        {
            return Err(unsupported("samples of different depths"));
        }
        let formats = directory.numbers(339).unwrap_or(vec![1]);
        let format = match formats.first() {
            _ if formats.windows(2).any(|pair| pair[0] != pair[1]) => None,
            Some(1) => Some(Number::Unsigned),
            Some(2) => Some(Number::Signed),
            Some(3) => Some(Number::Float),
            _ => None,
        };
        let format = format.ok_or_else(|| unsupported("samples of an unusual kind"))?;
        let planes = number(284, 1) == 2;
        let photometric = number(262, 0);
        let colours = colours(photometric, channels, &extra).ok_or_else(|| match photometric {
            6 => unsupported("YCbCr colours"),
            8..=10 => unsupported("Lab colours"),
            _ => unsupported(&format!("{channels} samples a pixel and colours of kind {photometric}")),
        })?;
        let grey = matches!(colours, TiffColours::Grey { .. });
        let known = match (bits, format) {
            (1 | 2 | 4, Number::Unsigned) => channels == 1,
            (8, Number::Unsigned) => true,
            // Planes of 16 bits are taken for bytes by Pillow.
            (16, Number::Unsigned) => !planes && colours != TiffColours::Palette,
            (8 | 16 | 32, Number::Signed) | (32, Number::Unsigned) => colours == TiffColours::Grey { inverted: false },
            (32, Number::Float) => grey,
            _ => false,
        } && (channels == 1 || !grey || bits == 8);
        if !known || planes && (channels > 4 || extra.first() == Some(&1)) {
            return Err(unsupported(&format!("{channels} samples of {bits} bits a pixel, of this kind")));
        }
        let tiled = directory.bytes(324).is_some();
        let size = |tag, otherwise: u32| number(tag, u64::from(otherwise)).try_into().unwrap_or(usize::MAX);
        let chunk =
            if tiled { (size(322, 0), size(323, 0)) } else { (width as usize, size(278, height).min(height as usize)) };
        let impossible = || damaged("its strips or tiles have an impossible size");
        if chunk.0 == 0 || chunk.1 == 0 || chunk.0.max(chunk.1) as u64 > u64::from(limits.side) {
            return Err(impossible());
        }
        // Of samples of less than a byte: each tile begins in a byte of its own.
        if chunk.0 < width as usize && !(chunk.0 as u64 * bits).is_multiple_of(8) {
            return Err(impossible());
        }
        // Memory in use before the conversion to RGB: all samples, and one strip or tile.
        let bytes = |width: usize, height: usize| bytes(width, height, channels, bits as usize);
        if bytes(width as usize, height as usize).max(bytes(chunk.0, chunk.1)) > limits.bytes {
            return Err(PreprocessError::too_large(limits, width, height));
        }
        Ok(Self {
            width: width as usize,
            height: height as usize,
            channels,
            bits: bits as usize,
            number: format,
            colours,
            packing,
            differences,
            planes: if planes { channels } else { 1 },
            reversed: number(266, 1) == 2,
            chunk,
            tiled,
        })
    }

    /// Bytes of the samples of so many pixels.
    fn bytes(&self, width: usize, height: usize) -> u64 {
        bytes(width, height, self.channels, self.bits)
    }

    /// All rows one below the other, each from a whole byte on; with planes, one plane after the other. Samples of 16 and
    /// 32 bits have their lowest byte first.
    fn samples(&self, file: &[u8], directory: &Directory<'_>) -> Result<Vec<u8>, PreprocessError> {
        let (offsets, lengths) = if self.tiled { (324, 325) } else { (273, 279) };
        let offsets = directory.numbers(offsets).ok_or_else(|| damaged("it does not say where its pixels are"))?;
        let lengths = directory.numbers(lengths).unwrap_or_default();
        let channels = self.channels / self.planes;
        let row = |width: usize| (width * channels * self.bits).div_ceil(8);
        let (stride, chunk_stride) = (row(self.width), row(self.chunk.0));
        let (across, down) = (self.width.div_ceil(self.chunk.0), self.height.div_ceil(self.chunk.1));
        let mut samples = vec![0; stride * self.height * self.planes];
        let mut places = offsets.iter().enumerate();
        for plane in samples.chunks_exact_mut(stride * self.height) {
            for (y, x) in (0..down).flat_map(|y| (0..across).map(move |x| (y, x))) {
                let (index, offset) = places.next().ok_or_else(|| damaged("strips or tiles are missing"))?;
                let rows = if self.tiled { self.chunk.1 } else { self.chunk.1.min(self.height - y * self.chunk.1) };
                let length = lengths.get(index).copied();
                let packed =
                    part(file, *offset, length).ok_or(PreprocessError::CutShort { format: ImageFormat::Tiff })?;
                let mut chunk = self.unpack(packed, chunk_stride * rows)?.into_owned();
                self.straighten(&mut chunk, chunk_stride, channels, directory.little());
                // Tiles hang over on the right and at the bottom.
                let left = x * row(self.chunk.0);
                let kept = chunk_stride.min(stride - left);
                let below = plane.chunks_exact_mut(stride).skip(y * self.chunk.1);
                for (to, from) in below.zip(chunk.chunks_exact(chunk_stride)) {
                    to[left..left + kept].copy_from_slice(&from[..kept]);
                }
            }
        }
        Ok(samples)
    }

    /// `size` bytes of a strip or tile.
    fn unpack<'a>(&self, packed: &'a [u8], size: usize) -> Result<Cow<'a, [u8]>, PreprocessError> {
        let packed: Cow<'_, [u8]> = if self.reversed {
            packed.iter().map(|byte| byte.reverse_bits()).collect::<Vec<_>>().into()
        } else {
            packed.into()
        };
        let short = || damaged("a strip or tile ends too early");
        let mut unpacked = Vec::with_capacity(size);
        match self.packing {
            Packing::None => {
                if packed.len() < size {
                    return Err(short());
                }
                return Ok(packed);
            }
            Packing::Deflate => {
                let mut stream = ZlibDecoder::new(&packed[..]).take(size as u64);
                // The strip ends early, not the file.
                stream.read_to_end(&mut unpacked).map_err(|error| damaged(error.to_string()))?;
            }
            Packing::Lzw => {
                let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(BitOrder::Msb, 8);
                unpacked.resize(size, 0);
                let (mut read, mut written) = (0, 0);
                while written < size {
                    let step = decoder.decode_bytes(&packed[read..], &mut unpacked[written..]);
                    (read, written) = (read + step.consumed_in, written + step.consumed_out);
                    match step.status {
                        Ok(weezl::LzwStatus::Ok) if step.consumed_in + step.consumed_out > 0 => {}
                        Ok(_) => break,
                        Err(error) => return Err(damaged(error)),
                    }
                }
                unpacked.truncate(written);
            }
            Packing::PackBits => {
                let mut rest = &packed[..];
                while let (true, [head, tail @ ..]) = (unpacked.len() < size, rest) {
                    match (*head as i8, tail) {
                        (-128, _) => rest = tail,
                        (count @ 0.., _) => {
                            let (run, after) = tail.split_at_checked(count as usize + 1).ok_or_else(short)?;
                            unpacked.extend(run);
                            rest = after;
                        }
                        (count, [byte, after @ ..]) => {
                            unpacked.extend(std::iter::repeat_n(byte, (1 - isize::from(count)) as usize));
                            rest = after;
                        }
                        _ => break,
                    }
                }
            }
        }
        if unpacked.len() < size { Err(short()) } else { Ok(unpacked.into()) }
    }

    /// Lowest bytes first, differences summed up.
    fn straighten(&self, chunk: &mut [u8], stride: usize, channels: usize, little: bool) {
        let bytes = (self.bits / 8).max(1);
        if !little && bytes > 1 {
            chunk.chunks_exact_mut(bytes).for_each(<[u8]>::reverse);
        }
        if !self.differences {
            return;
        }
        for row in chunk.chunks_exact_mut(stride) {
            let step = channels * bytes;
            for at in (step..row.len()).step_by(bytes) {
                let mut carry = 0;
                for byte in at..(at + bytes).min(row.len()) {
                    let sum = u16::from(row[byte]) + u16::from(row[byte - step]) + carry;
                    (row[byte], carry) = (sum as u8, sum >> 8);
                }
            }
        }
    }

    fn rgb(&self, samples: &[u8], directory: &Directory<'_>) -> Result<Vec<u8>, PreprocessError> {
        let pixels = self.width * self.height;
        let mut rgb = Vec::with_capacity(pixels * 3);
        match self.colours {
            TiffColours::Grey { inverted } => {
                self.each_first(samples, |value| rgb.extend([self.grey(value, inverted); 3]));
            }
            TiffColours::Palette => {
                let colours = directory.numbers(320).ok_or_else(|| damaged("its palette is missing"))?;
                let third = colours.len() / 3;
                // Pillow keeps the high bytes.
                let colour = |index: usize, channel: usize| {
                    if index < third { (colours[channel * third + index] >> 8) as u8 } else { 0 }
                };
                self.each_first(samples, |value| rgb.extend([0, 1, 2].map(|channel| colour(value as usize, channel))));
            }
            TiffColours::Rgb | TiffColours::Premultiplied | TiffColours::Cmyk => {
                // Of 16 bits the high byte is kept.
                let bytes = self.bits / 8;
                let at = |pixel: usize, channel: usize| {
                    let place =
                        if self.planes > 1 { channel * pixels + pixel } else { pixel * self.channels + channel };
                    samples[place * bytes + bytes - 1]
                };
                for pixel in 0..pixels {
                    let first = [0, 1, 2].map(|channel| at(pixel, channel));
                    rgb.extend(match self.colours {
                        TiffColours::Cmyk => cmyk(first, at(pixel, 3)),
                        TiffColours::Premultiplied => divided(first, at(pixel, 3)),
                        _ => first,
                    });
                }
            }
        }
        Ok(rgb)
    }

    /// Gives the first sample of each pixel, as its bits.
    fn each_first(&self, samples: &[u8], mut with: impl FnMut(u32)) {
        let step = self.channels / self.planes;
        let stride = (self.width * step * self.bits).div_ceil(8);
        for row in samples.chunks_exact(stride).take(self.height) {
            for pixel in 0..self.width {
                let at = pixel * step * self.bits;
                let bytes = &row[at / 8..];
                with(match self.bits {
                    32 => u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]),
                    16 => u32::from(u16::from_le_bytes([bytes[0], bytes[1]])),
                    bits => u32::from(bytes[0]) >> (8 - bits - at % 8) & ((1 << bits) - 1),
                });
            }
        }
    }

    /// As Pillow's: depths below 8 bits are spread over 0..=255, those above are cut off there.
    fn grey(&self, value: u32, inverted: bool) -> u8 {
        let byte = match (self.bits, self.number) {
            (1 | 2 | 4 | 8, _) => (value * 255 / ((1 << self.bits) - 1)) as u8,
            // Pillow does not turn these over.
            (16, Number::Unsigned) => return value.min(255) as u8,
            (16, _) => return (value as u16 as i16).clamp(0, 255) as u8,
            (_, Number::Float) => return f32::from_bits(value) as u8,
            _ => return (value as i32).clamp(0, 255) as u8,
        };
        if inverted { !byte } else { byte }
    }
}

/// What the samples mean; as Pillow's table of what it opens has them.
fn colours(photometric: u64, channels: usize, extra: &[u64]) -> Option<TiffColours> {
    match (photometric, channels, extra) {
        (0, 1, []) => Some(TiffColours::Grey { inverted: true }),
        (1, 1, []) | (1, 2, [2]) => Some(TiffColours::Grey { inverted: false }),
        (2, 3 | 4, []) | (2, 4, [0 | 2 | 999]) | (2, 5, [0 | 2, 0]) | (2, 6, [0 | 2, 0, 0]) => Some(TiffColours::Rgb),
        (2, 4, [1]) | (2, 5, [1, 0]) | (2, 6, [1, 0, 0]) => Some(TiffColours::Premultiplied),
        (3, 1, []) | (3, 2, [0 | 2]) => Some(TiffColours::Palette),
        (5, 4, []) | (5, 5, [0]) | (5, 6, [0, 0]) => Some(TiffColours::Cmyk),
        _ => None,
    }
}

/// Bytes from an offset on: as many as are said, or all.
fn part(file: &[u8], offset: u64, length: Option<u64>) -> Option<&[u8]> {
    let rest = file.get(usize::try_from(offset).ok()?..)?;
    match length {
        Some(length) => rest.get(..usize::try_from(length).ok()?),
        None => Some(rest),
    }
}

/// Pillow's CMYK to RGB.
fn cmyk(ink: [u8; 3], black: u8) -> [u8; 3] {
    let white = 255 - i32::from(black);
    ink.map(|ink| {
        let product = i32::from(ink) * white + 128;
        (white - (((product >> 8) + product) >> 8)).clamp(0, 255) as u8
    })
}

/// Pillow's `RGBa` to RGBA, without the A; nothing shines through where nothing is.
fn divided(colour: [u8; 3], alpha: u8) -> [u8; 3] {
    match u32::from(alpha) {
        0 => [0; 3],
        255 => colour,
        alpha => colour.map(|value| (u32::from(value) * 255 / alpha).min(255) as u8),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ifd::tests::file;
    use super::*;

    #[test]
    fn tiles_that_would_begin_within_a_byte_are_damage() {
        // 3 × 1 pixels of one bit each, in tiles of one pixel.
        let long = |tag: u16, value: u32| (tag, 4, 1, value.to_be_bytes());
        let [width, height, grey] = [long(256, 3), long(257, 1), long(262, 1)];
        let file = file(false, &[width, height, grey, long(322, 1), long(323, 1), (324, 1, 3, [0; 4])]);
        let error = crate::decode(&file, &Limits::default()).unwrap_err();
        insta::assert_snapshot!(error, @"damaged or unusual TIFF picture: its strips or tiles have an impossible size; save it again with an image editor");
    }
}

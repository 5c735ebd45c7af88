//! The first frame of a GIF, as Pillow's `Image.open(…).convert("RGB")`.

use std::borrow::Cow;

use ::gif::{ColorOutput, DecodeOptions, MemoryLimit};
use image::{ImageFormat, RgbImage};

use super::PreprocessError;
use super::limits::{Gate, allow};

/// Decodes the first frame onto its canvas. Transparency is dropped, as for every other kind: a transparent pixel shows
/// its colour of the palette, and what the frame leaves free shows the transparent colour, or the first one.
pub(super) fn decode(bytes: &[u8], gate: &mut Gate<'_>) -> Result<RgbImage, PreprocessError> {
    let damaged = |error: ::gif::DecodingError| PreprocessError::damaged(ImageFormat::Gif, error);
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    // The size is checked below, before the pixels are decoded.
    options.set_memory_limit(MemoryLimit::Unlimited);
    let bytes = with_palette(bytes);
    let mut decoder = options.read_info(&*bytes).map_err(damaged)?;
    let (canvas_width, canvas_height) = (decoder.width(), decoder.height());
    let Some(frame) = decoder.next_frame_info().map_err(damaged)? else {
        return Err(PreprocessError::damaged(ImageFormat::Gif, "it has no frame"));
    };
    let (left, top) = (usize::from(frame.left), usize::from(frame.top));
    let (frame_width, frame_height) = (usize::from(frame.width), usize::from(frame.height));
    let (local, transparent) = (frame.palette.clone(), frame.transparent);
    // A frame that extends beyond the canvas widens it.
    let width = usize::from(canvas_width).max(left + frame_width);
    let height = usize::from(canvas_height).max(top + frame_height);
    allow(gate.limits, width as u32, height as u32)?;
    allow(gate.limits, frame_width as u32, frame_height as u32)?;
    gate.take(width as u32, height as u32, (frame_width * frame_height) as u64, 0)?;

    let mut indices = vec![0; decoder.buffer_size()];
    decoder.read_into_buffer(&mut indices).map_err(damaged)?;
    let palette = Palette::new(local.as_deref(), decoder.global_palette());
    let background = palette.colour(transparent.unwrap_or(0));
    let mut picture = RgbImage::from_pixel(width as u32, height as u32, image::Rgb(background));
    let (rows, _) = picture.as_chunks_mut::<3>();
    for (to, from) in rows.chunks_exact_mut(width).skip(top).zip(indices.chunks_exact(frame_width)) {
        for (pixel, index) in to[left..].iter_mut().zip(from) {
            *pixel = palette.colour(*index);
        }
    }
    Ok(picture)
}

/// A GIF that has no palette for all frames gets one in which each index is its own grey, which means none to
/// [`Palette`]: the decoder insists on one.
fn with_palette(bytes: &[u8]) -> Cow<'_, [u8]> {
    match bytes.split_at_checked(13) {
        Some((head, rest)) if head[10] & 0x80 == 0 => {
            let ramp = (0..=255).flat_map(|grey| [grey; 3]).collect::<Vec<u8>>();
            let mut bytes = [head, &ramp, rest].concat();
            bytes[10] |= 0x87;
            bytes.into()
        }
        _ => bytes.into(),
    }
}

/// The colours of the indices.
struct Palette<'a>(Option<&'a [u8]>);

impl<'a> Palette<'a> {
    /// The frame's palette, else that of all frames. Pillow takes one in which each index is its own grey for none: then
    /// the other one colours the frame, and without another one the indices are grey values.
    fn new(local: Option<&'a [u8]>, global: Option<&'a [u8]>) -> Self {
        let says_something =
            |palette: &&[u8]| !palette.as_chunks::<3>().0.iter().zip(0..=255).all(|(rgb, index)| *rgb == [index; 3]);
        Self(local.filter(says_something).or(global.filter(says_something)))
    }

    fn colour(&self, index: u8) -> [u8; 3] {
        let Some(colours) = self.0 else { return [index; 3] };
        colours.as_chunks::<3>().0.get(usize::from(index)).copied().unwrap_or_default()
    }
}

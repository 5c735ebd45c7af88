//! Errors of pictures and face boxes.

use std::error::Error;
use std::io;

use image::{ImageError, ImageFormat};

use super::{BoundingBox, Landmarks, Limits};

/// Why a face has no pixels. It has no path: the caller knows which face it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum PreprocessError {
    /// The first bytes are those of no supported format.
    #[error(
        "not a supported picture: its first bytes match none of JPEG, PNG, WebP, BMP, GIF, TIFF or PBM/PGM/PPM; \
         convert it to one of these"
    )]
    UnknownFormat,
    /// The file has no bytes.
    #[error("the file is empty; copy or download it again")]
    Empty,
    /// A version control system's pointer in place of the picture.
    #[error("a {system} pointer instead of the picture; fetch the picture with `{command}`")]
    Pointer { system: &'static str, command: &'static str },
    /// A known kind or feature that is not decoded.
    #[error("{what} is not supported; convert to PNG or JPEG")]
    Unsupported { what: String },
    /// The picture contradicts itself, ends early or uses an unsupported feature.
    #[error("damaged or unusual {} picture: {reason}; save it again with an image editor", format_name(*format))]
    Damaged { format: ImageFormat, reason: Box<dyn Error + Send + Sync> },
    /// The file ends before the picture does.
    #[error("the {} picture is cut short: the end of the file is missing; copy or download it again", format_name(*format))]
    CutShort { format: ImageFormat },
    /// The header announces more pixels than the limits allow; nothing was allocated for them.
    #[error(
        "the picture announces {width} × {height} pixels, over the limit of {max_side} per side and {max_pixels} in all; \
         scale it down, or replace it if its header is damaged"
    )]
    TooLarge { width: u32, height: u32, max_side: u32, max_pixels: u64 },
    /// A picture whose pixels take more memory than the limits allow; nothing was allocated for them.
    #[error(
        "the picture takes {bytes} bytes as it is stored ({width} × {height} pixels), over the limit of {max_bytes}; save it \
         with 8 bits per sample, without transparency, or scale it down"
    )]
    TooManyBytes { width: u32, height: u32, bytes: u64, max_bytes: u64 },
    /// Stopped on request while it waited for memory.
    #[error("interrupted")]
    Interrupted,
    /// A side is zero pixels long.
    #[error("the picture has no pixels ({width} × {height}); replace it or remove it from the dataset")]
    EmptyPicture { width: u32, height: u32 },
    /// The face box, with its margin, covers nothing of the picture.
    #[error(
        "the face box ({}, {}, {}, {}) (left, top, right, bottom) covers nothing of the {width} × {height} picture; \
         correct the box, or use the whole picture (`crop: {{mode: whole}}`)",
        bbox.x1, bbox.y1, bbox.x2, bbox.y2
    )]
    EmptyCrop { bbox: BoundingBox, width: u32, height: u32 },
    /// A face to be aligned has no landmarks.
    #[error("the face has no landmarks to align it by; provide them in `dataset.boxes`, or let `detect` find them")]
    NoLandmarks,
    /// No alignment follows from the landmarks.
    #[error("the landmarks {landmarks} (eyes, nose, corners of the mouth) {problem}; correct them")]
    UnusableLandmarks {
        landmarks: Landmarks,
        /// What they are: "lie on one line".
        problem: &'static str,
    },
    /// The aligned face has nothing of the picture.
    #[error(
        "aligned by the landmarks {landmarks} (eyes, nose, corners of the mouth), the face is outside the \
         {width} × {height} picture; give the landmarks in pixels of the picture"
    )]
    AlignedOutside { landmarks: Landmarks, width: u32, height: u32 },
}

impl PreprocessError {
    pub(super) fn too_large(limits: &Limits, width: u32, height: u32) -> Self {
        Self::TooLarge { width, height, max_side: limits.side, max_pixels: limits.pixels }
    }

    pub(super) fn damaged(format: ImageFormat, reason: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let reason = reason.into();
        if ends_early(reason.as_ref()) { Self::CutShort { format } } else { Self::Damaged { format, reason } }
    }
}

/// Whether a decoder failed because there was nothing more to read.
fn ends_early(error: &(dyn Error + 'static)) -> bool {
    let eof = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
    match error.downcast_ref::<ImageError>() {
        Some(ImageError::IoError(error)) => eof(error),
        _ => match error.downcast_ref::<gif::DecodingError>() {
            Some(error) => matches!(error, gif::DecodingError::UnexpectedEof),
            None => error.downcast_ref::<io::Error>().is_some_and(eof),
        },
    }
}

fn format_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::Png => "PNG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Bmp => "BMP",
        ImageFormat::Gif => "GIF",
        ImageFormat::Tiff => "TIFF",
        _ => "PNM",
    }
}

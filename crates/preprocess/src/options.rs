//! Picture → network input: `preprocess` in a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes → 8-bit RGB → crop → resize → standardise. Profiles of REFERENCE §7 are values of this type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Name of the profile this started from; `custom` when parts were changed.
    pub profile: String,
    /// What is cut out of the picture.
    pub crop: Crop,
    /// To which square, with which filter.
    pub resize: Resize,
    /// Order of the channels that reach the network.
    pub channels: ChannelOrder,
    /// 8-bit value → network input.
    pub standardise: Standardise,
    /// Whether the mirrored face contributes.
    pub mirror: Mirror,
}

/// What is cut out of the picture before resizing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "mode", rename_all = "kebab-case")]
pub enum Crop {
    /// The whole picture is the face.
    Whole,
    /// The face's box, widened by a margin and clamped to the picture. A face without a box uses the whole picture.
    Box {
        /// Total margin added to each dimension (half on each side), in `unit`s.
        margin: f64,
        /// What the margin is counted in.
        unit: MarginUnit,
    },
    /// The middle of the picture, with or without a box: for photos in which the face is known to be there, such as
    /// LFW's 250×250 pixels. Each side is `fraction` of the picture's, rounded half up, at least 1 pixel; where what is
    /// left over is odd, the pixel more is right or below.
    Centre {
        /// Part of width and of height that is kept; > 0, at most 1.
        fraction: f64,
    },
}

/// Unit of a crop's margin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MarginUnit {
    /// Pixels of the original picture (Sandberg's `align_dataset_mtcnn.py`).
    OriginalPixels,
    /// Pixels of the resized output: margin·w/(size−margin) (`facenet_pytorch.extract_face`).
    OutputPixels,
}

/// Target square and filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// Side of the network's input, pixels.
    pub size: u32,
    /// Which resampling.
    pub filter: Filter,
}

/// Resampling filters, exact to their originals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// Pillow `Image.BILINEAR`: triangle filter, antialiased when it shrinks.
    PillowBilinear,
    /// Pillow `Image.BICUBIC` (a = −0.5), antialiased when it shrinks.
    PillowBicubic,
    /// `OpenCV` `INTER_LINEAR`: 2×2 taps, no antialiasing.
    OpencvLinear,
}

/// Channel order at the network's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelOrder {
    /// Red first (every published `FaceNet`).
    Rgb,
    /// Blue first (a common mistake with `OpenCV`; here to measure what it costs).
    Bgr,
}

/// `(x − mean) / scale`, x in 0..=255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Standardise {
    /// Subtracted.
    pub mean: f32,
    /// Divided by; > 0.
    pub scale: f32,
}

impl Standardise {
    /// The network input of each byte: the same division that the reference does for each pixel.
    #[must_use]
    pub fn values(self) -> [f32; 256] {
        std::array::from_fn(|byte| (byte as f32 - self.mean) / self.scale)
    }
}

/// What the mirrored face contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mirror {
    /// Nothing.
    #[default]
    None,
    /// Embeddings of face and mirror image are added, then normalised.
    Sum,
    /// Embeddings of face and mirror image side by side, then normalised: twice the numbers.
    Concat,
}

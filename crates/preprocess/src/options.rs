//! Picture → network input: `preprocess` in a config.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PROFILES;

/// Bytes → 8-bit RGB → crop → resize → standardise. Profiles are values of this type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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

impl Preprocess {
    /// Name of what is no profile.
    pub const CUSTOM: &str = "custom";
}

/// The parts of a profile that a config changes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PreprocessChanges {
    /// Which published preprocessing to start from. A run that changes any part of it records `custom`.
    #[schemars(extend("enum" = PROFILES, "x-default" = "the network's"))]
    pub profile: Option<String>,
    /// What is cut out of the picture before it is resized. It replaces the profile's as a whole.
    #[schemars(extend("x-default" = "the profile's"))]
    pub crop: Option<Crop>,
    /// The square the crop is resized to, and with which filter.
    #[schemars(extend("x-default" = "the profile's"))]
    pub resize: ResizeChanges,
    /// Order of the channels that reach the network.
    #[schemars(extend("x-default" = "the profile's"))]
    pub channels: Option<ChannelOrder>,
    /// From 8-bit value to network input: (x − mean) / scale.
    #[schemars(extend("x-default" = "the profile's"))]
    pub standardise: StandardiseChanges,
    /// What the mirrored face contributes: nothing, its embedding added, or its embedding appended (twice the numbers).
    #[schemars(extend("x-default" = "the profile's"))]
    pub mirror: Option<Mirror>,
}

/// The square the crop is resized to, and with which filter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResizeChanges {
    /// Side of the network's input. `inception-resnet-v1` takes 75 to 1,024 pixels, an `onnx` file what it says, every other
    /// network one size (112 or 224).
    #[schemars(range(min = 32, max = 1024), extend("x-unit" = "pixels", "x-default" = "the profile's"))]
    pub size: Option<u32>,
    /// Resampling filter, equal to its original to the last bit. `crop: {mode: align}` resamples in its own way and does
    /// not use it.
    #[schemars(extend("x-default" = "the profile's"))]
    pub filter: Option<Filter>,
}

/// From 8-bit value to network input: (x − mean) / scale.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StandardiseChanges {
    /// Subtracted from each value.
    #[schemars(range(min = -1e6, max = 1e6), extend("x-unit" = "grey levels", "x-default" = "the profile's"))]
    pub mean: Option<f32>,
    /// What the difference is divided by.
    #[schemars(range(min = 1e-6, max = 1e6), extend("x-unit" = "grey levels", "x-default" = "the profile's"))]
    pub scale: Option<f32>,
}

impl PreprocessChanges {
    /// Whether every part is given, so that the profile makes no difference.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let Self { profile: _, crop, resize, channels, standardise, mirror } = self;
        crop.is_some()
            && resize.size.is_some()
            && resize.filter.is_some()
            && channels.is_some()
            && standardise.mean.is_some()
            && standardise.scale.is_some()
            && mirror.is_some()
    }

    /// The profile with these parts changed; it is called `custom` if that makes a difference.
    #[must_use]
    pub fn applied_to(&self, profile: &Preprocess) -> Preprocess {
        let mut changed = Preprocess {
            profile: profile.profile.clone(),
            crop: self.crop.unwrap_or(profile.crop),
            resize: Resize {
                size: self.resize.size.unwrap_or(profile.resize.size),
                filter: self.resize.filter.unwrap_or(profile.resize.filter),
            },
            channels: self.channels.unwrap_or(profile.channels),
            standardise: Standardise {
                mean: self.standardise.mean.unwrap_or(profile.standardise.mean),
                scale: self.standardise.scale.unwrap_or(profile.standardise.scale),
            },
            mirror: self.mirror.unwrap_or(profile.mirror),
        };
        if changed != *profile {
            changed.profile = Preprocess::CUSTOM.into();
        }
        changed
    }
}

/// What is cut out of the picture before it is resized.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Crop {
    /// The whole picture.
    Whole,
    /// The face's box, widened by a margin and clamped to the picture. A face without a box uses the whole picture.
    Box {
        /// Total margin added to each dimension, half of it on each side.
        #[schemars(range(min = 0, max = 10_000), extend("x-digits" = 9, "x-unit" = "in `unit`s"))]
        margin: f64,
        /// What the margin is measured in: pixels of the photo, or of the resized face.
        unit: MarginUnit,
    },
    /// The middle of the picture, with or without a box: for photos in which the face is known to be there.
    // Such as LFW's 250×250 pixels. Each side is at least 1 pixel.
    Centre {
        /// The part of the width and of the height that is kept, each rounded half up to whole pixels. Where the rest is
        /// odd, the extra pixel is cut off on the right and at the bottom.
        #[schemars(range(max = 1), extend("exclusiveMinimum" = 0, "x-digits" = 9))]
        fraction: f64,
    },
    /// The face turned upright and scaled by its five landmarks, as insightface aligns faces (similarity transform to its
    /// template for 112 pixels, bilinear, black outside the picture). `resize.filter` plays no part. A face without
    /// landmarks fails.
    Align,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resize {
    /// Side of the network's input, pixels.
    pub size: u32,
    /// Which resampling; not used by [`Crop::Align`].
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

/// `(x − mean) / scale`, x from 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
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

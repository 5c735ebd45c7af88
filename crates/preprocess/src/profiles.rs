//! Preprocessing as the programs did it that published numbers, each under a name. Results of two profiles are not
//! comparable, so every result records its profile.

use crate::{ChannelOrder, Crop, Filter, MarginUnit, Mirror, Preprocess, Resize, Standardise};

/// Names of all profiles.
pub const PROFILES: &[&str] = &[
    "facenet-tf",
    "facenet-pytorch",
    "facevault-notebook",
    "facevault-api",
    "insightface",
    "insightface-bin",
    "adaface",
    "sface",
    "dinov2",
    "clip",
];

/// The profile with this name.
#[must_use]
pub fn profile(name: &str) -> Option<Preprocess> {
    // (x − 127.5)/128, Sandberg's `prewhiten` replacement; and (x/255 − 0.5)/0.5 = (x − 127.5)/127.5.
    let by_128 = Standardise { mean: 127.5, scale: 128.0 };
    let by_half_range = Standardise { mean: 127.5, scale: 127.5 };
    // These networks have a mean and a deviation for each channel, which they apply to 0..=1 themselves. Upstream resizes
    // the shorter side (256 and 224 pixels) and cuts 224×224 out of the centre; a face crop has no margin to lose, so that
    // here the whole crop is squashed.
    let raw = Standardise { mean: 0.0, scale: 1.0 };
    let unit_range = Standardise { mean: 0.0, scale: 255.0 };
    let boxed = |margin, unit| Crop::Box { margin, unit };
    let (crop, filter, size, standardise, mirror) = match name {
        "facenet-tf" => (boxed(32.0, MarginUnit::OriginalPixels), Filter::PillowBilinear, 160, by_128, Mirror::Concat),
        "facenet-pytorch" => (boxed(14.0, MarginUnit::OutputPixels), Filter::PillowBilinear, 160, by_128, Mirror::None),
        "facevault-notebook" => (Crop::Whole, Filter::OpencvLinear, 160, by_half_range, Mirror::None),
        "facevault-api" => (Crop::Whole, Filter::PillowBicubic, 160, by_half_range, Mirror::None),
        "insightface" | "adaface" => (Crop::Align, Filter::OpencvLinear, 112, by_half_range, Mirror::None),
        // OpenCV's FaceRecognizerSF: the network standardises pixels of 0 to 255 itself.
        "sface" => (Crop::Align, Filter::OpencvLinear, 112, raw, Mirror::None),
        "insightface-bin" => (Crop::Whole, Filter::PillowBilinear, 112, by_half_range, Mirror::Sum),
        "dinov2" | "clip" => (Crop::Whole, Filter::PillowBicubic, 224, unit_range, Mirror::None),
        _ => return None,
    };
    Some(Preprocess {
        profile: name.to_owned(),
        crop,
        resize: Resize { size, filter },
        // AdaFace's `to_input` gives the network BGR.
        channels: if name == "adaface" { ChannelOrder::Bgr } else { ChannelOrder::Rgb },
        standardise,
        mirror,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_profile_exists_under_its_name() {
        for name in PROFILES {
            assert_eq!(profile(name).unwrap().profile, *name);
        }
        assert!(profile("facenet").is_none());
    }
}

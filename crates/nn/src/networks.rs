//! The facts about each network that are needed before its weights are loaded.

use std::ops::RangeInclusive;

use super::{clip, dinov2, inception_resnet_v1, iresnet};
use crate::Network;
use facevault_preprocess::Standardise;

/// A network's fixed properties.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// As configs spell it.
    pub name: &'static str,
    /// Numbers in one embedding.
    pub dimension: usize,
    /// Sides that its square input may have, pixels.
    pub sides: RangeInclusive<u32>,
    /// Whether `model.width` may differ from 1.
    pub scalable: bool,
    /// Whether it has fused plans, and with them kernels and precisions other than candle's f32.
    pub fused: bool,
    /// The preprocessing profile of its reference implementation.
    pub profile: &'static str,
    /// The standardisation it requires, if the network standardises each channel itself from there.
    pub standardise: Option<Standardise>,
}

/// 8-bit values as 0..=1: the mean and deviation of each channel belong to the network and are applied there.
pub const UNIT_RANGE: Standardise = Standardise { mean: 0.0, scale: 255.0 };

impl Network {
    /// Its fixed properties.
    #[must_use]
    pub fn facts(self) -> Facts {
        match self {
            Self::InceptionResnetV1 => Facts {
                name: "inception-resnet-v1",
                dimension: inception_resnet_v1::DIMENSION,
                sides: inception_resnet_v1::MIN_SIDE as u32..=1024,
                scalable: true,
                fused: true,
                profile: "facenet-pytorch",
                standardise: None,
            },
            Self::Dinov2Vits14 => {
                reference("dinov2-vits14", dinov2::DIMENSION, dinov2::SIDE, "dinov2", Some(UNIT_RANGE))
            }
            Self::ClipVitB32 => reference("clip-vit-b-32", clip::DIMENSION, clip::SIDE, "clip", Some(UNIT_RANGE)),
            Self::Iresnet50 => reference("iresnet50", iresnet::DIMENSION, iresnet::SIDE, "insightface-bin", None),
            Self::Iresnet100 => Facts { name: "iresnet100", ..Self::Iresnet50.facts() },
        }
    }
}

/// A network of one size that runs with candle alone.
fn reference(
    name: &'static str,
    dimension: usize,
    side: usize,
    profile: &'static str,
    standardise: Option<Standardise>,
) -> Facts {
    let side = side as u32;
    Facts { name, dimension, sides: side..=side, scalable: false, fused: false, profile, standardise }
}

#[cfg(test)]
mod tests {
    use super::*;
    use facevault_preprocess::profile;

    const ALL: [Network; 5] = [
        Network::InceptionResnetV1,
        Network::Dinov2Vits14,
        Network::ClipVitB32,
        Network::Iresnet50,
        Network::Iresnet100,
    ];

    #[test]
    fn each_published_network_has_its_published_size() {
        use {inception_resnet_v1 as facenet, iresnet::blocks};
        for (network, expected) in [
            // facenet_pytorch: sum(p.numel() for p in model.parameters()) without `logits`.
            (Network::InceptionResnetV1, 23_482_624),
            // transformers: the same of Dinov2Model, less the mask token's 384, and of CLIPVisionModelWithProjection.
            (Network::Dinov2Vits14, 22_056_576 - 384),
            (Network::ClipVitB32, 87_849_216),
            // tests/fixtures/model/iresnet.py; insightface publishes 43.59 M and 65.15 M.
            (Network::Iresnet50, 43_590_848),
            (Network::Iresnet100, 65_156_160),
        ] {
            let parameters = crate::parameters(&crate::ModelSpec { network, width: 1.0 });
            let trained = parameters.iter().filter(|parameter| !parameter.key.contains("running_"));
            let size: usize = trained.map(|parameter| parameter.shape.iter().product::<usize>()).sum();
            assert_eq!(size, expected, "{network:?}");
        }
        assert_eq!((facenet::stage_channels(1.0), facenet::convolutions(1.0).len()), ([256, 896, 1792], 132));
        assert_eq!([Network::Iresnet50, Network::Iresnet100].map(|network| blocks(network).len()), [24, 49]);
    }

    #[test]
    fn each_is_named_as_configs_spell_it_and_fits_its_own_profile() {
        for network in ALL {
            let facts = network.facts();
            assert_eq!(serde_json::to_value(network).unwrap(), facts.name);
            let profile = profile(facts.profile).unwrap();
            assert!(facts.sides.contains(&profile.resize.size), "{facts:?}");
            assert!(facts.standardise.is_none_or(|standardise| standardise == profile.standardise), "{facts:?}");
        }
    }
}

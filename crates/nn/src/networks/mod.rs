//! Each network as data: `model` in a config, what is known of it before its weights are loaded, and the parameters it
//! needs.

pub(crate) mod clip;
pub(crate) mod dinov2;
pub mod inception_resnet_v1;
pub(crate) mod iresnet;
mod parameter_list;

use std::ops::RangeInclusive;

use facevault_preprocess::Standardise;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::weights::{Parameter, Tensors};

/// Which network, at which width.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelSpec {
    /// The architecture.
    pub network: Network,
    /// Channel multiplier: 1.0 is the published network. Only `inception-resnet-v1` has other widths.
    #[schemars(range(min = 0.0625, max = 4.0), extend("x-digits" = 9))]
    pub width: f64,
    /// `onnx`: Name of the output that is the embedding.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-default" = "the only output, or the only matrix among them"))]
    pub output: Option<String>,
}

impl Default for ModelSpec {
    fn default() -> Self {
        Self::of(Network::InceptionResnetV1)
    }
}

impl ModelSpec {
    /// A network as it was published.
    #[must_use]
    pub const fn of(network: Network) -> Self {
        Self { network, width: 1.0, output: None }
    }
}

/// Network architectures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// `FaceNet`, 3×160×160 → 512.
    InceptionResnetV1,
    /// DINOv2 ViT-S/14, a generic vision model, 3×224×224 → 384.
    Dinov2Vits14,
    /// CLIP ViT-B/32's image tower, a generic vision model, 3×224×224 → 512.
    #[serde(rename = "clip-vit-b-32")]
    ClipVitB32,
    /// insightface's iResNet-50, 3×112×112 → 512.
    Iresnet50,
    /// insightface's iResNet-100, 3×112×112 → 512.
    Iresnet100,
    /// Whatever network an ONNX file describes: the file is both the architecture and its weights.
    Onnx,
}

/// A network's fixed properties.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// As configs spell it.
    pub name: &'static str,
    /// Numbers in one embedding; `None`: its file says.
    pub dimension: Option<usize>,
    /// Sides that its square input may have, pixels.
    pub sides: RangeInclusive<u32>,
    /// Whether `model.width` may differ from 1.
    pub scalable: bool,
    /// What can compute it.
    pub runs_on: RunsOn,
    /// The preprocessing profile of its reference implementation; `None`: the config must name one.
    pub profile: Option<&'static str>,
    /// The standardisation it requires, if the network standardises each channel itself from there.
    pub standardise: Option<Standardise>,
}

/// What can compute a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunsOn {
    /// Fused plans, which have kernels and precisions of their own, and candle.
    FusedPlans,
    /// candle alone, in f32.
    Candle,
    /// The engine for graphs alone, on the CPU in f32.
    Engine,
}

/// 8-bit values as 0..=1: the mean and deviation of each channel belong to the network and are applied there.
pub const UNIT_RANGE: Standardise = Standardise { mean: 0.0, scale: 255.0 };

impl Network {
    /// Every network.
    pub const ALL: [Self; 6] =
        [Self::InceptionResnetV1, Self::Dinov2Vits14, Self::ClipVitB32, Self::Iresnet50, Self::Iresnet100, Self::Onnx];

    /// Its fixed properties.
    #[must_use]
    pub fn facts(self) -> Facts {
        match self {
            Self::InceptionResnetV1 => Facts {
                name: "inception-resnet-v1",
                dimension: Some(inception_resnet_v1::DIMENSION),
                sides: inception_resnet_v1::MIN_SIDE as u32..=1024,
                scalable: true,
                runs_on: RunsOn::FusedPlans,
                profile: Some("facenet-pytorch"),
                standardise: None,
            },
            Self::Dinov2Vits14 => {
                reference("dinov2-vits14", dinov2::DIMENSION, dinov2::SIDE, "dinov2", Some(UNIT_RANGE))
            }
            Self::ClipVitB32 => reference("clip-vit-b-32", clip::DIMENSION, clip::SIDE, "clip", Some(UNIT_RANGE)),
            Self::Iresnet50 => reference("iresnet50", iresnet::DIMENSION, iresnet::SIDE, "insightface-bin", None),
            Self::Iresnet100 => Facts { name: "iresnet100", ..Self::Iresnet50.facts() },
            Self::Onnx => Facts {
                name: "onnx",
                dimension: None,
                sides: 32..=1024,
                scalable: false,
                runs_on: RunsOn::Engine,
                profile: None,
                standardise: None,
            },
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
    Facts {
        name,
        dimension: Some(dimension),
        sides: side..=side,
        scalable: false,
        runs_on: RunsOn::Candle,
        profile: Some(profile),
        standardise,
    }
}

/// Every parameter that a network's checkpoint must hold; none if its file is a graph.
#[must_use]
pub fn parameters(spec: &ModelSpec) -> Vec<Parameter> {
    match spec.network {
        Network::InceptionResnetV1 => inception_resnet_v1::parameters(spec.width),
        Network::Dinov2Vits14 => dinov2::parameters(),
        Network::ClipVitB32 => clip::parameters(),
        Network::Iresnet50 | Network::Iresnet100 => iresnet::parameters(spec.network),
        Network::Onnx => Vec::new(),
    }
}

/// Keys of a network's published checkpoints that the embedding does not need; `*` matches anything.
#[must_use]
pub fn unused_keys(spec: &ModelSpec) -> &'static [&'static str] {
    match spec.network {
        Network::InceptionResnetV1 => inception_resnet_v1::UNUSED_KEYS,
        Network::Dinov2Vits14 => dinov2::UNUSED_KEYS,
        Network::ClipVitB32 => clip::UNUSED_KEYS,
        Network::Iresnet50 | Network::Iresnet100 => iresnet::UNUSED_KEYS,
        Network::Onnx => &[],
    }
}

/// Renames the tensors of a network's other published layouts to the keys of [`parameters`]; leaves others alone.
#[must_use]
pub fn adopt(spec: &ModelSpec, tensors: Tensors) -> Tensors {
    match spec.network {
        Network::Dinov2Vits14 => dinov2::adopt(tensors),
        _ => tensors,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use facevault_preprocess::profile;

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
            let parameters = parameters(&ModelSpec::of(network));
            let trained = parameters.iter().filter(|parameter| !parameter.key.contains("running_"));
            let size: usize = trained.map(|parameter| parameter.shape.iter().product::<usize>()).sum();
            assert_eq!(size, expected, "{network:?}");
        }
        assert_eq!((facenet::stage_channels(1.0), facenet::convolutions(1.0).len()), ([256, 896, 1792], 132));
        assert_eq!([Network::Iresnet50, Network::Iresnet100].map(|network| blocks(network).len()), [24, 49]);
    }

    #[test]
    fn each_is_named_as_configs_spell_it_and_fits_its_own_profile() {
        for network in Network::ALL {
            let facts = network.facts();
            assert_eq!(serde_json::to_value(network).unwrap(), facts.name);
            let Some(profile) = facts.profile.map(|name| profile(name).unwrap()) else { continue };
            assert!(facts.sides.contains(&profile.resize.size), "{facts:?}");
            assert!(facts.standardise.is_none_or(|standardise| standardise == profile.standardise), "{facts:?}");
        }
    }
}

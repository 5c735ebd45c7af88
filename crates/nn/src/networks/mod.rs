//! Each network as data: `model` in a config, what is known of it before its weights are loaded, and the parameters it
//! needs.

mod arcface_vit;
pub(crate) mod clip;
mod definition;
pub(crate) mod dinov2;
pub mod inception_resnet_v1;
mod ir;
pub(crate) mod iresnet;
mod mobilefacenet;
mod parameter_list;

use std::ops::RangeInclusive;

use facevault_preprocess::Standardise;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use definition::Definition;
use facevault_graph::Graph;

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
    /// insightface's iResNet-18, 3×112×112 → 512.
    Iresnet18,
    /// insightface's iResNet-34, 3×112×112 → 512.
    Iresnet34,
    /// insightface's iResNet-50, 3×112×112 → 512.
    Iresnet50,
    /// insightface's iResNet-100, 3×112×112 → 512.
    Iresnet100,
    /// insightface's iResNet-200, 3×112×112 → 512.
    Iresnet200,
    /// `AdaFace`'s IR-18, 3×112×112 → 512.
    AdafaceIr18,
    /// `AdaFace`'s IR-50, 3×112×112 → 512.
    AdafaceIr50,
    /// `AdaFace`'s IR-101, 3×112×112 → 512.
    AdafaceIr101,
    /// IR-SE-50 of `InsightFace_Pytorch` and face.evoLVe, 3×112×112 → 512.
    IrSe50,
    /// insightface's `MobileFaceNet`, 3×112×112 → 512.
    Mobilefacenet,
    /// insightface's ViT-T, 3×112×112 → 512.
    ArcfaceVitT,
    /// insightface's ViT-S, 3×112×112 → 512.
    ArcfaceVitS,
    /// insightface's ViT-B, 3×112×112 → 512.
    ArcfaceVitB,
    /// Whatever network an ONNX file describes: the file is both the architecture and its weights.
    Onnx,
    /// None: the dataset's embeddings are given (`dataset: {source: embeddings, …}`), whatever computed them.
    Given,
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
    /// The engine for graphs on the CPU, and candle, which has GPUs too.
    EngineAndCandle,
    /// The engine for graphs alone, on the CPU.
    Engine,
}

/// 8-bit values as 0..=1: the mean and deviation of each channel belong to the network and are applied there.
pub const UNIT_RANGE: Standardise = Standardise { mean: 0.0, scale: 255.0 };

impl Network {
    /// Every network that computes something.
    pub const ALL: [Self; 17] = [
        Self::InceptionResnetV1,
        Self::Dinov2Vits14,
        Self::ClipVitB32,
        Self::Iresnet18,
        Self::Iresnet34,
        Self::Iresnet50,
        Self::Iresnet100,
        Self::Iresnet200,
        Self::AdafaceIr18,
        Self::AdafaceIr50,
        Self::AdafaceIr101,
        Self::IrSe50,
        Self::Mobilefacenet,
        Self::ArcfaceVitT,
        Self::ArcfaceVitS,
        Self::ArcfaceVitB,
        Self::Onnx,
    ];

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
            Self::Iresnet18 => aligned("iresnet18", "insightface"),
            Self::Iresnet34 => aligned("iresnet34", "insightface"),
            Self::Iresnet200 => aligned("iresnet200", "insightface"),
            Self::AdafaceIr18 => aligned("adaface-ir18", "adaface"),
            Self::AdafaceIr50 => aligned("adaface-ir50", "adaface"),
            Self::AdafaceIr101 => aligned("adaface-ir101", "adaface"),
            Self::IrSe50 => aligned("ir-se50", "insightface"),
            Self::Mobilefacenet => aligned("mobilefacenet", "insightface"),
            Self::ArcfaceVitT => aligned("arcface-vit-t", "insightface"),
            Self::ArcfaceVitS => aligned("arcface-vit-s", "insightface"),
            Self::ArcfaceVitB => aligned("arcface-vit-b", "insightface"),
            Self::Onnx => Facts {
                name: "onnx",
                dimension: None,
                sides: 32..=1024,
                scalable: false,
                runs_on: RunsOn::Engine,
                profile: None,
                standardise: None,
            },
            Self::Given => Facts { name: "given", ..Self::Onnx.facts() },
        }
    }
}

/// A network of faces that were aligned to 112×112 pixels, which only the engine runs.
fn aligned(name: &'static str, profile: &'static str) -> Facts {
    Facts { runs_on: RunsOn::Engine, ..reference(name, iresnet::DIMENSION, iresnet::SIDE, profile, None) }
}

/// A network of one size that candle has too.
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
        runs_on: RunsOn::EngineAndCandle,
        profile: Some(profile),
        standardise,
    }
}

/// Every parameter that a network's checkpoint must hold; none if its file is a graph.
#[must_use]
pub fn parameters(spec: &ModelSpec) -> Vec<Parameter> {
    match spec.network {
        Network::InceptionResnetV1 => inception_resnet_v1::parameters(spec.width),
        Network::Onnx | Network::Given => Vec::new(),
        network => defined(network, None).1,
    }
}

/// A network as a graph with its numbers; `tensors` must hold [`parameters`].
pub(crate) fn graph(network: Network, tensors: &Tensors) -> Graph {
    defined(network, Some(tensors)).0
}

/// A network of those that are graphs.
fn defined(network: Network, tensors: Option<&Tensors>) -> (Graph, Vec<Parameter>) {
    let side = match network {
        Network::Dinov2Vits14 => dinov2::SIDE,
        Network::ClipVitB32 => clip::SIDE,
        _ => iresnet::SIDE,
    };
    let (mut definition, face) = Definition::new(tensors, side);
    let d = &mut definition;
    let embedding = match network {
        Network::Dinov2Vits14 => dinov2::embedding(d, face),
        Network::ClipVitB32 => clip::embedding(d, face),
        Network::Iresnet18 | Network::Iresnet34 | Network::Iresnet50 | Network::Iresnet100 | Network::Iresnet200 => {
            iresnet::embedding(d, face, network)
        }
        Network::AdafaceIr18 | Network::AdafaceIr50 | Network::AdafaceIr101 | Network::IrSe50 => {
            ir::embedding(d, face, network)
        }
        Network::Mobilefacenet => mobilefacenet::embedding(d, face),
        Network::ArcfaceVitT | Network::ArcfaceVitS | Network::ArcfaceVitB => arcface_vit::embedding(d, face, network),
        Network::InceptionResnetV1 | Network::Onnx | Network::Given => {
            unreachable!("{network:?} has a plan of its own")
        }
    };
    definition.finish(embedding)
}

/// Keys of a network's published checkpoints that the embedding does not need; `*` matches anything.
#[must_use]
pub fn unused_keys(spec: &ModelSpec) -> &'static [&'static str] {
    match spec.network {
        Network::InceptionResnetV1 => inception_resnet_v1::UNUSED_KEYS,
        Network::Dinov2Vits14 => dinov2::UNUSED_KEYS,
        Network::ClipVitB32 => clip::UNUSED_KEYS,
        Network::Iresnet18 | Network::Iresnet34 | Network::Iresnet50 | Network::Iresnet100 | Network::Iresnet200 => {
            iresnet::UNUSED_KEYS
        }
        Network::AdafaceIr18 | Network::AdafaceIr50 | Network::AdafaceIr101 | Network::IrSe50 => ir::UNUSED_KEYS,
        Network::Mobilefacenet => mobilefacenet::UNUSED_KEYS,
        Network::ArcfaceVitT | Network::ArcfaceVitS | Network::ArcfaceVitB => arcface_vit::UNUSED_KEYS,
        Network::Onnx | Network::Given => &[],
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
            // tests/fixtures/model/arcface.py.
            (Network::Mobilefacenet, 2_059_520),
            (Network::AdafaceIr18, 24_020_352),
            (Network::IrSe50, 43_797_696),
            (Network::ArcfaceVitT, 19_137_536),
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

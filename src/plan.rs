//! What a run computes, as data: everything that can change a number and nothing else. The digest of its canonical JSON
//! names the run, so the same plan maps to the same directory, and a changed input to another one.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::ExperimentConfig;
use crate::detect::DetectorPlan;
use crate::digest::Digest;
use crate::identification::IdentificationProtocol;
use crate::model::{DeviceKind, EmbedderInfo, ModelSpec, Precision};
use crate::numbers::as_json;
use crate::preprocess::Preprocess;
use crate::protocol::Protocol;
use crate::sample;
use crate::similarity::SimilarityOptions;
use crate::templates::TemplateProtocol;

/// Version of the code between a picture's bytes and its embedding, and between embeddings and metrics. Increase it
/// with every change that can change a number, so that runs of the older code stay separate.
pub(crate) const EMBEDDING_CODE_VERSION: u32 = 3;

/// Everything that can change a number of a run: `plan.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RunPlan {
    /// The config's name: the run's name without its digest.
    name: String,
    /// Version of the code between pictures and metrics: it changes with every change that can change a number.
    code: u32,
    /// The config's seed.
    seed: u64,
    /// The faces.
    dataset: PlannedDataset,
    /// From pictures to network input, every default filled in; absent where the embeddings are given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preprocess: Option<Preprocess>,
    /// The network.
    model: PlannedModel,
    /// Which pairs are compared and how uncertainty is estimated.
    similarity: SimilarityOptions,
    /// Verification protocols over lists of pairs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    protocols: Vec<Protocol>,
    /// Template protocols.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    templates: Vec<TemplateProtocol>,
    /// Identification protocols.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    identification: Vec<IdentificationProtocol>,
}

/// The faces, by content rather than by location.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PlannedDataset {
    /// Digest over the manifest.
    manifest: Digest,
    /// Rows of the manifest.
    faces: u64,
    /// What found the faces in the dataset's photos.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detect: Option<DetectorPlan>,
}

/// The network as it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
struct PlannedModel {
    #[serde(flatten)]
    spec: ModelSpec,
    /// Digest of the file of weights, or of the matrix of given embeddings.
    weights: Digest,
    /// The network's implementation.
    embedder: String,
    /// The device.
    device: DeviceKind,
    /// The precision of the arithmetic.
    precision: Precision,
    /// For int8: the faces its ranges come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calibration: Option<String>,
}

/// Name of a run directory: `<config name>-<12 hex characters>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RunId(String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RunPlan {
    /// The plan of a config with this manifest, checkpoint and embedder.
    pub fn new(
        config: &ExperimentConfig,
        manifest: Digest,
        faces: u64,
        detect: Option<DetectorPlan>,
        weights: Digest,
        embedder: &EmbedderInfo,
    ) -> Self {
        Self {
            name: config.name.clone(),
            code: EMBEDDING_CODE_VERSION,
            seed: config.seed,
            dataset: PlannedDataset { manifest, faces, detect },
            preprocess: (!config.is_given()).then(|| config.preprocess.clone()),
            model: PlannedModel {
                spec: config.model.clone(),
                weights,
                embedder: embedder.name.clone(),
                device: embedder.device,
                precision: embedder.precision,
                calibration: (embedder.precision == Precision::Int8).then(|| sample::RULE.into()),
            },
            similarity: config.similarity.clone(),
            protocols: config.protocols.clone(),
            templates: config.templates.clone(),
            identification: config.identification.clone(),
        }
    }

    /// The plan of what this program makes of the config with the same faces.
    pub fn with(&self, config: &ExperimentConfig, weights: Digest, embedder: &EmbedderInfo) -> Self {
        let PlannedDataset { manifest, faces, detect } = self.dataset.clone();
        Self::new(config, manifest, faces, detect, weights, embedder)
    }

    pub fn run_id(&self) -> RunId {
        RunId(format!("{}-{}", self.name, Digest::of(self.canonical_json().as_bytes()).short(12)))
    }

    /// The digested form, stored as `plan.json`: indented JSON with sorted keys and a final newline.
    pub fn canonical_json(&self) -> String {
        canonical(self)
    }

    /// Digest of everything that can change an embedding. Runs that share it have the same embeddings, regardless of
    /// name and evaluation.
    pub fn embedding_digest(&self) -> Digest {
        Digest::of(canonical(&(self.code, &self.dataset, self.pixels(), &self.model)).as_bytes())
    }

    /// Digest of everything that can change the embedding of one face: all of [`Self::embedding_digest`] but the faces.
    /// For int8, the ranges of the layers count as well: they come from all faces.
    pub fn row_digest(&self) -> Digest {
        Digest::of(canonical(&(self.code, self.pixels(), &self.model)).as_bytes())
    }

    /// From pictures to network input. The name of a profile changes no pixel.
    fn pixels(&self) -> Option<Preprocess> {
        self.preprocess.clone().map(|preprocess| Preprocess { profile: String::new(), ..preprocess })
    }

    /// Whether both have the same seed and similarity options.
    pub fn evaluates_as(&self, other: &Self) -> bool {
        self.seed == other.seed && self.similarity == other.similarity
    }

    /// Digest of the manifest that the plan was made for.
    pub fn manifest_digest(&self) -> Digest {
        self.dataset.manifest
    }

    /// Rows of that manifest.
    pub fn faces(&self) -> u64 {
        self.dataset.faces
    }

    /// Arithmetic of the forward pass.
    pub fn precision(&self) -> Precision {
        self.model.precision
    }

    /// Where the network runs.
    pub fn device(&self) -> DeviceKind {
        self.model.device
    }

    /// Whether a network matches the plan, as far as can be told without running it.
    pub fn is_computed_by(&self, network: &EmbedderInfo) -> bool {
        let PlannedModel { embedder, device, precision, .. } = &self.model;
        (embedder, *device, *precision) == (&network.name, network.device, network.precision)
    }

    /// [`EMBEDDING_CODE_VERSION`] of the program that planned it.
    pub fn code(&self) -> u32 {
        self.code
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Indented JSON with sorted keys and a final newline.
fn canonical(value: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(&sorted(as_json(value))).unwrap_or_default();
    text.push('\n');
    text
}

/// The same value with the keys of every object sorted.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

/// Flattens a value into rows: dotted keys, list items by index from 0, texts verbatim, absent values as `none`.
pub(crate) fn flatten(value: &Value) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    flatten_into(value, "", &mut rows);
    rows
}

/// The value of a key among the rows of [`flatten`].
pub(crate) fn value<'a>(rows: &'a [(String, String)], key: &str) -> Option<&'a str> {
    rows.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
}

fn flatten_into(value: &Value, key: &str, rows: &mut Vec<(String, String)>) {
    let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
    match value {
        Value::Object(entries) if !entries.is_empty() => {
            entries.iter().for_each(|(name, value)| flatten_into(value, &below(name), rows));
        }
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(i, item)| flatten_into(item, &below(&i.to_string()), rows));
        }
        Value::Object(_) | Value::Array(_) | Value::Null => rows.push((key.to_owned(), "none".into())),
        Value::String(text) => rows.push((key.to_owned(), text.clone())),
        scalar => rows.push((key.to_owned(), scalar.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::config;

    const CONFIG: &str = "
name: small
dataset: {source: synthetic, identities: 3, samples: 2}
weights: {source: embedded, name: demo}
";

    fn config(overrides: &[&str]) -> ExperimentConfig {
        let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
        let here = std::path::Path::new("/work");
        config::load_stored(CONFIG.as_bytes(), &here.join("c.yaml"), &overrides, here).unwrap().config
    }

    fn embedder() -> EmbedderInfo {
        EmbedderInfo {
            name: "inception-resnet-v1 (candle)".into(),
            device: DeviceKind::Cpu,
            device_name: "CPU (avx2, 2 threads)".into(),
            precision: Precision::F32,
        }
    }

    fn plan(overrides: &[&str]) -> RunPlan {
        RunPlan::new(&config(overrides), Digest::of(b"manifest"), 6, None, Digest::of(b"weights"), &embedder())
    }

    fn id(overrides: &[&str]) -> String {
        plan(overrides).run_id().to_string()
    }

    #[test]
    fn a_run_id_is_the_name_and_twelve_hex_characters() {
        let id = id(&[]);
        let (name, hex) = id.rsplit_once('-').unwrap();
        assert_eq!(name, "small");
        assert!(hex.len() == 12 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{hex}");
    }

    #[test]
    fn what_can_change_a_number_changes_the_run() {
        let mut ids = vec![id(&[])];
        for set in [
            "name=other",
            "seed=1",
            "preprocess.profile=facenet-tf",
            "preprocess.resize.size=96",
            "preprocess.resize.filter=opencv-linear",
            "preprocess.crop={mode: whole}",
            "preprocess.channels=bgr",
            "preprocess.standardise.mean=127",
            "preprocess.mirror=sum",
            "model.width=0.5",
            "similarity.pairs=sampled",
            "similarity.max_pairs=100",
            "similarity.upstream={}",
            "similarity.replicates=50",
            "similarity.confidence=0.9",
            "similarity.hardest=5",
            "protocols=[{name: a}]",
            "protocols=[{name: a, distance: arccos}]",
            "protocols=[{name: a, kind: identification}]",
            "protocols=[{name: a, kind: identification, gallery: {first: 2}}]",
        ] {
            ids.push(id(&[set]));
        }
        let plan = |manifest: &[u8], faces, weights: &[u8], embedder: &EmbedderInfo| {
            RunPlan::new(&config(&[]), Digest::of(manifest), faces, None, Digest::of(weights), embedder)
                .run_id()
                .to_string()
        };
        ids.push(plan(b"other", 6, b"weights", &embedder()));
        ids.push(plan(b"manifest", 7, b"weights", &embedder()));
        ids.push(plan(b"manifest", 6, b"other", &embedder()));
        ids.push(plan(b"manifest", 6, b"weights", &EmbedderInfo { name: "fused".into(), ..embedder() }));
        ids.push(plan(b"manifest", 6, b"weights", &EmbedderInfo { device: DeviceKind::Cuda, ..embedder() }));
        for precision in [Precision::Tf32, Precision::F16, Precision::Bf16, Precision::Int8] {
            ids.push(plan(b"manifest", 6, b"weights", &EmbedderInfo { precision, ..embedder() }));
        }
        let older = RunPlan { code: EMBEDDING_CODE_VERSION - 1, ..self::plan(&[]) };
        ids.push(older.run_id().to_string());
        let count = ids.len();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), count);
    }

    #[test]
    fn what_cannot_change_a_number_does_not_change_the_run() {
        for set in [
            "embed.batch_size=7",
            "embed.batch_size=auto",
            "embed.chunk_size=7",
            "embed.part_rows=64",
            "embed.threads=2",
            "embed.picture_memory=512",
            "embed.kernels=candle",
            "embed.on_error=fail",
            "embed.max_failures=3",
            "embed.device=cpu",
            "similarity.device=cuda",
            "description=other",
            "report.pictures=true",
            "expect={eer: {max: 0.1}}",
            // Manifest and checkpoint identify what was read; these only locate it.
            "dataset={source: folders, root: elsewhere}",
            "weights={source: file, path: elsewhere.pth}",
            // A profile's own values, spelled out.
            "preprocess.resize.size=160",
        ] {
            assert_eq!(id(&[set]), id(&[]), "{set}");
        }
        let elsewhere = EmbedderInfo { device_name: "CPU (64 threads)".into(), ..embedder() };
        let moved = RunPlan::new(&config(&[]), Digest::of(b"manifest"), 6, None, Digest::of(b"weights"), &elsewhere);
        assert_eq!(moved.run_id(), plan(&[]).run_id());
    }

    #[test]
    fn only_what_can_change_an_embedding_changes_its_digest() {
        let digest = |overrides: &[&str]| plan(overrides).embedding_digest();
        for set in ["name=other", "seed=1", "similarity.pairs=sampled", "similarity.replicates=50", "expect={}"] {
            assert_eq!(digest(&[set]), digest(&[]), "{set}");
        }
        // Another profile with the same parts.
        let parts = [
            "preprocess.crop={mode: whole}",
            "preprocess.resize.filter=pillow-bicubic",
            "preprocess.standardise.scale=127.5",
        ];
        assert_ne!(plan(&parts).run_id(), plan(&["preprocess.profile=facevault-api"]).run_id());
        assert_eq!(digest(&parts), digest(&["preprocess.profile=facevault-api"]));
        let mut digests = vec![digest(&[])];
        for set in [
            "preprocess.profile=facenet-tf",
            "preprocess.resize.filter=opencv-linear",
            "preprocess.resize.size=96",
            "preprocess.crop={mode: whole}",
            "preprocess.channels=bgr",
            "preprocess.standardise.mean=127",
            "preprocess.standardise.scale=127.5",
            "preprocess.mirror=sum",
            "model.width=0.5",
        ] {
            digests.push(digest(&[set]));
        }
        let planned = |manifest: &[u8], weights: &[u8], embedder: &EmbedderInfo| {
            RunPlan::new(&config(&[]), Digest::of(manifest), 6, None, Digest::of(weights), embedder)
        };
        let with = |manifest: &[u8], weights: &[u8], embedder: &EmbedderInfo| {
            planned(manifest, weights, embedder).embedding_digest()
        };
        // A face is embedded as it is, whatever the others are.
        assert_eq!(planned(b"other", b"weights", &embedder()).row_digest(), plan(&[]).row_digest());
        digests.push(with(b"other", b"weights", &embedder()));
        digests.push(with(b"manifest", b"other", &embedder()));
        digests.push(with(b"manifest", b"weights", &EmbedderInfo { name: "fused".into(), ..embedder() }));
        digests.push(with(b"manifest", b"weights", &EmbedderInfo { device: DeviceKind::Cuda, ..embedder() }));
        digests.push(with(b"manifest", b"weights", &EmbedderInfo { precision: Precision::Int8, ..embedder() }));
        digests.push(RunPlan { code: EMBEDDING_CODE_VERSION - 1, ..plan(&[]) }.embedding_digest());
        let rows = |overrides: &[&str]| plan(overrides).row_digest();
        for set in ["preprocess.resize.size=96", "preprocess.mirror=sum", "model.width=0.5"] {
            assert_ne!(rows(&[set]), rows(&[]), "{set}");
        }
        for (weights, embedder) in [
            (&b"other"[..], embedder()),
            (b"weights", EmbedderInfo { name: "fused".into(), ..embedder() }),
            (b"weights", EmbedderInfo { precision: Precision::Bf16, ..embedder() }),
        ] {
            assert_ne!(planned(b"manifest", weights, &embedder).row_digest(), rows(&[]));
        }
        assert_ne!(RunPlan { code: EMBEDDING_CODE_VERSION - 1, ..plan(&[]) }.row_digest(), rows(&[]));
        let count = digests.len();
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), count);
    }

    #[test]
    fn the_canonical_form_is_fixed() {
        let digest = plan(&[]).run_id().to_string();
        insta::assert_snapshot!(digest, @"small-036a112200e8");
        insta::assert_snapshot!(plan(&[]).canonical_json(), @r#"
{
  "code": 3,
  "dataset": {
    "faces": 6,
    "manifest": "05b3abf2579a5eb66403cd78be557fd860633a1fe2103c7642030defe32c657f"
  },
  "model": {
    "device": "cpu",
    "embedder": "inception-resnet-v1 (candle)",
    "network": "inception-resnet-v1",
    "precision": "f32",
    "weights": "9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c",
    "width": 1.0
  },
  "name": "small",
  "preprocess": {
    "channels": "rgb",
    "crop": {
      "margin": 14.0,
      "mode": "box",
      "unit": "output-pixels"
    },
    "mirror": "none",
    "profile": "facenet-pytorch",
    "resize": {
      "filter": "pillow-bilinear",
      "size": 160
    },
    "standardise": {
      "mean": 127.5,
      "scale": 128.0
    }
  },
  "seed": 0,
  "similarity": {
    "confidence": 0.95,
    "hardest": 50,
    "max_pairs": null,
    "pairs": "auto",
    "replicates": 1000,
    "upstream": null
  }
}
"#);
    }

    #[test]
    fn only_int8_names_the_sample_of_its_ranges() {
        let of = |precision| {
            let embedder = EmbedderInfo { precision, ..embedder() };
            let plan = RunPlan::new(&config(&[]), Digest::of(b"manifest"), 6, None, Digest::of(b"weights"), &embedder);
            let text = plan.canonical_json();
            assert_eq!(serde_json::from_str::<RunPlan>(&text).unwrap(), plan);
            let value: Value = serde_json::from_str(&text).unwrap();
            value["model"].get("calibration").cloned()
        };
        assert_eq!([Precision::F32, Precision::Bf16].map(of), [None, None]);
        assert_eq!(of(Precision::Int8), Some("256 faces in evenly spaced blocks of 8".into()));
    }

    #[test]
    fn flatten_gives_dotted_keys() {
        let rows = flatten(&json!({"a": {"b": 1, "c": [true, {"d": "x y"}]}, "e": null, "f": [], "g": 0.5}));
        let rows: Vec<_> = rows.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(rows, ["a.b=1", "a.c.0=true", "a.c.1.d=x y", "e=none", "f=none", "g=0.5"]);
    }

    proptest! {
        #[test]
        fn a_plan_read_again_has_the_same_bytes_and_the_same_run_id(
            seed in any::<u64>(),
            width in 0.0625..4.0f64,
            confidence in 0.5..0.9999f64,
            mean in -1e6..1e6f32,
            scale in 1e-6..1e6f32,
            margin in 0.0..10_000.0f64,
        ) {
            let plan = plan(&[
                &format!("seed={seed}"),
                &format!("model.width={width}"),
                &format!("similarity.confidence={confidence}"),
                &format!("preprocess.standardise={{mean: {mean}, scale: {scale}}}"),
                &format!("preprocess.crop={{mode: box, unit: original-pixels, margin: {margin}}}"),
            ]);
            let text = plan.canonical_json();
            let again: RunPlan = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(again.canonical_json(), text);
            prop_assert_eq!(again.run_id(), plan.run_id());
            prop_assert_eq!(again, plan);
        }
    }
}

//! `fetch CONFIG`: downloads weights and data, and nothing else.

use schemars::JsonSchema;
use serde::Serialize;

use super::shared::{config_for, interrupted};
use super::{options_to_repeat, print, with_context};
use crate::cli::ConfigArgs;
use crate::digest::Digest;
use crate::error::{CommandOutcome, Error};
use crate::model::weights::{Origin, Weights};
use crate::text::counted;
use crate::weights::{GraphFacts, Pin};

/// What `fetch --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FetchOutput {
    /// The weights, or the matrix of given embeddings.
    weights: FetchedWeights,
    /// The faces or photos.
    dataset: FetchedDataset,
}

/// Weights that are on this machine now.
#[derive(Debug, Serialize, JsonSchema)]
struct FetchedWeights {
    /// Digest of the file.
    sha256: Digest,
    /// Source, location, revision, size.
    origin: Origin,
    /// What pins the file; null for a matrix of given embeddings.
    pinned_by: Option<Pin>,
    /// Tensors of a checkpoint; null for an ONNX file.
    tensors: Option<usize>,
    /// What is in an ONNX file; null for a checkpoint.
    network: Option<GraphFacts>,
}

/// A dataset that is on this machine now.
#[derive(Debug, Serialize, JsonSchema)]
struct FetchedDataset {
    /// Its faces; absent if the config detects faces in photos.
    #[serde(skip_serializing_if = "Option::is_none")]
    faces: Option<usize>,
    /// Its photos, if the config detects faces in them; absent from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    photos: Option<usize>,
    /// Its identities.
    identities: usize,
    /// Digest over the manifest.
    manifest: Digest,
}

pub(super) fn run(arguments: &ConfigArgs) -> Result<CommandOutcome, Error> {
    let config = config_for("fetch", &arguments.config, &arguments.overrides, &arguments.common)?.config;
    let options = options_to_repeat(&arguments.common, &arguments.overrides);
    let again = format!("to resume: facevault fetch {}{options}", arguments.config.display());
    with_context(&arguments.common, &again, |context| {
        let (checkpoint, manifest) = match context.fetch(&config) {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            other => other?,
        };
        let unpinned = config.weights.pin().caution("the weights", "weights", Some(checkpoint.digest));
        let tensors = match &checkpoint.weights {
            Weights::Tensors(tensors) => Some(tensors.len()),
            Weights::Onnx(_) => None,
        };
        let network = GraphFacts::of(&checkpoint.weights);
        let pictures = if config.detect.is_some() { "photos" } else { "faces" };
        let value = FetchOutput {
            weights: FetchedWeights {
                sha256: checkpoint.digest,
                origin: checkpoint.origin.clone(),
                pinned_by: (!config.is_given()).then(|| config.weights.pin()),
                tensors,
                network: network.clone(),
            },
            dataset: FetchedDataset {
                faces: config.detect.is_none().then_some(manifest.len()),
                photos: config.detect.is_some().then_some(manifest.len()),
                identities: manifest.identities().len(),
                manifest: manifest.digest(),
            },
        };
        print(&arguments.common, &value, || {
            let fetched = format!(
                "{}  {}, {} bytes, sha256 {}\ndataset  {}, {}, manifest {}",
                if config.is_given() { "matrix " } else { "weights" },
                checkpoint.origin.location,
                checkpoint.origin.bytes,
                checkpoint.digest,
                counted(manifest.len(), pictures.trim_end_matches('s')),
                counted(manifest.identities().len(), "identity"),
                manifest.digest()
            );
            let network = network.as_ref().map(|network| format!("network  {network}"));
            [Some(fetched), network, unpinned].into_iter().flatten().collect::<Vec<_>>().join("\n")
        })?;
        Ok(CommandOutcome::Done)
    })
}

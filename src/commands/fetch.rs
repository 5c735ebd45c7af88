//! `fetch CONFIG`: downloads weights and data, and nothing else.

use serde_json::json;

use super::shared::interrupted;
use super::{options_to_repeat, print, with_context};
use crate::cli::ConfigArgs;
use crate::config;
use crate::error::{CommandOutcome, Error};
use crate::model::weights::Weights;
use crate::text::counted;
use crate::weights::GraphFacts;

pub(super) fn run(arguments: &ConfigArgs) -> Result<CommandOutcome, Error> {
    let config = config::load(&arguments.config, &arguments.overrides)?.config;
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
        let value = json!({
            "weights": {
                "sha256": checkpoint.digest,
                "origin": checkpoint.origin,
                "pinned_by": (!config.is_given()).then(|| config.weights.pin()),
                "tensors": tensors,
                "network": network,
            },
            "dataset": {pictures: manifest.len(), "identities": manifest.identities().len(), "manifest": manifest.digest()},
        });
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

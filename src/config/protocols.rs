//! The rules of `protocols` and `published` that relate several values.

use std::collections::BTreeSet;

use super::diagnostics::{Diagnostic, quoted};
use super::protocol_entry::ProtocolEntry;
use super::types::Published;
use super::validate::{Context, KnownMetrics, PathKind};
use crate::dataset::DatasetSource;
use crate::metrics;
use crate::protocol::{PairsSource, Protocol, Split};
use crate::templates::TemplateProtocol;

/// More thresholds than these would only cost time: at most they are a millionth of the range apart.
const MOST_THRESHOLDS: f64 = 1e6;

/// Names that are the first part of a metric path already.
const TAKEN: [&str; 4] = ["genuine", "impostor", "upstream", "faces"];

/// The protocols of a config, by kind.
#[derive(Debug, Default)]
pub(super) struct Protocols {
    pub pairs: Vec<Protocol>,
    pub templates: Vec<TemplateProtocol>,
}

/// Validates the protocols and resolves their paths.
pub(super) fn protocols(
    wire: Vec<ProtocolEntry>,
    dataset: &DatasetSource,
    context: &Context<'_>,
) -> Result<Protocols, Diagnostic> {
    let mut names = BTreeSet::new();
    let mut protocols = Protocols::default();
    for (index, entry) in wire.into_iter().enumerate() {
        let index = index.to_string();
        let at = |key| ["protocols", index.as_str(), key];
        let name = match &entry {
            ProtocolEntry::Pairs(written) => &written.name,
            ProtocolEntry::Templates(protocol) => &protocol.name,
        };
        if TAKEN.contains(&name.as_str()) {
            let rule = format!("`{name}` is already the first part of other metrics' paths");
            return Err(context.problem(&at("name"), rule).help(format!("for example `{name}-pairs`")));
        }
        if !names.insert(name.clone()) {
            return Err(context.problem(&at("name"), format!("two protocols are called `{name}`")));
        }
        let written = match entry {
            ProtocolEntry::Pairs(written) => written,
            ProtocolEntry::Templates(protocol) => {
                if !matches!(dataset, DatasetSource::Ijb { .. }) {
                    let rule = "`kind: templates` needs a dataset with templates, and this one has none";
                    let help = "set `dataset: {source: ijb, …}`, or remove the protocol";
                    return Err(context.problem(&at("kind"), rule).help(help));
                }
                protocols.templates.push(protocol);
                continue;
            }
        };
        let has_folds = written.folds.is_some();
        let mut protocol = written.into_protocol();
        if has_folds && protocol.split == Split::TrainTest {
            let rule = "`folds` cuts the list into blocks, which `split: train-test` does not use";
            return Err(context.problem(&at("folds"), rule).help("remove one of the two"));
        }
        if let PairsSource::Files { paths } = &mut protocol.pairs {
            for (place, path) in paths.iter_mut().enumerate() {
                let key = ["protocols", index.as_str(), "pairs", &place.to_string()];
                *path = context.path(&key, path, PathKind::File)?;
            }
        }
        let range = protocol.thresholds.to - protocol.thresholds.from;
        let within = |key, part| ["protocols", index.as_str(), key, part];
        if range <= 0.0 {
            return Err(context.problem(&within("thresholds", "to"), "`to` must be above `from`"));
        }
        let finest = range / MOST_THRESHOLDS;
        context.within(&within("thresholds", "step"), protocol.thresholds.step, finest, range)?;
        context.within(&within("far", "step"), protocol.far.step, finest, range)?;
        protocols.pairs.push(protocol);
    }
    Ok(protocols)
}

/// Validates the published values.
pub(super) fn published(
    published: &[Published],
    known: &KnownMetrics<'_>,
    context: &Context<'_>,
) -> Result<(), Diagnostic> {
    for (index, Published { metric, value, .. }) in published.iter().enumerate() {
        let index = index.to_string();
        let at = |key| ["published", index.as_str(), key];
        if let Some((rule, near, help)) = known.missing(metric) {
            return Err(context.problem(&at("metric"), rule).maybe_help(near).help(help));
        }
        if metrics::is_rate(metric) && !(0.0..=1.0).contains(value) {
            let rule = format!("{} is a rate from 0 to 1, got {value}", quoted(metric));
            return Err(context.problem(&at("value"), rule).help("99.65% is written 0.9965"));
        }
    }
    Ok(())
}

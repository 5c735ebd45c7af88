//! The rules of `protocols` and `published` that relate several values.

use std::collections::BTreeSet;

use super::diagnostics::{Diagnostic, quoted};
use super::types::Published;
use super::validate::{Context, KnownMetrics, PathKind, at_key};
use super::wire;
use crate::dataset::DatasetSource;
use crate::identification::{IdentificationProtocol, Roles, WrittenIdentification};
use crate::metrics;
use crate::protocol::{PairsSource, Protocol, Split, WrittenProtocol};
use crate::templates::TemplateProtocol;

/// More thresholds than these would only cost time: at most they are a millionth of the range apart.
const MOST_THRESHOLDS: f64 = 1e6;

/// Names that are the first part of a metric path already.
const TAKEN: [&str; 4] = ["genuine", "impostor", "upstream", "faces"];

/// The protocols of a config, by kind.
#[derive(Debug, Default)]
pub(super) struct Protocols {
    pub pairs: Vec<Protocol>,
    pub identification: Vec<IdentificationProtocol>,
    pub templates: Vec<TemplateProtocol>,
}

/// Validates the protocols and resolves their paths.
pub(super) fn protocols(
    wire: Vec<wire::Protocol>,
    dataset: &DatasetSource,
    context: &Context<'_>,
) -> Result<Protocols, Diagnostic> {
    let (mut names, mut groups) = (BTreeSet::new(), Vec::new());
    let mut found = Protocols::default();
    for (index, wire) in wire.into_iter().enumerate() {
        let index = index.to_string();
        let (wire::Protocol::Pairs(WrittenProtocol { name, .. })
        | wire::Protocol::Identification(WrittenIdentification { name, .. })
        | wire::Protocol::Templates(TemplateProtocol { name, .. })) = &wire;
        let at = ["protocols", index.as_str(), "name"];
        if TAKEN.contains(&name.as_str()) {
            let rule = format!("`{name}` is already the first part of other metrics' paths");
            return Err(context.problem(&at, rule).help(format!("for example `{name}-pairs`")));
        }
        if !names.insert(name.clone()) {
            return Err(context.problem(&at, format!("two protocols are called `{name}`")));
        }
        match wire {
            wire::Protocol::Pairs(written) => {
                groups.extend(written.group.clone().map(|group| (index.clone(), group)));
                found.pairs.push(pairs(written, &index, context)?);
            }
            wire::Protocol::Identification(written) => {
                found.identification.push(identification(written, &index, context)?);
            }
            wire::Protocol::Templates(protocol) => {
                if !matches!(dataset, DatasetSource::Ijb { .. }) {
                    let rule = "`kind: templates` needs a dataset with templates, and this one has none";
                    let help = "set `dataset: {source: ijb, …}`, or remove the protocol";
                    return Err(context.problem(&["protocols", &index, "kind"], rule).help(help));
                }
                found.templates.push(protocol);
            }
        }
    }
    named_apart(&groups, &names, context)?;
    Ok(found)
}

/// A group has several protocols, and a name of its own. `groups` are its names by the place of the protocol.
fn named_apart(groups: &[(String, String)], names: &BTreeSet<String>, context: &Context<'_>) -> Result<(), Diagnostic> {
    for (index, group) in groups {
        let wrong =
            |rule: String, help: String| Err(context.problem(&["protocols", index.as_str(), "group"], rule).help(help));
        if TAKEN.contains(&group.as_str()) {
            let rule = format!("`{group}` is already the first part of other metrics' paths");
            return wrong(rule, format!("for example `{group}-pairs`"));
        }
        if names.contains(group) {
            return wrong(format!("a protocol is called `{group}`, too"), "take another name for the group".into());
        }
        if groups.iter().filter(|(_, other)| other == group).count() == 1 {
            let help = "name the group in other protocols, too, or remove it".into();
            return wrong(format!("the group `{group}` has a single protocol"), help);
        }
    }
    Ok(())
}

fn pairs(wire: WrittenProtocol, index: &str, context: &Context<'_>) -> Result<Protocol, Diagnostic> {
    let has_folds = wire.folds.is_some();
    let mut protocol = wire.into_protocol();
    if has_folds && protocol.split == Split::TrainTest {
        let rule = "`folds` cuts the list into blocks, which `split: train-test` does not use";
        return Err(context.problem(&["protocols", index, "folds"], rule).help("remove one of the two"));
    }
    if let PairsSource::Files { paths } = &mut protocol.pairs {
        for (place, path) in paths.iter_mut().enumerate() {
            let key = ["protocols", index, "pairs", &place.to_string()];
            *path = context.place(&key, path, PathKind::File)?;
        }
    }
    let range = protocol.thresholds.to - protocol.thresholds.from;
    let within = |key, part| ["protocols", index, key, part];
    if range <= 0.0 {
        return Err(context.problem(&within("thresholds", "to"), "`to` must be above `from`"));
    }
    let finest = range / MOST_THRESHOLDS;
    context.within(&within("thresholds", "step"), protocol.thresholds.step, finest, range)?;
    context.within(&within("far", "step"), protocol.far.step, finest, range)?;
    Ok(protocol)
}

fn identification(
    wire: WrittenIdentification,
    index: &str,
    context: &Context<'_>,
) -> Result<IdentificationProtocol, Diagnostic> {
    let at = |key| ["protocols", index, key];
    let gallery = wire.gallery.as_ref();
    let (first, folders) =
        (gallery.is_some_and(|of| of.first.is_some()), gallery.is_some_and(|of| of.folders.is_some()));
    if gallery.is_some() && first == folders {
        let rule = "`gallery` takes either `first` or `folders`";
        return Err(context.problem(&at("gallery"), rule).help("for example `gallery: {first: 1}`"));
    }
    let (probes, roles) = (wire.probes.is_some(), wire.roles.is_some());
    let both = [
        (
            roles && gallery.is_some(),
            "gallery",
            "the table of `roles` says which faces are the gallery",
            "remove `gallery` or `roles`",
        ),
        (roles && probes, "probes", "the table of `roles` says which faces are probes", "remove `probes` or `roles`"),
        (
            wire.unknown_share.is_some() && (folders || roles),
            "unknown_share",
            "`unknown_share` chooses among the identities that `gallery: {first: …}` gives a gallery",
            "remove it: whoever has no gallery here is unknown",
        ),
        (
            roles && wire.distractors.is_some(),
            "distractors",
            "the table of `roles` says which faces are distractors",
            "remove `distractors` or `roles`; the role is `distractor`",
        ),
        (
            probes && !folders && !roles,
            "probes",
            "`gallery: {first: …}` makes probes of all other faces",
            "remove `probes`, or name the folders of the gallery: `gallery: {folders: […]}`",
        ),
    ];
    if let Some((_, key, rule, help)) = both.into_iter().find(|(wrong, ..)| *wrong) {
        return Err(at_key(context, &at(key), rule.into()).help(help));
    }
    let mut protocol = wire.into_protocol();
    match &mut protocol.roles {
        Roles::Table { path } => *path = context.place(&at("roles"), path, PathKind::File)?,
        Roles::Folders { gallery, probes } => {
            if let Some(twice) =
                protocol.distractors.iter().find(|folder| gallery.contains(folder) || probes.contains(folder))
            {
                let rule = format!("the faces in the folder {} are distractors and have another role", quoted(twice));
                return Err(context
                    .problem(&["protocols", index, "distractors", "folders"], rule)
                    .help("name it in one of them"));
            }
            if let Some(twice) = gallery.iter().find(|folder| probes.contains(folder)) {
                let rule = format!("the folder {} is of the gallery and of the probes", quoted(twice));
                return Err(context
                    .problem(&["protocols", index, "probes", "folders"], rule)
                    .help("name it in one of them"));
            }
        }
        Roles::First { .. } => {}
    }
    Ok(protocol)
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

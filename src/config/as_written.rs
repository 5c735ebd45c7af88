//! A config as a file would spell it, with every default: what `check` prints is what YAML takes.

use serde_json::{Map, Value as Json, json};

use super::overrides;
use super::types::ExperimentConfig;
use crate::dataset::{Container, DatasetSource, HubFiles};
use crate::identification::{IdentificationProtocol, Roles};
use crate::numbers::as_json;
use crate::protocol::{PairsSource, Protocol, Split};
use crate::templates::TemplateProtocol;
use crate::text;

/// The config as data. A key that is left out, and has no value that could be written, is null.
#[must_use]
pub fn as_written(config: &ExperimentConfig) -> Json {
    let mut written = as_json(config);
    written["dataset"] = dataset(&config.dataset);
    let templates = config.templates.iter().map(template_protocol);
    let searches = config.identification.iter().map(identification);
    written["protocols"] = config.protocols.iter().map(protocol).chain(templates).chain(searches).collect();
    if let Json::Object(entries) = &mut written {
        entries.remove("templates");
        entries.remove("identification");
    }
    written["similarity"]["device"] = as_json(&config.pairs_device);
    if let Some(ablation) = &config.ablation {
        for (step, written) in
            ablation.steps.iter().zip(written["ablation"]["steps"].as_array_mut().into_iter().flatten())
        {
            written["set"] = Json::Object(step.set.iter().filter_map(|text| overrides::read(text)).collect());
        }
    }
    if config.is_given()
        && let Some(entries) = written.as_object_mut()
    {
        for key in super::validate::NOT_GIVEN {
            entries.remove(key);
        }
        if let Some(embed) = entries.get_mut("embed").and_then(Json::as_object_mut) {
            for key in super::validate::NOT_GIVEN_OF_EMBED {
                embed.remove(key);
            }
        }
        return masked(written);
    }
    // Not a profile that can be asked for: the parts say it all.
    if written["preprocess"]["profile"] == "custom" {
        written["preprocess"]["profile"] = Json::Null;
    }
    masked(written)
}

/// The same with the secrets of URLs covered.
fn masked(mut written: Json) -> Json {
    mask(&mut written);
    written
}

/// Covers the secrets of URLs in all texts.
fn mask(value: &mut Json) {
    match value {
        Json::String(content) => *content = text::masked(content).into_owned(),
        Json::Array(values) => values.iter_mut().for_each(mask),
        Json::Object(entries) => entries.values_mut().for_each(mask),
        _ => {}
    }
}

fn dataset(source: &DatasetSource) -> Json {
    let written = as_json(source);
    let lifted = |key: &str, container: &Container| {
        let Json::Object(mut entries) = written.clone() else { return written.clone() };
        entries.remove(key);
        entries.extend(self::container(container));
        Json::Object(entries)
    };
    match source {
        DatasetSource::Archive { archive, .. } => lifted("archive", archive),
        DatasetSource::InsightfaceBin { file } => lifted("file", file),
        DatasetSource::Parquet { shards } => lifted("shards", shards),
        DatasetSource::Vggface2 { archive, boxes } => {
            json!({"source": written["source"], "archive": container(archive), "boxes": container(boxes)})
        }
        DatasetSource::Phase1 { .. }
        | DatasetSource::Folders { .. }
        | DatasetSource::Files { .. }
        | DatasetSource::HubFolders { .. }
        | DatasetSource::Ijb { .. }
        | DatasetSource::Webdataset { .. }
        | DatasetSource::Embeddings { .. }
        | DatasetSource::Array { .. }
        | DatasetSource::Synthetic { .. } => written,
    }
}

fn container(container: &Container) -> Map<String, Json> {
    let entries = match container {
        Container::Hub { repo, revision, files, sha256 } => {
            let (key, files) = match files {
                HubFiles::Below(folder) => ("folder", json!(folder)),
                HubFiles::Named(files) if files.len() == 1 => ("file", json!(files[0])),
                HubFiles::Named(files) => ("files", json!(files)),
            };
            let mut hub = json!({"repo": repo, "revision": revision, "sha256": sha256});
            hub[key] = files;
            json!({"hub": hub})
        }
        Container::Local { path, sha256 } => json!({"path": path, "sha256": sha256}),
    };
    if let Json::Object(entries) = entries { entries } else { Map::new() }
}

fn protocol(protocol: &Protocol) -> Json {
    let mut written = as_json(protocol);
    written["pairs"] = match &protocol.pairs {
        PairsSource::Dataset => Json::Null,
        PairsSource::Files { paths } => json!(paths),
    };
    let (split, folds) = match protocol.split {
        Split::Folds { count } => ("folds", json!(count)),
        Split::TrainTest => ("train-test", Json::Null),
    };
    written["split"] = split.into();
    written["folds"] = folds;
    written["max_left_out"] = protocol.max_left_out.into();
    written
}

fn template_protocol(protocol: &TemplateProtocol) -> Json {
    let mut written = as_json(protocol);
    written["kind"] = "templates".into();
    written["max_left_out"] = protocol.max_left_out.into();
    written
}

fn identification(protocol: &IdentificationProtocol) -> Json {
    let mut written = as_json(protocol);
    written["kind"] = "identification".into();
    written["max_left_out"] = protocol.max_left_out.into();
    written["roles"] = Json::Null;
    written["distractors"] = match &protocol.distractors[..] {
        [] => Json::Null,
        folders => json!({"folders": folders}),
    };
    match &protocol.roles {
        Roles::First { faces, unknown_share } => {
            written["gallery"] = json!({"first": faces});
            written["unknown_share"] = json!(unknown_share);
        }
        Roles::Folders { gallery, probes } => {
            written["gallery"] = json!({"folders": gallery});
            written["probes"] = if probes.is_empty() { Json::Null } else { json!({"folders": probes}) };
        }
        Roles::Table { path } => written["roles"] = json!(path),
    }
    written
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::load_stored;

    /// The same without nulls.
    fn given(value: Json) -> Json {
        match value {
            Json::Object(entries) => entries
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key, given(value)))
                .collect(),
            Json::Array(items) => items.into_iter().map(given).collect(),
            value => value,
        }
    }

    #[test]
    fn what_is_written_is_the_config_it_was_written_from() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs");
        let mut seen = 0;
        let mut check = |text: &[u8], overrides: &[&str]| {
            let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
            let path = folder.join("c.yaml");
            let config = load_stored(text, &path, &overrides, &folder).unwrap().config;
            let text = given(as_written(&config)).to_string();
            let again = load_stored(text.as_bytes(), &path, &[], &folder).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(again.config, config, "{text}");
            seen += 1;
        };
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                check(&std::fs::read(&path).unwrap(), &[]);
            }
        }
        let demo = std::fs::read(folder.join("demo.yaml")).unwrap();
        let hub = "hub: {repo: a/b, revision: main, ";
        for set in [
            "dataset={source: archive, path: faces.tar}",
            &format!("dataset={{source: archive, {hub}file: faces.tar}}, pairs: pairs.csv}}"),
            &format!("dataset={{source: insightface-bin, {hub}file: lfw.bin}}}}"),
            &format!("dataset={{source: parquet, {hub}files: [a.parquet, b.parquet]}}}}"),
            "dataset={source: vggface2, archive: {path: a.tar.gz}, boxes: {path: b.csv}}",
            "protocols=[{name: a, split: train-test, pairs: [x.txt]}, {name: b, folds: 7, max_left_out: 0.5}]",
            "protocols=[{kind: identification, name: a}, {kind: pairs, name: b}]",
            "protocols=[{kind: identification, name: a, gallery: {folders: [g/]}, probes: {folders: [p]}, fpir: [0.5]}]",
            "protocols=[{kind: identification, name: a, roles: roles.csv, gallery_rule: mean, candidates: 20}]",
            "protocols=[{kind: identification, name: a, gallery: {first: 1}, distractors: {folders: [far/]}}]",
            "protocols=[{kind: pairs, name: a, group: g}, {kind: pairs, name: b, group: g}]",
            "protocols=[{kind: identification, name: a, gallery: {first: 2}, unknown_share: 0.25, ranks: [1]}]",
            "similarity.device=cuda",
        ] {
            check(&demo, &[set]);
        }
        assert!(seen > 15, "{seen}");
    }
}

//! Sections → [`ExperimentConfig`]: the rules that relate several values or look at the disk, each with its place. Those of
//! one value are in its owner's schema ([`super::rules`]).

mod containers;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::diagnostics::{Diagnostic, Source, quoted};
use super::protocols::{self, Protocols};
use super::schema::shown;
use super::tree::Node;
use super::types::ExperimentConfig;
use super::{ablation, wire};
use crate::dataset::pattern::Pattern;
use crate::dataset::{self, DatasetSource, Phase1Image, RowTable, Tables};
use crate::detect::{Detect, DetectorFiles};
use crate::hub::{self, Unusable};
use crate::matrix;
use crate::metrics::{self, Expectation};
use crate::model::{Facts, ModelSpec, Network, UNIT_RANGE};
use crate::objects::{Address, is_address};
use crate::preprocess::{Crop, MarginUnit, Mirror, PROFILES, Preprocess, PreprocessChanges, Standardise, profile};
use crate::spelling::did_you_mean;
use crate::weights::WeightsSource;

/// What a rule needs to say where it was broken, and where relative paths start.
pub(super) struct Context<'a> {
    /// The whole config.
    pub tree: &'a Node,
    /// The file and the overrides that the tree's places point into.
    pub sources: &'a [Source],
    /// Where relative paths of the file start.
    pub base: &'a Path,
    /// Where relative paths of overrides start.
    pub working_directory: &'a Path,
    /// Whether files that are named must exist.
    pub must_exist: bool,
}

impl Context<'_> {
    /// A problem with the value under a path of keys.
    pub(super) fn problem(&self, path: &[&str], rule: impl Into<String>) -> Diagnostic {
        Diagnostic::new(rule).at_one_of(self.sources, self.tree.deepest(path).place)
    }

    /// Refuses a number under a path of keys that is not in a range made of other numbers.
    pub(super) fn within(&self, path: &[&str], value: f64, low: f64, high: f64) -> Result<(), Diagnostic> {
        if value >= low && value <= high {
            return Ok(());
        }
        let (name, low, high, value) = (path.join("."), shown(low), shown(high), shown(value));
        Err(self.problem(path, format!("`{name}` must be from {low} to {high}, got {value}")))
    }

    /// Where a relative path of the config starts.
    fn start(&self, path: &[&str]) -> &Path {
        if self.tree.deepest(path).place.source == 0 { self.base } else { self.working_directory }
    }

    /// A path of the config from where it starts; an address as it is.
    pub(super) fn resolved(&self, path: &[&str], text: &Path) -> PathBuf {
        let given = text.to_string_lossy();
        if is_address(&given) {
            return PathBuf::from(given.trim_end_matches('/'));
        }
        // The same, written as an address.
        let text = given.strip_prefix(FILE).map_or(text, Path::new);
        let joined = self.start(path).join(text);
        std::path::absolute(&joined).unwrap_or(joined)
    }

    /// A path of the config, resolved, or an address in an object store. `kind` is what must exist at a path.
    pub(super) fn place(&self, path: &[&str], text: &Path, kind: PathKind) -> Result<PathBuf, Diagnostic> {
        let given = text.to_string_lossy();
        if !is_address(&given) {
            return self.path(path, text, kind);
        }
        let refused = |rule: String| self.problem(path, format!("`{}` cannot be used: {rule}", path.join(".")));
        let address = Address::parse(&given).map_err(|error| refused(error.to_string()))?;
        if matches!(kind, PathKind::File) && address.split().is_none() {
            return Err(refused(format!("{address} is a whole bucket, expected a file in one")));
        }
        Ok(self.resolved(path, text))
    }

    /// A path of the config, resolved. `kind` is what must exist there.
    pub(super) fn path(&self, path: &[&str], text: &Path, kind: PathKind) -> Result<PathBuf, Diagnostic> {
        let name = path.join(".");
        let given = text.to_string_lossy();
        if is_address(&given) {
            let rule = format!("`{name}` must be the path of a {} on this machine, not an address", kind.word());
            return Err(self.problem(path, rule).help("copy it from the object store first"));
        }
        if given.starts_with(FILE) && !given[FILE.len()..].starts_with('/') {
            let rule = format!("`{name}`: `{FILE}` is followed by an absolute path, as in `file:///data/faces`");
            return Err(self.problem(path, rule));
        }
        if given.trim().is_empty() || given.contains('\0') {
            return Err(self.problem(path, format!("`{name}` must be the path of a {}", kind.word())));
        }
        let resolved = self.resolved(path, text);
        if !self.must_exist || kind.is_there(&resolved) {
            return Ok(resolved);
        }
        let shown = resolved.display();
        let rule = if resolved.exists() {
            format!("`{name}` must be a {}, but {shown} is not one", kind.word())
        } else {
            format!("`{name}`: no such {}: {shown}", kind.word())
        };
        let start =
            (!text.is_absolute()).then(|| format!("relative paths here start in {}", self.start(path).display()));
        let home = given.starts_with('~').then(|| "`~` is not expanded: write the full path".to_owned());
        let near = if home.is_none() { similar_entry(&resolved) } else { None };
        Err(self.problem(path, rule).maybe_help(near).maybe_help(home).maybe_help(start))
    }
}

/// Before an absolute path on this machine, written as an address.
const FILE: &str = "file://";

/// What a path must be.
#[derive(Clone, Copy)]
pub(super) enum PathKind {
    File,
    Folder,
    Either,
}

impl PathKind {
    fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Either => "file or folder",
        }
    }

    fn is_there(self, path: &Path) -> bool {
        match self {
            Self::File => path.is_file(),
            Self::Folder => path.is_dir(),
            Self::Either => path.is_file() || path.is_dir(),
        }
    }
}

/// The first part of a path that does not exist, and what exists with a similar name.
pub(super) fn similar_entry(path: &Path) -> Option<String> {
    let missing = path.ancestors().take_while(|part| !part.exists()).last()?;
    let parent = match missing.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = missing.file_name()?.to_string_lossy();
    let entries: Vec<String> = std::fs::read_dir(parent)
        .ok()?
        .take(10_000)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|entry| !entry.starts_with('.'))
        .collect();
    did_you_mean(&name, entries.iter().map(String::as_str))
        .or_else(|| (missing != path).then(|| format!("{} has no {}", parent.display(), quoted(&name))))
}

/// Validates everything.
pub(super) fn experiment(wire: wire::Experiment, context: &Context<'_>) -> Result<ExperimentConfig, Diagnostic> {
    let given = given(&wire, context)?;
    let protocols = protocols::protocols(wire.protocols, &wire.dataset, context)?;
    let known = KnownMetrics { upstream: wire.similarity.options.upstream.is_some(), protocols: &protocols };
    let (network, source) = match (given, wire.weights) {
        (Some(source), _) => (ModelSpec::of(Network::Given), source),
        (None, Some(source)) => (wire.model, weights(source, &["weights"], context)?),
        (None, None) => {
            return Err(context
                .problem(&[], "missing key `weights`")
                .help("`facevault guide config-keys` lists every key with its unit and default"));
        }
    };
    model(&network, &source, context)?;
    expect(&wire.expect, &known, context)?;
    protocols::published(&wire.published, &known, context)?;
    Ok(ExperimentConfig {
        name: wire.name,
        description: wire.description,
        seed: wire.seed,
        detect: wire.detect.map(|found| detect(found, &wire.dataset, context)).transpose()?,
        dataset: dataset(wire.dataset, context)?,
        preprocess: preprocess(&wire.preprocess, network.network, context)?,
        model: network,
        weights: source,
        embed: wire.embed,
        expect: wire.expect,
        published: wire.published,
        ablation: wire.ablation.map(|wire| ablation::validated(wire, &protocols, context)).transpose()?,
        protocols: protocols.pairs,
        templates: protocols.templates,
        identification: protocols.identification,
        similarity: wire.similarity.options,
        pairs_device: wire.similarity.device,
        report: wire.report,
        base: context.base.to_owned(),
    })
}

/// Keys of a config that say how embeddings are computed.
pub(super) const NOT_GIVEN: [&str; 4] = ["detect", "preprocess", "model", "weights"];

/// The same within `embed`.
pub(super) const NOT_GIVEN_OF_EMBED: [&str; 6] =
    ["device", "precision", "kernels", "batch_size", "threads", "picture_memory"];

/// The matrix in place of weights, if the embeddings are given. Then no key may say how they are computed.
fn given(wire: &wire::Experiment, context: &Context<'_>) -> Result<Option<WeightsSource>, Diagnostic> {
    let DatasetSource::Embeddings { matrix, sha256, .. } = &wire.dataset else {
        if wire.model.network == Network::Given {
            let rule = "`model.network: given` is for `dataset.source: embeddings`";
            return Err(context
                .problem(&["model", "network"], rule)
                .help("name the network that computes the embeddings"));
        }
        return Ok(None);
    };
    let whole = NOT_GIVEN.map(|key| vec![key]);
    let parts = NOT_GIVEN_OF_EMBED.map(|key| vec!["embed", key]);
    for path in whole.iter().chain(&parts) {
        let (name, parents) = path.split_last().unwrap_or((&"", &[]));
        if context.tree.deepest(parents).get(name).is_some() {
            let rule = format!("`{}` says how embeddings are computed, and this dataset's are given", path.join("."));
            return Err(at_key(context, path, rule).help("remove it, or choose another `dataset.source`"));
        }
    }
    let path = context.place(&["dataset", "matrix"], matrix, PathKind::File)?;
    Ok(Some(WeightsSource::Given { path, sha256: *sha256 }))
}

fn dataset(mut dataset: DatasetSource, context: &Context<'_>) -> Result<DatasetSource, Diagnostic> {
    let key = |key| ["dataset", key];
    match &mut dataset {
        DatasetSource::Phase1 { csv, root, .. } => {
            *csv = context.place(&key("csv"), csv, PathKind::File)?;
            *root = if root.as_os_str().is_empty() {
                csv.parent().map(Path::to_owned).unwrap_or_default()
            } else {
                context.place(&key("root"), root, PathKind::Folder)?
            };
        }
        DatasetSource::Folders { root, tables, .. } => {
            *root = context.place(&key("root"), root, PathKind::Folder)?;
            local_tables(tables, context)?;
        }
        DatasetSource::Files { root, pattern, list, table, file, identity, tables } => {
            let columns = [("file", file.is_some()), ("identity", identity.is_some())];
            let ways = [("pattern", pattern.is_some()), ("list", list.is_some())];
            let wrong = match table {
                None if ways.iter().all(|(_, given)| !given) => Some((
                    "source",
                    "`dataset` needs `pattern`, `list` or `table`",
                    "for example `pattern: \"{identity}/*\"`",
                )),
                None => columns.iter().find(|(_, given)| *given).map(|(key, _)| {
                    (*key, "names a column of `dataset.table`, and there is none", "add the table, or remove it")
                }),
                Some(_) => ways.iter().find(|(_, given)| *given).map(|(key, _)| {
                    (*key, "is not used: `dataset.table` says which pictures there are and whose", "remove one of them")
                }),
            };
            if let Some((at, rule, help)) = wrong {
                let rule = if at == "source" { rule.to_owned() } else { format!("`dataset.{at}` {rule}") };
                return Err(at_key(context, &key(at), rule).help(help));
            }
            if let Some(Err(rule)) = pattern.as_deref().map(Pattern::read) {
                return Err(context
                    .problem(&key("pattern"), format!("`dataset.pattern` cannot be used: {rule}"))
                    .help("for example `{identity}/*/{n}.jpg` or `{identity}_{n}.*`"));
            }
            *root = context.place(&key("root"), root, PathKind::Folder)?;
            for (name, path) in [("list", list), ("table", table)] {
                if let Some(path) = path {
                    *path = context.place(&key(name), path, PathKind::File)?;
                }
            }
            local_tables(tables, context)?;
        }
        DatasetSource::HubFolders { revision, folder, tables, .. } => {
            in_lower_case(revision);
            folder.truncate(folder.trim_end_matches('/').len());
            local_tables(tables, context)?;
        }
        DatasetSource::Archive { archive, tables } => {
            containers::validate(&["dataset"], archive, PathKind::File, context)?;
            local_tables(tables, context)?;
        }
        DatasetSource::Webdataset { shards, identity, field, tables, .. } => {
            *shards = containers::shards(&key("shards"), shards, context)?;
            if field.is_some() && identity.as_deref().is_some_and(|ending| !ending.eq_ignore_ascii_case("json")) {
                let rule = "`dataset.field` is a field of JSON, and `dataset.identity` names another kind of member";
                return Err(at_key(context, &key("field"), rule.into()).help("remove it, or set `identity: json`"));
            }
            local_tables(tables, context)?;
        }
        DatasetSource::InsightfaceBin { file } => containers::validate(&["dataset"], file, PathKind::File, context)?,
        DatasetSource::Parquet { shards } => containers::validate(&["dataset"], shards, PathKind::Either, context)?,
        DatasetSource::Vggface2 { archive, boxes } => {
            containers::validate(&key("archive"), archive, PathKind::Either, context)?;
            containers::validate(&key("boxes"), boxes, PathKind::File, context)?;
        }
        DatasetSource::Ijb { root, .. } => *root = context.path(&key("root"), root, PathKind::Folder)?,
        DatasetSource::Embeddings { matrix, table, .. } => {
            *matrix = context.place(&key("matrix"), matrix, PathKind::File)?;
            row_table(table, !matrix::is_parquet(matrix), context)?;
        }
        DatasetSource::Array { array, table } => {
            *array = context.place(&key("array"), array, PathKind::File)?;
            row_table(table, true, context)?;
        }
        DatasetSource::Synthetic { .. } => {}
    }
    Ok(dataset)
}

/// The table of an array's rows; `needed` unless the rows' own file says whose they are.
fn row_table(table: &mut RowTable, needed: bool, context: &Context<'_>) -> Result<(), Diagnostic> {
    if !table.faces.as_os_str().is_empty() {
        table.faces = context.place(&["dataset", "faces"], &table.faces, PathKind::File)?;
    } else if needed {
        let rule = "missing key `faces` in `dataset`: the CSV that says whose the rows are";
        return Err(context.problem(&["dataset"], rule).help("one line each row, in order"));
    }
    let mut tables = Tables { pairs: table.pairs.take(), boxes: None };
    local_tables(&mut tables, context)?;
    table.pairs = tables.pairs;
    Ok(())
}

/// Resolves those tables that are written as shells know local files; the others are names in the dataset's folder.
fn local_tables(tables: &mut Tables, context: &Context<'_>) -> Result<(), Diagnostic> {
    for (key, table) in [("pairs", &mut tables.pairs), ("boxes", &mut tables.boxes)] {
        if let Some(path) = table.as_mut().filter(|path| {
            ["/", "./", "../", "file://"].iter().any(|start| starts(path, start)) || dataset::is_remote(path)
        }) {
            *path = context.place(&["dataset", key], path, PathKind::File)?;
        }
    }
    Ok(())
}

/// Whether a path is written with this start (`./a` and `a` are the same components).
fn starts(path: &Path, start: &str) -> bool {
    path.to_str().is_some_and(|path| path.starts_with(start))
}

/// Digests of commits are compared as text.
fn in_lower_case(revision: &mut str) {
    if revision.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        revision.make_ascii_lowercase();
    }
}

fn model(model: &ModelSpec, weights: &WeightsSource, context: &Context<'_>) -> Result<(), Diagnostic> {
    let Facts { name, scalable, .. } = model.network.facts();
    let is_graph = model.network == Network::Onnx;
    if is_graph != weights.is_onnx() {
        let (rule, help) = if is_graph {
            ("`model.network: onnx` needs weights that are an ONNX file", "name a file that ends in `.onnx`")
        } else {
            ("an ONNX file is a network of its own", "set `model: {network: onnx}`")
        };
        return Err(at_key(context, &["weights"], rule.into()).help(help));
    }
    if model.output.is_some() && !is_graph {
        let rule = format!("`model.output` is only for `onnx`, not for `{name}`");
        return Err(at_key(context, &["model", "output"], rule).help("remove it"));
    }
    if scalable || model.width == 1.0 {
        return Ok(());
    }
    let rule = format!("`model.width` must be 1 for `{name}`, got {}", model.width);
    Err(context.problem(&["model", "width"], rule).help("only `inception-resnet-v1` has other widths"))
}

/// Why no face can be detected in a dataset, and what helps; `None` if its pictures may be photos.
pub(crate) fn without_photos(dataset: &DatasetSource) -> Option<(&'static str, &'static str)> {
    match dataset {
        _ if dataset.tables().is_some_and(|tables| tables.boxes.is_some()) => {
            Some(("`detect` finds the boxes that `dataset.boxes` gives", "remove one of them"))
        }
        DatasetSource::Phase1 { image: Phase1Image::Crop, .. } => Some((
            "`detect` needs photos, and `dataset.image` is `crop`",
            "set `dataset.image: photo`, or remove `detect`",
        )),
        DatasetSource::InsightfaceBin { .. }
        | DatasetSource::Vggface2 { .. }
        | DatasetSource::Ijb { .. }
        | DatasetSource::Embeddings { .. }
        | DatasetSource::Array { .. }
        | DatasetSource::Synthetic { .. } => {
            Some(("`detect` needs photos, and this dataset's faces are located already", "remove `detect`"))
        }
        _ => None,
    }
}

/// Whether whole photos can be had from the dataset, and the paths of the detector's weights.
fn detect(mut detect: Detect, dataset: &DatasetSource, context: &Context<'_>) -> Result<Detect, Diagnostic> {
    if let Some((rule, help)) = without_photos(dataset) {
        return Err(at_key(context, &["detect"], rule.into()).help(help));
    }
    if let Some(DetectorFiles { pnet, rnet, onet }) = detect.weights.take() {
        detect.weights = Some(DetectorFiles {
            pnet: weights(pnet, &["detect", "weights", "pnet"], context)?,
            rnet: weights(rnet, &["detect", "weights", "rnet"], context)?,
            onet: weights(onet, &["detect", "weights", "onet"], context)?,
        });
    }
    Ok(detect)
}

fn weights(mut weights: WeightsSource, at: &[&str], context: &Context<'_>) -> Result<WeightsSource, Diagnostic> {
    match &mut weights {
        WeightsSource::Hub { revision, .. } => in_lower_case(revision),
        WeightsSource::File { path, .. } => *path = context.path(&[at, &["path"]].concat(), path, PathKind::File)?,
        WeightsSource::Url { url, .. } => usable(url, at, context)?,
        WeightsSource::Given { .. } | WeightsSource::Embedded { .. } => {}
    }
    Ok(weights)
}

/// Refuses a URL that would show a password, or bytes that anybody on the way could change.
fn usable(url: &str, at: &[&str], context: &Context<'_>) -> Result<(), Diagnostic> {
    let key = [at, &["url"]].concat();
    let name = key.join(".");
    let (rule, help) = match hub::unusable(url) {
        None => return Ok(()),
        Some(Unusable::Credentials) => (
            "must not contain a user name or password: none is sent to a URL",
            "download the file yourself and use `source: file`",
        ),
        Some(Unusable::NotEncrypted) => (
            "must start with `https://`: over http, anybody on the way can change the file",
            "http is for `localhost` and `127.0.0.1` only",
        ),
    };
    Err(context.problem(&key, format!("`{name}` {rule}")).help(help))
}

fn preprocess(wire: &PreprocessChanges, network: Network, context: &Context<'_>) -> Result<Preprocess, Diagnostic> {
    if let (Network::Given, Some(any)) = (network, profile(PROFILES[0])) {
        // No picture is read; whole ones need neither box nor landmarks, and nothing says that a row has two halves.
        return Ok(Preprocess { crop: Crop::Whole, mirror: Mirror::None, ..any });
    }
    let facts = network.facts();
    // Where the config gives every part, it does not matter which profile these replace.
    let replaced = wire.is_whole().then_some(PROFILES[0]);
    let Some(name) = wire.profile.as_deref().or(facts.profile).or(replaced) else {
        let rule =
            format!("`{}` needs `preprocess.profile`: no file says how its faces are cut out and scaled", facts.name);
        return Err(at_key(context, &["model", "network"], rule)
            .help("take what the network was trained with; most recognisers of 112×112 pixels take `insightface`"));
    };
    let Some(base) = profile(name) else {
        return Err(context.problem(&["preprocess", "profile"], format!("no such profile: {}", quoted(name))));
    };
    let changed = wire.applied_to(&base);
    let size = changed.resize.size;
    fitting_side(size, wire, &facts, context)?;
    if let Crop::Box { margin, unit: MarginUnit::OutputPixels } = changed.crop
        && margin >= f64::from(size)
    {
        let rule = format!("a margin of {margin} output pixels leaves nothing of a face {size} pixels wide");
        return Err(context.problem(&["preprocess", "crop", "margin"], rule));
    }
    // What an ONNX file begins with is known once it is read.
    if network != Network::Onnx {
        fitting_standardise(&changed, &base.profile, wire, &facts, context)?;
    }
    Ok(changed)
}

/// Help with the choice of a profile.
fn profile_of(facts: &Facts) -> String {
    match facts.profile {
        Some(profile) => format!("the profile of this network is `{profile}`"),
        None => "take the profile that the network was trained with".into(),
    }
}

/// The side must be one that the network takes, whether the config or its profile names it.
fn fitting_side(size: u32, wire: &PreprocessChanges, facts: &Facts, context: &Context<'_>) -> Result<(), Diagnostic> {
    let path = ["preprocess", "resize", "size"];
    let (low, high) = facts.sides.clone().into_inner();
    if low < high && wire.resize.size.is_some() {
        return context.within(&path, size.into(), low.into(), high.into());
    }
    if facts.sides.contains(&size) {
        return Ok(());
    }
    let network = facts.name;
    let rule = format!("`{network}` takes faces of {low}×{low} pixels, got {size}×{size}");
    let (place, help) = match wire.resize.size {
        Some(_) => (&path[..], format!("remove `preprocess.resize.size`, or set it to {low}")),
        None => (&["preprocess", "profile"][..], profile_of(facts)),
    };
    Err(context.problem(place, rule).help(help))
}

/// A network that standardises channel by channel needs its input as it was trained, and its profile is for such only.
fn fitting_standardise(
    found: &Preprocess,
    profile: &str,
    wire: &PreprocessChanges,
    facts: &Facts,
    context: &Context<'_>,
) -> Result<(), Diagnostic> {
    let given = wire.standardise.mean.is_some() || wire.standardise.scale.is_some();
    let (network, words) = (facts.name, |of: Standardise| format!("mean {}, scale {}", of.mean, of.scale));
    let rule = match facts.standardise {
        Some(needed) if needed != found.standardise => {
            let (needed, found) = (words(needed), words(found.standardise));
            format!("`{network}` applies the mean and deviation of each channel itself and needs {needed}, got {found}")
        }
        None if !given && found.standardise == UNIT_RANGE => format!(
            "`{profile}` is a profile for networks that apply the mean and deviation of each channel themselves; `{network}` does not"
        ),
        _ => return Ok(()),
    };
    let place = ["preprocess", if given { "standardise" } else { "profile" }];
    Err(context.problem(&place, rule).help(profile_of(facts)))
}

/// The metrics that a run of this config has.
pub(super) struct KnownMetrics<'a> {
    pub upstream: bool,
    pub protocols: &'a Protocols,
}

impl KnownMetrics<'_> {
    /// What is wrong with a metric path and what helps, if something is.
    pub(super) fn missing(&self, metric: &str) -> Option<(String, Option<String>, &'static str)> {
        if metric.starts_with("upstream.") && !self.upstream && metrics::PATHS.contains(&metric) {
            let rule = format!("{} is computed only with `similarity.upstream`", quoted(metric));
            return Some((rule, None, "add `similarity: {upstream: {}}`, or remove the metric"));
        }
        let Protocols { pairs, templates, identification } = self.protocols;
        let of_pairs = pairs.iter().flat_map(|protocol| metrics::protocol_paths(&protocol.name));
        let of_groups = pairs.iter().filter_map(|protocol| protocol.group.as_deref()).flat_map(metrics::group_paths);
        let of_templates = templates.iter().flat_map(|protocol| metrics::template_paths(&protocol.name));
        let of_searches = identification.iter().flat_map(metrics::identification_paths);
        let known = metrics::PATHS.iter().map(ToString::to_string);
        let known: Vec<String> =
            known.chain(of_pairs).chain(of_groups).chain(of_templates).chain(of_searches).collect();
        if known.iter().any(|known| known == metric) {
            return None;
        }
        let near = did_you_mean(metric, known.iter().map(String::as_str));
        Some((format!("unknown metric {}", quoted(metric)), near, "`facevault guide config-keys` lists the metrics"))
    }
}

fn expect(
    expect: &BTreeMap<String, Expectation>,
    known: &KnownMetrics<'_>,
    context: &Context<'_>,
) -> Result<(), Diagnostic> {
    for (metric, Expectation { min, max, .. }) in expect {
        let here = ["expect", metric.as_str()];
        if let Some((rule, near, help)) = known.missing(metric) {
            return Err(at_key(context, &here, rule).maybe_help(near).help(help));
        }
        match (min, max) {
            (None, None) => {
                return Err(at_key(context, &here, format!("the range of {} has no bound", quoted(metric)))
                    .help("give `min`, `max` or both"));
            }
            (Some(min), Some(max)) if min > max => {
                let rule = format!("`expect.{metric}.max` must be at least `min` ({min}), got {max}");
                return Err(context.problem(&["expect", metric, "max"], rule));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A problem with a key itself.
pub(super) fn at_key(context: &Context<'_>, path: &[&str], rule: String) -> Diagnostic {
    let Some((name, parents)) = path.split_last() else { return context.problem(path, rule) };
    match context.tree.deepest(parents).get(name) {
        Some((key, _)) => Diagnostic::new(rule).at_one_of(context.sources, key.place),
        None => context.problem(path, rule),
    }
}

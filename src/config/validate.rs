//! Wire types → the types that the rest of the program sees: ranges, formats and references, each rule with its place.

mod containers;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::ablation;
use super::diagnostics::{Diagnostic, Source, did_you_mean, listed, quoted};
use super::protocols;
use super::tree::Node;
use super::types::{
    BatchSize, Crop, DatasetSource, EmbedOptions, Expectation, ExperimentConfig, MarginUnit, ModelSpec, Network,
    PathRewrite, Preprocess, Protocol, ReportOptions, Resize, SimilarityOptions, Standardise, Tables, UpstreamSampling,
    WeightsSource,
};
use super::wire;
use crate::digest::Digest;
use crate::metrics;
use crate::model::{Facts, UNIT_RANGE};
use crate::preprocess::{PROFILES, profile};

/// File name endings of checkpoints that can be read.
const CHECKPOINTS: [&str; 4] = [".safetensors", ".pth", ".pt", ".bin"];

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
    /// Whether files that are named must be there.
    pub must_exist: bool,
}

impl Context<'_> {
    /// A problem with the value under a path of keys.
    pub(super) fn problem(&self, path: &[&str], rule: impl Into<String>) -> Diagnostic {
        let place = self.tree.deepest(path).place;
        let diagnostic = Diagnostic::new(rule);
        match self.sources.get(place.source) {
            Some(source) => diagnostic.at(source, Some(place)),
            None => diagnostic,
        }
    }

    /// The value under a path of keys, if it is in the range.
    pub(super) fn within<T: PartialOrd + Display + Copy>(
        &self,
        path: &[&str],
        value: T,
        low: T,
        high: T,
    ) -> Result<T, Diagnostic> {
        // Written so that NaN is outside.
        if value >= low && value <= high {
            return Ok(value);
        }
        Err(self.problem(path, format!("`{}` must be from {low} to {high}, here it is {value}", path.join("."))))
    }

    /// A decimal number of the run's identity, rounded to nine significant digits: `plan.json` is read again to check
    /// the run's name, and only short decimals have the same bits after every JSON reader.
    pub(super) fn decimal(&self, path: &[&str], value: f64, low: f64, high: f64) -> Result<f64, Diagnostic> {
        self.within(path, value, low, high).map(rounded)
    }

    /// A path of the config, resolved. `kind` is what must be there.
    pub(super) fn path(&self, path: &[&str], text: &str, kind: Kind) -> Result<PathBuf, Diagnostic> {
        let name = path.join(".");
        if text.trim().is_empty() || text.contains('\0') {
            return Err(self.problem(path, format!("`{name}` must be the path of a {}", kind.word())));
        }
        let base = if self.tree.deepest(path).place.source == 0 { self.base } else { self.working_directory };
        let joined = base.join(text);
        let resolved = std::path::absolute(&joined).unwrap_or(joined);
        if !self.must_exist || kind.is_there(&resolved) {
            return Ok(resolved);
        }
        let shown = resolved.display();
        let rule = if resolved.exists() {
            format!("`{name}` must be a {}, but {shown} is not one", kind.word())
        } else {
            format!("`{name}`: there is no {} {shown}", kind.word())
        };
        let start =
            (!Path::new(text).is_absolute()).then(|| format!("relative paths here start in {}", base.display()));
        let home = text.starts_with('~').then(|| "`~` is not expanded: write the folder's whole path".to_owned());
        let near = if home.is_none() { similar_entry(&resolved) } else { None };
        Err(self.problem(path, rule).maybe_help(near).maybe_help(home).maybe_help(start))
    }
}

/// What a path must be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    File,
    Folder,
    Either,
}

impl Kind {
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

/// The first part of a path that is not there, and what stands in its place.
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

fn rounded(value: f64) -> f64 {
    format!("{value:.8e}").parse().unwrap_or(value)
}

/// Validates everything.
pub(super) fn experiment(wire: wire::Experiment, context: &Context<'_>) -> Result<ExperimentConfig, Diagnostic> {
    let similarity = similarity(&wire.similarity, context)?;
    let protocols = protocols::protocols(wire.protocols, context)?;
    let known = KnownMetrics { upstream: similarity.upstream.is_some(), protocols: &protocols };
    Ok(ExperimentConfig {
        name: name(wire.name, context)?,
        description: wire.description,
        seed: wire.seed,
        dataset: dataset(wire.dataset, context)?,
        preprocess: preprocess(&wire.preprocess, wire.model.network, context)?,
        model: model(&wire.model, context)?,
        weights: weights(wire.weights, context)?,
        embed: embed(&wire.embed, context)?,
        expect: expect(wire.expect, &known, context)?,
        published: protocols::published(wire.published, &known, context)?,
        ablation: wire.ablation.map(|wire| ablation::validated(wire, &protocols, context)).transpose()?,
        protocols,
        similarity,
        pairs_device: wire.similarity.device,
        report: ReportOptions { pictures: wire.report.pictures },
        base: context.base.to_owned(),
    })
}

fn name(name: String, context: &Context<'_>) -> Result<String, Diagnostic> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if starts && name.len() <= 64 && name.chars().all(plain) {
        return Ok(name);
    }
    let fixed: String = name
        .to_lowercase()
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .skip_while(|c| "-_.".contains(*c))
        .collect();
    let rule = "`name` is the run directory's prefix: lower-case letters, digits, `-`, `_` and `.`, starting with a letter \
                or digit, at most 64 characters";
    let help = (!fixed.is_empty() && fixed.len() <= 64).then(|| format!("for example `{fixed}`"));
    Err(context.problem(&["name"], rule).maybe_help(help))
}

fn dataset(wire: wire::Dataset, context: &Context<'_>) -> Result<DatasetSource, Diagnostic> {
    let key = |key| ["dataset", key];
    Ok(match wire {
        wire::Dataset::Phase1 { csv, root, rewrite, image } => {
            let csv = context.path(&key("csv"), &csv, Kind::File)?;
            let root = match root {
                Some(root) => context.path(&key("root"), &root, Kind::Folder)?,
                None => csv.parent().map(Path::to_owned).unwrap_or_default(),
            };
            let mut rules = Vec::new();
            for (index, wire::Rewrite { from, to }) in rewrite.into_iter().enumerate() {
                if from.is_empty() {
                    let path = ["dataset", "rewrite", &index.to_string(), "from"];
                    return Err(context.problem(&path, "an empty prefix would match every path"));
                }
                rules.push(PathRewrite { from, to });
            }
            DatasetSource::Phase1 { csv, root, rewrite: rules, image }
        }
        wire::Dataset::Folders { root, pairs, boxes } => DatasetSource::Folders {
            root: context.path(&key("root"), &root, Kind::Folder)?,
            tables: tables(pairs.as_deref(), boxes.as_deref(), context)?,
        },
        wire::Dataset::HubFolders { repo, revision, folder, pairs, boxes } => {
            let revision = movable(&key("revision"), revision, context)?;
            let folder = folder.trim_end_matches('/').to_owned();
            inside_repository(&key("folder"), &folder, context)?;
            let tables = tables(pairs.as_deref(), boxes.as_deref(), context)?;
            DatasetSource::HubFolders { repo: repository(&key("repo"), repo, context)?, revision, folder, tables }
        }
        wire::Dataset::InsightfaceBin { hub, path, sha256 } => {
            let file = wire::Container { hub, path, sha256 };
            DatasetSource::InsightfaceBin { file: containers::one_file(&["dataset"], file, Kind::File, context)? }
        }
        wire::Dataset::Parquet { hub, path, sha256 } => {
            DatasetSource::Parquet { shards: containers::shards(hub, path, sha256, context)? }
        }
        wire::Dataset::Vggface2 { archive, boxes } => DatasetSource::Vggface2 {
            archive: containers::one_file(&key("archive"), archive, Kind::Either, context)?,
            boxes: containers::one_file(&key("boxes"), boxes, Kind::File, context)?,
        },
        wire::Dataset::Synthetic { seed, identities, samples, size } => DatasetSource::Synthetic {
            seed,
            identities: context.within(&key("identities"), identities, 1, 1_000_000)?,
            samples: context.within(&key("samples"), samples, 1, 100_000)?,
            size: context.within(&key("size"), size, 16, 2048)?,
        },
    })
}

/// Tables beside a dataset's pictures: a path that starts as shells know local files, or a name in its folder.
fn tables(pairs: Option<&str>, boxes: Option<&str>, context: &Context<'_>) -> Result<Tables, Diagnostic> {
    let table = |name: &str, text: &str| {
        let path = ["dataset", name];
        if Path::new(text).is_absolute() || text.starts_with("./") || text.starts_with("../") {
            return context.path(&path, text, Kind::File);
        }
        if text.trim().is_empty() {
            return Err(context.problem(&path, format!("`dataset.{name}` must be the name of a file")));
        }
        inside_repository(&path, text, context)?;
        Ok(text.into())
    };
    Ok(Tables {
        pairs: pairs.map(|text| table("pairs", text)).transpose()?,
        boxes: boxes.map(|text| table("boxes", text)).transpose()?,
    })
}

/// A commit hash, or the name of what points to one.
fn movable(path: &[&str], revision: String, context: &Context<'_>) -> Result<String, Diagnostic> {
    if revision.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return hex(path, &revision, 7, context);
    }
    let plain = |part: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(allowed)
    };
    if revision.split('/').all(plain) {
        return Ok(revision);
    }
    let rule = format!(
        "a revision is a commit hash of 7 to 40 hexadecimal characters, or the name of a branch or tag, this is {}",
        quoted(&revision)
    );
    Err(context.problem(path, rule))
}

fn model(wire: &wire::Model, context: &Context<'_>) -> Result<ModelSpec, Diagnostic> {
    let path = ["model", "width"];
    let width = context.decimal(&path, wire.width, 0.0625, 4.0)?;
    let Facts { name, scalable, .. } = wire.network.facts();
    if !scalable && width != 1.0 {
        return Err(context.problem(&path, format!("`{name}` has one width, 1; here it is {width}")));
    }
    Ok(ModelSpec { network: wire.network, width })
}

fn weights(wire: wire::Weights, context: &Context<'_>) -> Result<WeightsSource, Diagnostic> {
    let key = |key| ["weights", key];
    let checkpoint = |name: &'static str, file: &str| {
        if CHECKPOINTS.iter().any(|ending| file.to_ascii_lowercase().ends_with(ending)) {
            return Ok(());
        }
        let rule = format!("`weights.{name}` must end in one of {}", listed(&CHECKPOINTS));
        Err(context.problem(&key(name), rule))
    };
    Ok(match wire {
        wire::Weights::Hub { repo, revision, file, sha256 } => {
            checkpoint("file", &file)?;
            inside_repository(&key("file"), &file, context)?;
            WeightsSource::Hub {
                repo: repository(&key("repo"), repo, context)?,
                revision: hex(&key("revision"), &revision, 40, context)?,
                file,
                sha256: sha256.map(|sha256| digest(&key("sha256"), &sha256, context)).transpose()?,
            }
        }
        wire::Weights::File { path, sha256 } => {
            checkpoint("path", &path)?;
            WeightsSource::File {
                path: context.path(&key("path"), &path, Kind::File)?,
                sha256: sha256.map(|sha256| digest(&key("sha256"), &sha256, context)).transpose()?,
            }
        }
        wire::Weights::Embedded { name } => {
            if !wire::EMBEDDED.contains(&name.as_str()) {
                let rule = format!("the binary carries no weights {}", quoted(&name));
                return Err(context
                    .problem(&key("name"), rule)
                    .maybe_help(did_you_mean(&name, wire::EMBEDDED))
                    .help(format!("it carries {}", listed(&wire::EMBEDDED))));
            }
            WeightsSource::Embedded { name }
        }
    })
}

/// A commit hash, or the first characters of one where that is enough.
fn hex(path: &[&str], revision: &str, shortest: usize, context: &Context<'_>) -> Result<String, Diagnostic> {
    let digits = revision.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits && (shortest..=40).contains(&revision.len()) {
        return Ok(revision.to_ascii_lowercase());
    }
    let length = if shortest == 40 { "40".to_owned() } else { format!("{shortest} to 40") };
    let why = if digits { format!("this has {}", revision.len()) } else { format!("this is {}", quoted(revision)) };
    Err(context
        .problem(path, format!("a revision is a commit hash of {length} hexadecimal characters, {why}"))
        .help("a branch or tag can move, and then the same config would give other numbers"))
}

fn digest(path: &[&str], text: &str, context: &Context<'_>) -> Result<Digest, Diagnostic> {
    text.parse().map_err(|_| {
        let why = if text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            format!("this has {}", text.len())
        } else {
            let wrong = text.chars().find(|c| !c.is_ascii_hexdigit()).unwrap_or_default();
            format!("`{}` is not one", wrong.escape_default())
        };
        context
            .problem(path, format!("a sha256 has 64 hexadecimal characters, {why}"))
            .help("`sha256sum FILE` prints it; the Hub shows it beside each large file")
    })
}

fn repository(path: &[&str], repo: String, context: &Context<'_>) -> Result<String, Diagnostic> {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    match repo.split_once('/') {
        Some((owner, name)) if part(owner) && part(name) => Ok(repo),
        _ => Err(context
            .problem(path, format!("a repository is written `owner/name`, this is {}", quoted(&repo)))
            .help("the two last parts of its address on the Hub, e.g. `py-feat/facenet`")),
    }
}

/// A path inside a repository must not lead out of it.
fn inside_repository(path: &[&str], text: &str, context: &Context<'_>) -> Result<(), Diagnostic> {
    let leads_out = text.starts_with('/')
        || text.contains(['\\', '\0'])
        || text.split('/').any(|part| part == ".." || part == "." || (part.is_empty() && !text.is_empty()));
    if leads_out {
        let rule =
            format!("{} is no path inside a repository: parts with single `/` between, no `.` or `..`", quoted(text));
        return Err(context.problem(path, rule));
    }
    Ok(())
}

fn preprocess(wire: &wire::Preprocess, network: Network, context: &Context<'_>) -> Result<Preprocess, Diagnostic> {
    let facts = network.facts();
    let name = wire.profile.as_deref().unwrap_or(facts.profile);
    let Some(base) = profile(name) else {
        let rule = format!("there is no preprocessing profile {}", quoted(name));
        return Err(context
            .problem(&["preprocess", "profile"], rule)
            .maybe_help(did_you_mean(name, PROFILES.iter().copied()))
            .help(format!("the profiles are {}", listed(PROFILES))));
    };
    let mut changed = base.clone();
    if let Some(filter) = wire.resize.filter {
        changed.resize.filter = filter;
    }
    if let Some(size) = wire.resize.size {
        changed.resize.size = size;
    }
    fitting_side(changed.resize.size, wire, &facts, context)?;
    let Resize { size, .. } = changed.resize;
    let margin = ["preprocess", "crop", "margin"];
    match &wire.crop {
        None => {}
        Some(wire::Crop::Whole {}) => changed.crop = Crop::Whole,
        Some(wire::Crop::Box { margin: given, unit }) => {
            changed.crop = Crop::Box { margin: context.decimal(&margin, *given, 0.0, 10_000.0)?, unit: *unit };
        }
        &Some(wire::Crop::Centre { fraction }) => {
            if !(fraction > 0.0 && fraction <= 1.0) {
                let rule = format!("`preprocess.crop.fraction` must be above 0 and at most 1, here it is {fraction}");
                return Err(context.problem(&["preprocess", "crop", "fraction"], rule));
            }
            changed.crop = Crop::Centre { fraction: rounded(fraction) };
        }
    }
    if let Crop::Box { margin: wide, unit: MarginUnit::OutputPixels } = changed.crop
        && wide >= f64::from(size)
    {
        let rule = format!("a margin of {wide} output pixels leaves nothing of a face {size} pixels wide");
        return Err(context.problem(&margin, rule));
    }
    changed.channels = wire.channels.unwrap_or(base.channels);
    changed.mirror = wire.mirror.unwrap_or(base.mirror);
    let Standardise { mean, scale } = base.standardise;
    let part = |name, value: Option<f32>, default, low| {
        value.map_or(Ok(default), |value| context.within(&["preprocess", "standardise", name], value, low, 1e6))
    };
    changed.standardise = Standardise {
        mean: part("mean", wire.standardise.mean, mean, -1e6)?,
        scale: part("scale", wire.standardise.scale, scale, 1e-6)?,
    };
    fitting_standardise(&changed, wire, &facts, context)?;
    if changed != base {
        changed.profile = "custom".into();
    }
    Ok(changed)
}

/// The side must be one that the network takes, whether the config or its profile names it.
fn fitting_side(size: u32, wire: &wire::Preprocess, facts: &Facts, context: &Context<'_>) -> Result<(), Diagnostic> {
    let path = ["preprocess", "resize", "size"];
    let (low, high) = facts.sides.clone().into_inner();
    if low < high && wire.resize.size.is_some() {
        return context.within(&path, size, low, high).map(|_| ());
    }
    if facts.sides.contains(&size) {
        return Ok(());
    }
    let network = facts.name;
    let rule = format!("`{network}` takes faces of {low}×{low} pixels, here they are {size}×{size}");
    let (place, help) = match wire.resize.size {
        Some(_) => (&path[..], format!("remove `preprocess.resize.size`, or set it to {low}")),
        None => (&["preprocess", "profile"][..], format!("the profile of this network is `{}`", facts.profile)),
    };
    Err(context.problem(place, rule).help(help))
}

/// A network that standardises channel by channel needs its input as it was trained, and its profile is for such only.
fn fitting_standardise(
    found: &Preprocess,
    wire: &wire::Preprocess,
    facts: &Facts,
    context: &Context<'_>,
) -> Result<(), Diagnostic> {
    let given = wire.standardise.mean.is_some() || wire.standardise.scale.is_some();
    let (network, words) = (facts.name, |of: Standardise| format!("mean {}, scale {}", of.mean, of.scale));
    let rule = match facts.standardise {
        Some(needed) if needed != found.standardise => {
            let (needed, found) = (words(needed), words(found.standardise));
            format!(
                "`{network}` applies the mean and deviation of each channel itself and needs {needed}; here they are {found}"
            )
        }
        None if !given && found.standardise == UNIT_RANGE => format!(
            "`{}` is a profile for networks that apply the mean and deviation of each channel themselves; `{network}` does not",
            found.profile
        ),
        _ => return Ok(()),
    };
    let place = ["preprocess", if given { "standardise" } else { "profile" }];
    Err(context.problem(&place, rule).help(format!("the profile of this network is `{}`", facts.profile)))
}

fn embed(wire: &wire::Embed, context: &Context<'_>) -> Result<EmbedOptions, Diagnostic> {
    let key = |key| ["embed", key];
    Ok(EmbedOptions {
        device: wire.device,
        precision: wire.precision,
        kernels: wire.kernels,
        batch_size: match wire.batch_size {
            BatchSize::Faces(faces) => {
                BatchSize::Faces(context.within(&key("batch_size"), faces, 1, BatchSize::MOST)?)
            }
            BatchSize::Auto => BatchSize::Auto,
        },
        chunk_size: context.within(&key("chunk_size"), wire.chunk_size, 1, 1_048_576)?,
        threads: wire.threads.map(|threads| context.within(&key("threads"), threads, 1, 1024)).transpose()?,
        on_error: wire.on_error,
        max_failures: wire.max_failures,
    })
}

fn similarity(wire: &wire::Similarity, context: &Context<'_>) -> Result<SimilarityOptions, Diagnostic> {
    let key = |key| ["similarity", key];
    let upstream = match &wire.upstream {
        None => None,
        Some(upstream) => {
            let key = |key| ["similarity", "upstream", key];
            Some(UpstreamSampling {
                faces_per_identity: context.within(
                    &key("faces_per_identity"),
                    upstream.faces_per_identity,
                    2,
                    10_000,
                )?,
                impostor_pairs: context.within(&key("impostor_pairs"), upstream.impostor_pairs, 1, 100_000_000)?,
            })
        }
    };
    Ok(SimilarityOptions {
        pairs: wire.pairs,
        max_pairs: match wire.max_pairs {
            None => None,
            Some(most) => Some(context.within(&key("max_pairs"), most, 1, 1_000_000_000_000)?),
        },
        upstream,
        replicates: context.within(&key("replicates"), wire.replicates, 10, 1_000_000)?,
        confidence: context.decimal(&key("confidence"), wire.confidence, 0.5, 0.9999)?,
        hardest: context.within(&key("hardest"), wire.hardest, 0, 100_000)?,
    })
}

/// The metrics that a run of this config has.
pub(super) struct KnownMetrics<'a> {
    pub upstream: bool,
    pub protocols: &'a [Protocol],
}

impl KnownMetrics<'_> {
    /// What is wrong with a metric path and what helps, if something is.
    pub(super) fn missing(&self, metric: &str) -> Option<(String, Option<String>, &'static str)> {
        if metric.starts_with("upstream.") && !self.upstream && metrics::PATHS.contains(&metric) {
            let rule = format!("{} is computed only with `similarity.upstream`", quoted(metric));
            return Some((rule, None, "add `similarity: {upstream: {}}`, or remove this"));
        }
        let of_protocols = self.protocols.iter().flat_map(|protocol| metrics::protocol_paths(&protocol.name));
        let known: Vec<String> = metrics::PATHS.iter().map(ToString::to_string).chain(of_protocols).collect();
        if known.iter().any(|known| known == metric) {
            return None;
        }
        let near = did_you_mean(metric, known.iter().map(String::as_str));
        Some((format!("there is no metric {}", quoted(metric)), near, "configs/README.md lists the metrics"))
    }
}

fn expect(
    wire: BTreeMap<String, wire::Expect>,
    known: &KnownMetrics<'_>,
    context: &Context<'_>,
) -> Result<BTreeMap<String, Expectation>, Diagnostic> {
    wire.into_iter()
        .map(|(metric, wire::Expect { min, max, source })| {
            let here = ["expect", metric.as_str()];
            if let Some((rule, near, help)) = known.missing(&metric) {
                return Err(at_key(context, &here, rule).maybe_help(near).help(help));
            }
            if [min, max].iter().flatten().any(|bound| !bound.is_finite()) {
                return Err(context.problem(&here, "a bound must be a finite number"));
            }
            match (min, max) {
                (None, None) => {
                    Err(at_key(context, &here, format!("the range of {} has neither `min` nor `max`", quoted(&metric))))
                }
                (Some(min), Some(max)) if min > max => {
                    let rule = format!("no number is both at least {min} (`min`) and at most {max} (`max`)");
                    Err(context.problem(&["expect", &metric, "max"], rule))
                }
                _ => Ok((metric, Expectation { min, max, source })),
            }
        })
        .collect()
}

/// A problem with a key itself.
pub(super) fn at_key(context: &Context<'_>, path: &[&str], rule: String) -> Diagnostic {
    let Some((name, parents)) = path.split_last() else { return context.problem(path, rule) };
    match context.tree.deepest(parents).get(name) {
        Some((key, _)) => {
            let diagnostic = Diagnostic::new(rule);
            match context.sources.get(key.place.source) {
                Some(source) => diagnostic.at(source, Some(key.place)),
                None => diagnostic,
            }
        }
        None => context.problem(path, rule),
    }
}

//! A config file and its overrides → [`Loaded`].

use std::borrow::Cow;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::diagnostics::{ConfigError, Diagnostic, Source, quoted};
use super::place::Place;
use super::tree::{self, Node, Value};
use super::types::ExperimentConfig;
use super::validate::{self, Context};
use super::{ablation, built_in, overrides, rules, wire};
use crate::{files, text};

/// Size of the largest config that is read, bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A config as given and as understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// Validated, overrides applied, paths absolute.
    pub config: ExperimentConfig,
    /// The file, byte for byte; overrides are not in it.
    pub text: String,
    /// `--set` arguments, in order.
    pub overrides: Vec<String>,
}

/// Reads and validates a config; where no file has that name, one inside the program may. Relative paths in the file start in its folder, those in `overrides`
/// (`key.path=value`, the value is YAML) in the current folder; files and folders that the config names must exist.
///
/// # Errors
/// [`ConfigError`], a complete message that points at the line.
pub fn load(path: &Path, overrides: &[String]) -> Result<Loaded, ConfigError> {
    let bytes = read(path)?;
    understand(&bytes, path, overrides, None, Path::new("."), true)
}

/// Validates the sections of a config that a program gives, under the rules for files; `label` is who gives them. Relative
/// paths start in the current folder.
///
/// # Errors
/// [`ConfigError`], which quotes the section.
pub fn of_sections(sections: &serde_json::Value, label: &str) -> Result<ExperimentConfig, ConfigError> {
    // JSON is YAML; with a key on each line, errors can quote the one they are about.
    let text = format!("{sections:#}");
    Ok(understand(text.as_bytes(), Path::new(label), &[], None, Path::new("."), true)?.config)
}

impl Loaded {
    /// The file as runs keep it: the secrets of URLs are covered.
    pub(crate) fn kept_text(&self) -> Cow<'_, str> {
        text::masked(&self.text)
    }

    /// The overrides as runs keep them and as commands repeat them.
    pub(crate) fn kept_overrides(&self) -> Vec<String> {
        self.overrides.iter().map(|set| text::masked(set).into_owned()).collect()
    }

    /// The config that was read from `path`, with some of its ablation's steps applied: `steps` are their indices. Its
    /// overrides are the given ones, except those of the ablation itself, followed by what the steps set.
    pub(crate) fn with_steps(&self, path: &Path, steps: &[usize]) -> Result<Self, ConfigError> {
        understand(self.text.as_bytes(), path, &self.overrides, Some(steps), Path::new("."), true)
    }
}

/// Validates a config that a run keeps: `text` was read from `origin`, and the overrides were given in
/// `working_directory`. The data may be gone by now, so nothing is looked for on disk.
///
/// # Errors
/// [`ConfigError`], a complete message that points at the line.
pub fn load_stored(
    text: &[u8],
    origin: &Path,
    overrides: &[String],
    working_directory: &Path,
) -> Result<Loaded, ConfigError> {
    understand(text, origin, overrides, None, working_directory, false)
}

fn read(path: &Path) -> Result<Vec<u8>, Diagnostic> {
    if let Some(text) = built_in::find(path) {
        return Ok(text.into());
    }
    let label = path.display().to_string();
    let refused = |rule: String| Diagnostic::new(rule).of_file(label.clone());
    let mut bytes = Vec::new();
    files::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(|error| {
        refused(format!("cannot read the config: {error}"))
            .maybe_help(validate::similar_entry(path))
            .help(built_in::help())
    })?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(refused(format!("the config is larger than {MAX_BYTES} bytes")));
    }
    Ok(bytes)
}

fn understand(
    bytes: &[u8],
    path: &Path,
    overrides: &[String],
    steps: Option<&[usize]>,
    working_directory: &Path,
    must_exist: bool,
) -> Result<Loaded, ConfigError> {
    let label = path.display().to_string();
    let text = utf8(bytes, &label)?;
    // A byte order mark is not part of the first line.
    let file = Source::file(label, text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned());
    let mut tree = tree::parse(file.text(), &file, 0)?;
    match tree.value {
        Value::Map(_) => {}
        Value::Null => {
            return Err(Diagnostic::new("the config is empty")
                .at(&file, None)
                .help(
                    "it needs at least `name`, `dataset` and `weights`; `facevault guide config-keys` lists every key",
                )
                .into());
        }
        ref other => {
            let rule = format!("a config must be a mapping of keys to values, got {}", other.describe());
            return Err(Diagnostic::new(rule).at(&file, Some(tree.place)).into());
        }
    }
    let path_of_file = file.label().to_owned();
    let mut sources = vec![file];
    for (index, text) in overrides.iter().enumerate() {
        let source = Source::set(index + 1, text.clone());
        overrides::apply(&mut tree, &source)?;
        sources.push(source);
    }
    let mut kept = overrides.to_vec();
    if steps.is_some() {
        kept.retain(|text| !text.starts_with("ablation.") && !text.starts_with("ablation="));
    }
    for source in set_by(&tree, steps.unwrap_or_default(), sources.len(), &path_of_file) {
        overrides::apply(&mut tree, &source)?;
        kept.push(source.text().to_owned());
        sources.push(source);
    }
    let wire: wire::Experiment = serde_json::from_value(rules::read(&tree, &sources)?)
        // The rules let nothing through that serde refuses; if they do, there is no place to show.
        .map_err(|error| Diagnostic::new(error.to_string()).at(&sources[0], None))?;
    let base = absolute(path.parent().unwrap_or(Path::new("")));
    let context = Context {
        tree: &tree,
        sources: &sources,
        base: &base,
        working_directory: &absolute(working_directory),
        must_exist,
    };
    let config = validate::experiment(wire, &context)?;
    Ok(Loaded { config, text, overrides: kept })
}

/// What some of the ablation's steps set, one source for each key, numbered from `first`.
fn set_by(tree: &Node, steps: &[usize], first: usize, file: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    for step in steps {
        let step = ["ablation", "steps", &step.to_string()];
        let name = match &tree.deepest(&[&step[..], &["name"]].concat()).value {
            Value::Text(name) => name.as_str(),
            _ => "",
        };
        for entry in ablation::set(tree, &[&step[..], &["set"]].concat()) {
            let Place { source, line, column, .. } = entry.0.place;
            let place = if source == 0 { format!(", {file}:{line}:{column}") } else { String::new() };
            let label = format!("step {}{place}", quoted(name));
            sources.push(Source::step(first + sources.len(), ablation::as_override(entry), label));
        }
    }
    sources
}

fn utf8(bytes: &[u8], label: &str) -> Result<String, Diagnostic> {
    str::from_utf8(bytes).map(str::to_owned).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let source = Source::file(label.to_owned(), String::from_utf8_lossy(bytes).into_owned());
        Diagnostic::new("the config is not UTF-8 text")
            .at(&source, Some(Place { source: 0, line, column, width: 1 }))
            .help("save it again as UTF-8")
    })
}

/// `""` is the current folder.
fn absolute(folder: &Path) -> PathBuf {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned())
}

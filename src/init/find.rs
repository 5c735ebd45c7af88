//! What kind of faces lies at a path, and the keys of `dataset` that read it.

mod folder;
mod table;

use std::path::{Path, PathBuf};

use super::InitError;
use super::scalar::scalar;
use crate::dataset::look;
use crate::dataset::pattern::Pattern;

/// What a person says about the faces beforehand.
#[derive(Debug, Default, Clone)]
pub(crate) struct Hints {
    /// How file names say who is who.
    pub pattern: Option<String>,
    /// The table that says who is who.
    pub table: Option<PathBuf>,
}

/// A key of `dataset`.
pub(crate) struct Line {
    pub key: &'static str,
    /// As YAML.
    pub value: String,
    pub comment: String,
}

/// What the pictures are, as far as their source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// Crops or photos: their size tells.
    Pictures,
    /// Crops by definition.
    Crops,
    /// Photos with a box for each face.
    Boxes,
    /// No pictures: embeddings.
    Embeddings,
}

/// How faces are read.
pub(crate) struct Found {
    /// In words: "identity folders".
    pub kind: &'static str,
    pub content: Content,
    pub lines: Vec<Line>,
    /// What the config is called: the name of the folder or file.
    pub name: String,
}

impl Found {
    fn new(kind: &'static str, content: Content, source: &str) -> Self {
        let source =
            Line { key: "source", value: source.into(), comment: format!("{kind}: `facevault guide config-keys`") };
        Self { kind, content, lines: vec![source], name: String::new() }
    }

    /// Takes out the list of pairs that was found beside the faces, as YAML.
    pub(super) fn take_pairs(&mut self) -> Option<String> {
        let at = self.lines.iter().position(|line| line.key == "pairs")?;
        Some(self.lines.remove(at).value)
    }

    fn with(mut self, key: &'static str, value: String, comment: impl Into<String>) -> Self {
        self.lines.push(Line { key, value, comment: comment.into() });
        self
    }
}

/// How the config writes a path.
#[derive(Clone, Copy)]
pub(crate) struct Paths {
    /// Whether the config is written to another folder than the one that relative paths start in.
    pub absolute: bool,
}

impl Paths {
    fn yaml(self, path: &Path) -> String {
        let absolute = if self.absolute { std::path::absolute(path).ok() } else { None };
        scalar(&absolute.unwrap_or_else(|| path.to_owned()).to_string_lossy())
    }

    /// A table that is found from where the config is, rather than beside the pictures.
    fn file(self, path: &Path) -> String {
        let is_a_path = self.absolute || path.is_absolute() || path.starts_with(".") || path.starts_with("..");
        if is_a_path { self.yaml(path) } else { self.yaml(&Path::new(".").join(path)) }
    }
}

/// The kind of faces at `path`.
pub(crate) fn find(path: &Path, hints: &Hints, paths: Paths) -> Result<Found, InitError> {
    if !path.exists() {
        return Err(InitError::NotThere { path: path.into() });
    }
    let named = [Some(path), hints.table.as_deref()].into_iter().flatten();
    if let Some(path) = named.into_iter().find(|path| path.to_str().is_none()) {
        return Err(InitError::NotUtf8 { path: path.into() });
    }
    if let Some(Err(rule)) = hints.pattern.as_deref().map(Pattern::read) {
        return Err(InitError::Pattern { rule });
    }
    let found = if path.is_dir() { folder::find(path, hints, paths) } else { file(path, hints, paths) }?;
    let found = Found { name: name(path), ..found };
    // A hint that was not followed was given by mistake.
    let uses = |keys: [&str; 2]| found.lines.iter().any(|line| keys.contains(&line.key));
    let unused = |flag| Err(InitError::Unused { flag, kind: found.kind.to_owned() });
    match hints {
        Hints { pattern: Some(_), .. } if !uses(["pattern"; 2]) => unused("--pattern"),
        Hints { table: Some(_), .. } if !uses(["table", "faces"]) => unused("--table"),
        _ => Ok(found),
    }
}

/// Whether a name ends like this, in any case.
fn ends(path: &Path, endings: &[&str]) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    endings.iter().any(|ending| name.ends_with(ending))
}

fn file(path: &Path, hints: &Hints, paths: Paths) -> Result<Found, InitError> {
    let archive = [".tar", ".tar.gz", ".tgz"];
    match () {
        () if ends(path, &[".csv", ".tsv"]) => table::pictures(path, None, paths),
        () if ends(path, &[".npy"]) => table::array(path, hints, paths),
        () if ends(path, &[".parquet"]) => table::parquet(path, hints, paths),
        () if ends(path, &[".tar"]) && look::has_samples(path)? => Ok(shards(path, paths)),
        () if ends(path, &archive) => Ok(Found::new("identity folders in an archive", Content::Pictures, "archive")
            .with("path", paths.yaml(path), "<identity>/<picture> inside; unpacked once, beside the runs")),
        () if ends(path, &[".bin"]) => Ok(Found::new(
            "pairs in insightface's format",
            Content::Crops,
            "insightface-bin",
        )
        .with("path", paths.yaml(path), "a pickle of encoded pictures and of one bool for each pair")),
        () => Err(InitError::NoFaces { path: path.into(), what: "a file of another kind".into() }),
    }
}

/// WebDataset's archives: one, or those in a folder.
fn shards(path: &Path, paths: Paths) -> Found {
    Found::new("samples in WebDataset tars", Content::Pictures, "webdataset").with(
        "shards",
        paths.yaml(path),
        "an archive, a folder of them, or a pattern such as `faces-{000..009}.tar`",
    )
}

/// A name for a config: what a run's name may be made of.
fn name(path: &Path) -> String {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let file = real.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let stem = if real.is_dir() { &file } else { file.split('.').next().unwrap_or(&file) };
    let plain = |c: char| if c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c) { c } else { '-' };
    let name: String = stem.chars().map(plain).take(40).collect();
    let name = name.trim_matches(['-', '_', '.']);
    if name.is_empty() { "faces".into() } else { name.to_owned() }
}

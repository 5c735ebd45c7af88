//! A run directory: its file names, and how to find one.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::{RunError, list};
use crate::embed;
use crate::files::{self, FileError};
use crate::mirror::{self, Needed};
use crate::objects::is_address;
use crate::plan::RunPlan;
use crate::spelling;

/// `experiments/<name>-<12 hex>/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDirectory {
    path: PathBuf,
}

/// The files of a run, in the order they are written.
impl RunDirectory {
    /// The config as given.
    pub const CONFIG: &str = "config.yaml";
    /// The plan, whose digest names the run.
    pub const PLAN: &str = "plan.json";
    /// Where the numbers come from.
    pub const PROVENANCE: &str = "provenance.json";
    /// One row a face.
    pub const MANIFEST: &str = "manifest.parquet";
    /// The lists of pairs that came with the dataset, if any did.
    pub const PAIR_LISTS: &str = "pair_lists.parquet";
    /// The dataset's templates, if it has any.
    pub const TEMPLATES: &str = "templates.parquet";
    /// The pairs of templates that it lists.
    pub const TEMPLATE_PAIRS: &str = "template_pairs.parquet";
    /// Which faces the tables of identification protocols make gallery or probe, if there are such tables.
    pub const ROLES: &str = "roles.parquet";
    /// int8: the range of each layer's output, and the faces they come from.
    pub const CALIBRATION: &str = "calibration.json";
    /// Below f32: how far a sample of the embeddings is from f32.
    pub const AGREEMENT: &str = "agreement.json";
    /// Unit rows, in one file.
    pub const EMBEDDINGS: &str = embed::MATRIX;
    /// The index of unit rows in parts.
    pub const EMBEDDINGS_INDEX: &str = embed::MATRIX_INDEX;
    /// Face ids in row order.
    pub const INDEX: &str = "face_embedding_index.csv";
    /// The source's metadata of the embedded rows, in row order.
    pub const METADATA: &str = "face_metadata.csv";
    /// Every face without an embedding, and why.
    pub const FAILURES: &str = "failures.csv";
    /// The numbers.
    pub const METRICS: &str = "metrics.json";
    /// Digest of each file, written last.
    pub const SEALED: &str = "SEALED";

    /// A directory that exists or will be created.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// The directory of a run in a folder of runs, which exists or will be created. Of a folder in an object store, it is the copy
    /// of what is there.
    pub fn in_folder(experiments: &Path, name: &str) -> Result<Self, FileError> {
        if let Some(mirror) = mirror::of(experiments)? {
            mirror.pull(name, Needed::All)?;
        }
        Ok(Self { path: mirror::local(experiments)?.join(name) })
    }

    /// Finds a run by `text`: a path or an address, a name in `experiments`, the name of a config with a single run, or a unique
    /// prefix. A full match wins over a prefix. Fails with [`RunError::NoSuchRun`] with the nearest name,
    /// [`RunError::NotARun`] for another folder, [`RunError::WholeStore`] for a bucket, [`RunError::Ambiguous`] with those
    /// that fit.
    pub fn find(experiments: &Path, text: &str) -> Result<Self, RunError> {
        Self::find_needing(experiments, text, Needed::All)
    }

    /// [`Self::find`] for a command that needs only a part of a run in an object store.
    pub(crate) fn find_needing(experiments: &Path, text: &str, needed: Needed) -> Result<Self, RunError> {
        if let Some((folder, name)) = mirror::split(text)? {
            return Self::find_needing(&folder, &name, needed);
        }
        if is_address(text) {
            return Err(RunError::WholeStore { address: text.into() });
        }
        let run = Self::find_here(experiments, text)?;
        if let Some(mirror) = mirror::of(experiments)?.filter(|mirror| run.folder() == mirror.local()) {
            mirror.pull(&run.name(), needed)?;
            // Another folder in it.
            if !run.has(Self::PLAN) {
                let (text, folder) = (text.into(), experiments.into());
                return Err(RunError::NoSuchRun { text, folder, near: None, empty: false });
            }
        }
        Ok(run)
    }

    /// [`Self::find`], of the runs of an object store by their names there.
    fn find_here(experiments: &Path, text: &str) -> Result<Self, RunError> {
        let mirror = mirror::of(experiments)?;
        let folder = mirror::local(experiments)?;
        let all = match &mirror {
            Some(mirror) => {
                let named = mirror.folders()?.into_iter();
                let all: Vec<_> = named.map(|name| Self { path: folder.join(name) }).collect();
                if let Some(run) = all.iter().find(|run| run.name() == text) {
                    return Ok(run.clone());
                }
                all
            }
            None => Self::list(experiments)?,
        };
        for path in [PathBuf::from(text), folder.join(text)] {
            // Who may not read a run is told so, and not that it is not there.
            if files::is_file(&path.join(Self::PLAN))? {
                // `.` has neither a name nor a folder.
                let nameless = path.file_name().is_none();
                return Ok(Self { path: if nameless { path.canonicalize().unwrap_or(path) } else { path } });
            }
        }
        let of_config: Vec<_> = all.iter().filter(|run| run.config_name() == text).collect();
        let config = !of_config.is_empty();
        // An empty name is usually an unset variable, and a prefix of every run.
        let fitting = if config || text.is_empty() {
            of_config
        } else {
            all.iter().filter(|run| run.name().starts_with(text)).collect()
        };
        match fitting[..] {
            [run] => Ok(run.clone()),
            [] => {
                let folder = [PathBuf::from(text), folder.join(text)].into_iter().find(|path| path.is_dir());
                if let Some(path) = folder.filter(|_| !text.is_empty()) {
                    let holds = !Self::list(&path)?.is_empty();
                    return Err(RunError::NotARun { path, folder: experiments.into(), holds });
                }
                let names: Vec<String> = all.iter().flat_map(|run| [run.name(), run.config_name()]).collect();
                let near = spelling::nearest(text, names.iter().map(String::as_str)).map(str::to_owned);
                let empty = all.is_empty();
                Err(RunError::NoSuchRun { text: text.into(), folder: experiments.into(), near, empty })
            }
            _ => {
                for run in mirror.iter().flat_map(|mirror| fitting.iter().map(move |run| (mirror, run))) {
                    run.0.pull(&run.1.name(), Needed::Summary)?;
                }
                Err(RunError::Ambiguous { text: text.into(), config, runs: list::describe_candidates(&fitting) })
            }
        }
    }

    fn config_name(&self) -> String {
        config_name(&self.name()).to_owned()
    }

    /// All runs of a folder that can be read, sorted by name; none if the folder does not exist.
    pub fn list(experiments: &Path) -> Result<Vec<Self>, FileError> {
        Self::list_where(experiments, Needed::Summary, |path| path.join(Self::PLAN).is_file())
    }

    /// [`Self::list`] of what may be reused: of a folder in an object store, only the runs that have been copied here.
    pub fn list_here(experiments: &Path) -> Result<Vec<Self>, FileError> {
        match mirror::of(experiments)? {
            Some(mirror) => Self::list_in(mirror.local(), |path| path.join(Self::MANIFEST).is_file()),
            None => Self::list(experiments),
        }
    }

    /// [`Self::list`] with the faces of each run.
    pub fn list_with_faces(experiments: &Path) -> Result<Vec<Self>, FileError> {
        Self::list_where(experiments, Needed::Faces, |path| path.join(Self::PLAN).is_file())
    }

    /// [`Self::list`] with the folders named like runs of which it cannot be told, because they may not be looked into.
    pub fn list_with_unreadable(experiments: &Path) -> Result<Vec<Self>, FileError> {
        Self::list_where(experiments, Needed::Summary, |path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            files::is_file(&path.join(Self::PLAN)).unwrap_or_else(|_| is_named_like_a_run(&name))
        })
    }

    fn list_where(experiments: &Path, needed: Needed, is_run: impl Fn(&Path) -> bool) -> Result<Vec<Self>, FileError> {
        if let Some(mirror) = mirror::of(experiments)? {
            for name in mirror.folders()? {
                mirror.pull(&name, needed)?;
            }
        }
        Self::list_in(&mirror::local(experiments)?, is_run)
    }

    fn list_in(folder: &Path, is_run: impl Fn(&Path) -> bool) -> Result<Vec<Self>, FileError> {
        let paths = files::list_if_there(folder)?.into_iter().map(|entry| entry.path());
        let mut runs: Vec<_> = paths.filter(|path| is_run(path)).map(|path| Self { path }).collect();
        runs.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(runs)
    }

    /// The run that a text names, as [`Self::find`] does, or the runs in the folder that it names.
    pub fn named(experiments: &Path, text: &str) -> Result<Vec<Self>, RunError> {
        match Self::find(experiments, text) {
            Err(RunError::NotARun { path, holds: true, .. }) => Ok(Self::list(&path)?),
            found => found.map(|run| vec![run]),
        }
    }

    /// The folder it is in.
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, for people and scripts: its path, or its address in an object store.
    pub fn shown(&self) -> String {
        mirror::shown(&self.path)
    }

    pub fn name(&self) -> String {
        let absolute = std::path::absolute(&self.path).unwrap_or_else(|_| self.path.clone());
        absolute.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// How a command names the run: by its name in the folder that commands look in, otherwise by its path.
    pub fn argument(&self) -> String {
        if self.folder() == Path::new(DEFAULT_FOLDER) {
            return self.name();
        }
        quoted(&self.shown())
    }

    /// How commands that write into the run name it: one that can only be read is copied before.
    pub fn to_write(&self) -> RunToWrite {
        // What every such command opens first. Opening it changes nothing.
        let opened = File::options().write(true).open(self.file(embed::LOCK));
        let refused = opened.is_err_and(|error| FileError::new("open", embed::LOCK)(error).refused());
        if !refused {
            return RunToWrite { before: String::new(), argument: self.argument(), folder: self.folder().to_owned() };
        }
        let path = quoted(&self.path.display().to_string());
        RunToWrite {
            before: format!("mkdir -p {COPIES} && cp -r {path} {COPIES} && "),
            argument: quoted(&format!("{COPIES}/{}", self.name())),
            folder: COPIES.into(),
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Its matrix: the index of the parts, or the one file.
    pub fn matrix(&self) -> PathBuf {
        let parts = self.has(Self::EMBEDDINGS_INDEX);
        self.file(if parts { Self::EMBEDDINGS_INDEX } else { Self::EMBEDDINGS })
    }

    pub fn has(&self, name: &str) -> bool {
        self.file(name).is_file()
    }

    /// Whether a file of this name is made by the evaluation, not by embedding.
    pub fn is_result(name: &str) -> bool {
        let before = [
            Self::CONFIG,
            Self::PLAN,
            Self::PROVENANCE,
            Self::MANIFEST,
            Self::PAIR_LISTS,
            Self::TEMPLATES,
            Self::TEMPLATE_PAIRS,
            Self::ROLES,
            Self::CALIBRATION,
            Self::AGREEMENT,
            Self::METADATA,
        ];
        let exported = embed::TABLES.iter().any(|table| table.file == name);
        !(before.contains(&name) || exported || embed::is_of_matrix(name) || name.starts_with(embed::CHUNKS))
    }

    /// Reads the plan. Fails with [`RunError::PlanChanged`] if it is not the one that the run is named after.
    pub(crate) fn plan(&self) -> Result<RunPlan, RunError> {
        let plan: RunPlan = self.json(Self::PLAN)?;
        let (name, planned) = (self.name(), plan.run_id().to_string());
        // Who has given the directory another name knows that it has.
        if name != planned && is_named_like_a_run(&name) && config_name(&name) == plan.name() {
            return Err(RunError::PlanChanged { path: self.file(Self::PLAN), planned });
        }
        Ok(plan)
    }

    /// Reads one of its JSON files.
    pub fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<T, RunError> {
        let path = self.file(name);
        let bytes = files::read(&path)?;
        serde_json::from_slice(&bytes).map_err(|source| RunError::Json { path, source })
    }

    /// Writes one of its JSON files.
    pub fn write_json<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<(), RunError> {
        Ok(files::commit_bytes(&self.file(name), &self.json_of(name, value)?)?)
    }

    /// What one of its JSON files is to hold.
    pub fn json_of<T: serde::Serialize>(&self, name: &str, value: &T) -> Result<Vec<u8>, RunError> {
        let mut text =
            serde_json::to_vec_pretty(value).map_err(|source| RunError::Json { path: self.file(name), source })?;
        text.push(b'\n');
        Ok(text)
    }
}

/// Where suggested commands copy runs that can only be read.
pub(super) const COPIES: &str = "copies";

/// A run for a command that writes into it.
#[derive(Debug)]
pub struct RunToWrite {
    /// What to run before, up to the command itself; empty for a run that can be written.
    pub before: String,
    /// The run on the command line.
    pub argument: String,
    /// The folder that it is in then.
    pub folder: PathBuf,
}

impl RunToWrite {
    /// The command with this verb.
    pub fn command(&self, verb: &str) -> String {
        format!("{}facevault {verb} {}", self.before, self.argument)
    }
}

/// Where commands look for runs.
pub(crate) const DEFAULT_FOLDER: &str = "experiments";

/// `--experiments DIR` for a suggested command, with a space before it; empty for the folder that commands look in.
pub(crate) fn experiments_option(folder: &Path) -> String {
    if folder == Path::new(DEFAULT_FOLDER) {
        return String::new();
    }
    format!(" --experiments {}", quoted(&mirror::shown(folder)))
}

/// A word of a command line, in quotes where a shell needs them.
pub(crate) fn quoted(word: &str) -> String {
    let plain = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-=/:@+,".contains(c));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// The name of a run's config: that of the run without its digest.
pub(super) fn config_name(run: &str) -> &str {
    run.rsplit_once('-').map_or("", |(config, _)| config)
}

/// Whether a folder has the name of a run: of its config, and twelve digits.
fn is_named_like_a_run(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(config, digits)| {
        !config.is_empty() && digits.len() == 12 && digits.chars().all(|digit| digit.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn experiments(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join(RunDirectory::PLAN), "{}").unwrap();
        }
        folder
    }

    #[test]
    fn a_run_is_found_by_path_name_config_and_unique_prefix() {
        let folder =
            experiments(&["demo-00aa", "demo-11bb", "lfw-33dd", "lfw-box-44ee", "lfw-box-aligned-55ff", "orl-22cc"]);
        let find = |text: &str| RunDirectory::find(folder.path(), text);
        assert_eq!(find("orl").unwrap().name(), "orl-22cc");
        assert_eq!(find("demo-11bb").unwrap().name(), "demo-11bb");
        assert_eq!(find(folder.path().join("demo-00aa").to_str().unwrap()).unwrap().name(), "demo-00aa");
        assert_eq!(find("lfw").unwrap().name(), "lfw-33dd", "the config's name, though others begin with it");
        assert_eq!(find("lfw-box").unwrap().name(), "lfw-box-44ee");
        assert_eq!(find("lfw-box-a").unwrap().name(), "lfw-box-aligned-55ff");
        // None of these has provenance, so all are listed as damaged.
        insta::assert_snapshot!(find("demo").unwrap_err(), @r"
        `demo` is the config of several runs; give the full name of one, or a unique prefix:
          demo-00aa  damaged
          demo-11bb  damaged
        ");
        insta::assert_snapshot!(find("lfw-").unwrap_err(), @r"
        `lfw-` is a prefix of several runs; give the full name of one, or a unique prefix:
          lfw-33dd              damaged
          lfw-box-44ee          damaged
          lfw-box-aligned-55ff  damaged
        ");
        let error = find("deno-11").unwrap_err().to_string().replace(folder.path().to_str().unwrap(), "DIR");
        insta::assert_snapshot!(error, @"no run `deno-11` in DIR; `facevault runs --experiments DIR` lists all runs");
        fs::create_dir(folder.path().join("notes")).unwrap();
        let error = |text: &str| find(text).unwrap_err().to_string().replace(folder.path().to_str().unwrap(), "DIR");
        insta::assert_snapshot!(error("notes"), @"DIR/notes is not a run directory: it has no plan.json; `facevault runs --experiments DIR` lists the runs in DIR");
        insta::assert_snapshot!(error("s3://bucket/"), @"s3://bucket/ is a whole store, not a run: `facevault runs --experiments s3://bucket/` lists its runs");
        insta::assert_snapshot!(error(folder.path().to_str().unwrap()), @"DIR is not a run directory: it has no plan.json; its runs: `facevault runs --experiments DIR`");
    }

    #[test]
    fn a_folder_that_does_not_exist_holds_no_runs() {
        assert!(RunDirectory::list(Path::new("/nowhere/at/all")).unwrap().is_empty());
    }
}

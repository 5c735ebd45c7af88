//! Why a run could not be made, found or read.

use std::path::PathBuf;

use super::{RunToWrite, experiments_option};
use crate::compare::CompareError;
use crate::config::ConfigError;
use crate::dataset::DatasetError;
use crate::detect::DetectError;
use crate::embed::{EmbedError, ExportError, LockError, NotUnit, NpyError, StoreError};
use crate::evaluate::EvaluateError;
use crate::files::FileError;
use crate::hub::HubError;
use crate::identification::RolesError;
use crate::model::ModelError;
use crate::provenance::RunArithmetic;
use crate::results::ResultsError;
use crate::text::{counted, quoted};
use crate::weights::WeightsError;

/// Why a run could not be made, found or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Weights(#[from] WeightsError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    #[error(transparent)]
    Detect(#[from] DetectError),
    #[error(transparent)]
    Model(#[from] ModelError),
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A run that is to be written and can only be read.
    #[error(
        "{error}; the run can only be read: copy it with `{}`, and name the copy, {}", copy.before.trim_end_matches(" && "),
        copy.argument
    )]
    OnlyRead { error: FileError, copy: Box<RunToWrite> },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    NotUnit(#[from] NotUnit),
    #[error(transparent)]
    Export(#[from] ExportError),
    #[error(transparent)]
    Npy(#[from] NpyError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// More pairs of a list are left out than the protocol allows.
    #[error("{error}; the first is pair {pair} of the list, `{}` and `{}`{}", quoted(&names[0]), quoted(&names[1]), match file {
        Some(file) => format!("; {} lists all of them, and why", file.display()),
        None => String::new(),
    })]
    PairsLeftOut {
        error: Box<EvaluateError>,
        /// Its place in the list, from 1.
        pair: usize,
        names: [String; 2],
        /// Where they are listed, unless nothing has been embedded yet.
        file: Option<PathBuf>,
    },
    #[error(transparent)]
    Results(#[from] ResultsError),
    #[error(transparent)]
    Compare(#[from] CompareError),
    #[error("no run `{text}` in {}{}", folder.display(), match near {
        Some(near) => format!("; did you mean `{near}`? `facevault runs{}` lists all runs", experiments_option(folder)),
        None if *empty => {
            format!("; it holds no runs: create one with `facevault experiment CONFIG{}`", experiments_option(folder))
        }
        None => format!("; `facevault runs{}` lists all runs", experiments_option(folder)),
    })]
    NoSuchRun { text: String, folder: PathBuf, near: Option<String>, empty: bool },
    /// A folder that exists, without a run in it; `holds` if its subfolders are runs.
    #[error("{} is not a run directory: it has no plan.json; {}", path.display(), if *holds {
        format!("its runs: `facevault runs{}`", experiments_option(path))
    } else {
        format!("`facevault runs{}` lists the runs in {}", experiments_option(folder), folder.display())
    })]
    NotARun { path: PathBuf, folder: PathBuf, holds: bool },
    /// The address of a bucket, which has no name of a run in it.
    #[error("{address} is a whole store, not a run: `facevault runs --experiments {address}` lists its runs")]
    WholeStore { address: String },
    /// Several runs belong to this config or have this prefix.
    #[error(
        "`{text}` {} several runs; give the full name of one, or a unique prefix:\n{}",
        if *config { "is the config of" } else { "is a prefix of" },
        runs.join("\n")
    )]
    Ambiguous {
        text: String,
        /// Whether it is the whole name of their config.
        config: bool,
        /// The runs, one per line: name, state, last activity; most recent first.
        runs: Vec<String>,
    },
    /// A JSON file does not have the form that this version writes.
    #[error("{} is not in the format of this facevault version: {source}", path.display())]
    Json { path: PathBuf, source: serde_json::Error },
    #[error("{} line {line}: expected `<sha256>  <file>`; the seal is damaged: `facevault embed` and \
             `facevault evaluate` check the run's chunks, make the rest again, and seal it", path.display())]
    Seal { path: PathBuf, line: usize },
    /// Files of a run differ from its seal, or from each other.
    #[error("{run} is damaged: {}; {remedy}", listed(files))]
    Damaged { run: String, files: Vec<String>, remedy: String },
    #[error("{run} is not {missing} yet; {remedy}")]
    NotYet { run: String, missing: &'static str, remedy: String },
    /// An evaluated run without two kinds of pairs.
    #[error(
        "{run} has no metrics, because nothing in it could be compared; `{command}` says why, and a \
         dataset with two pictures of each of two people or more has a report"
    )]
    NothingCompared { run: String, command: String },
    #[error("{} contradicts the rest of the run: {rule}; `facevault verify` lists every problem", path.display())]
    Inconsistent { path: PathBuf, rule: String },
    #[error(
        "{}: {rule}; an int8 run keeps its original ranges: restore the file, or delete the run's directory to start \
         over",
        path.display()
    )]
    Calibration { path: PathBuf, rule: String },
    #[error(
        "{}: {rule}; restore it, or remove it: `facevault embed {argument}` measures it again", path.display()
    )]
    Agreement { path: PathBuf, rule: &'static str, argument: String },
    /// This machine's arithmetic differs from the one that started the run.
    #[error(
        "{run} was started with {} (arithmetic {}); this is {} (arithmetic {}): resuming here would mix the two in \
         one run. {}, or delete {} to start over here",
        begun.machine(),
        begun.fingerprint.short(12),
        here.machine(),
        here.fingerprint.short(12),
        resume_advice(begun, here),
        path.display()
    )]
    OtherArithmetic { run: String, path: PathBuf, begun: Box<RunArithmetic>, here: Box<RunArithmetic> },
    /// A run whose embeddings no workers can share out.
    #[error("{run} cannot be shared out: {reason}; run `facevault experiment` with its config")]
    NotShared { run: String, reason: &'static str },
    #[error("{run} is not prepared for workers: run `facevault prepare` with its config first, on one machine")]
    NotPrepared { run: String },
    #[error("{}: {rule}; run `facevault prepare` with the run's config again: what is committed stays", path.display())]
    PreparedDamaged { path: PathBuf, rule: String },
    /// A plan that is not the one that its run is named after.
    #[error(
        "{} has changed: it is the plan of {planned}; restore it, or run `facevault prepare` or `facevault experiment`, whichever \
         made the run, with its config again: it is written anew, and what is committed stays", path.display()
    )]
    PlanChanged { path: PathBuf, planned: String },
    /// This machine would compute something else than what was prepared.
    #[error(
        "{run} was prepared as another run than its config gives on this machine: {changed}; use the same program, and \
         the same weights and device, as where it was prepared"
    )]
    OtherPlan { run: String, changed: String },
    #[error(
        "{run}: its pictures are in {}, which is no folder on {host}; mount it there, or prepare the run with the dataset, or HF_HOME \
         for one on the Hub, in a folder that all machines share", root.display()
    )]
    NoPictures { run: String, root: PathBuf, host: String },
    /// Two workers committed different content for one chunk.
    #[error(
        "chunk {chunk:05}: {theirs} committed other content than {mine} computed ({}); one of them computes or reads wrongly: \
         find out which, remove both files of the chunk, and start the shard again", path.display()
    )]
    WorkersDiffer { path: PathBuf, chunk: usize, mine: String, theirs: String },
    /// A matrix that no sidecar commits.
    #[error(
        "chunk {chunk:05}: {} is not committed, and differs from what {mine} computed: it is damaged, or another worker that \
         is at this chunk computes or reads wrongly; when no worker is at it, `facevault finish` removes it, and the shard \
         can be started again", path.display()
    )]
    MatrixDiffers { path: PathBuf, chunk: usize, mine: String },
    #[error(
        "{run} lacks {missing} of {}: {}",
        counted(*chunks, "chunk"),
        if *prepared {
            format!("`facevault missing {argument} --shards N` prints which of N shards to start again")
        } else {
            format!("run `facevault embed {argument}`")
        }
    )]
    ShardsMissing {
        run: String,
        argument: String,
        missing: usize,
        chunks: usize,
        /// Whether workers can embed it.
        prepared: bool,
    },
    #[error(
        "{run} no longer matches its config: {changed}. The config now stands for {other}: make it with `{command}`; \
         {remedy}"
    )]
    AnotherRun { run: String, changed: String, other: String, command: String, remedy: String },
    /// A run whose directory has another name than its plan.
    #[error("{run} is {own}, renamed or copied, and a run is embedded under its own name: {remedy}")]
    Renamed { run: String, own: String, remedy: String },
    /// A precision below f32 without any face to calibrate and compare it on.
    #[error(
        "`embed.precision: {precision}` is calibrated and compared with f32 on a sample ({rule}), and none of its \
         faces can be embedded; run `facevault embed` with `precision: f32` to list the reasons in failures.csv"
    )]
    NoSample { rule: &'static str, precision: &'static str },
    #[error("{run} has no face `{face_id}`{}", match near {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    })]
    NoSuchFace { run: String, face_id: String, near: Option<String> },
    #[error("{run} has no identity `{identity}`{}", match near {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    })]
    NoSuchIdentity { run: String, identity: String, near: Option<String> },
    /// An identity where a face is expected, or the reverse.
    #[error("{run} has no {what} `{name}`; {remedy}")]
    OfAnotherKind { run: String, what: &'static str, name: String, remedy: String },
    /// A name that is unknown after a removal that was finished first; it knew rows, no names.
    #[error(
        "the interrupted removal is finished; {run} has no {what} `{name}` now: it was part of that removal, or never there"
    )]
    NotAfterAll { run: String, what: &'static str, name: String },
    /// All faces of a run are to be forgotten.
    #[error(
        "these are all faces of {run}: delete {} instead, its pages in the reports folder, and the `.cache` beside it",
        path.display()
    )]
    NothingLeft { run: String, path: PathBuf },
    /// Removing faces was interrupted.
    #[error("removing faces from {run} was interrupted: finish it with `{command}`")]
    Forgetting { run: String, command: String },
    /// Removing faces from a run in a store has begun on another machine, and some of them are gone there.
    #[error(
        "another machine is removing faces from {run}, and only it can end that: run `facevault forget {argument}` there; if \
         it is lost, delete the run"
    )]
    ForgettingElsewhere { run: String, argument: String },
    /// Faces were removed from a run that would have to be embedded again.
    #[error(
        "{faces} removed from {run}, and it is not embedded again, because that could bring them \
         back; `{command}` computes its statistics anew. To embed what is left, take what was removed out of \
         the dataset: then the config stands for a run of its own; to embed all of the dataset after all, give the run another \
         name (`--set name=…`)"
    )]
    Forgotten { run: String, command: String, faces: String },
    #[error("face `{face_id}` of {run} has no embedding: {reason}; failures.csv of the run lists all such faces")]
    FailedFace { run: String, face_id: String, reason: String },
    #[error(
        "no face has a box (of {faces}), so a crop by box would take whole pictures; their shorter side is \
         {side} pixels (median of a sample) and the network's input has {size}, so these seem to be photos in which \
         the face is only a part; {remedy}"
    )]
    WholePhotos { faces: u64, side: u32, size: u32, remedy: String },
    #[error("no face has landmarks (of {faces}), by which `preprocess.crop: {{mode: align}}` aligns them; {remedy}")]
    NoLandmarks { faces: usize, remedy: &'static str },
    #[error(
        "{run} was tested by `{protocol}` on a different list of pairs, so decisions cannot be compared pair by pair; \
         use another metric for the ablation, or the dataset's own list in every step"
    )]
    OtherPairs { run: String, protocol: String },
    /// Variants of an ablation that cannot be compared search by search or pair by pair.
    #[error(
        "the variants cannot be compared by `{metric}`: they search other galleries or other templates, or have too few \
         searches or pairs for it; take another metric, or leave gallery, probes and templates alone in every step"
    )]
    OtherTrials { metric: String },
    /// An identification protocol without a gallery or without probes.
    #[error("protocol `{protocol}`: {source}")]
    Roles { protocol: String, source: RolesError },
    /// A variant of an ablation lacks the protocol that the metric belongs to.
    #[error(
        "{run} has no protocol `{protocol}`, which the ablation's metric needs; no step may remove it from `protocols`"
    )]
    NoProtocol { run: String, protocol: String },
    /// `--fresh`, and a run that another build may have embedded.
    #[error(
        "`--fresh` replaces no run: {run} {how}, and this build is {here}; give the new run a name \
         (`--set name=…`) or a folder (`--experiments DIR`) of its own, or delete {}",
        path.display()
    )]
    NotFresh { run: String, path: PathBuf, how: String, here: String },
    /// Something that runs cannot be sorted or selected by.
    #[error(
        "runs have no `{key}`{}; they are sorted and selected by name, date, state, dataset, network, precision, profile, \
         crop, weights, faces, embedded, speed, any metric that `expect` names, such as eer or tar@fmr=1e-3, and any key of \
         plan.json",
        match near {
            Some(near) => format!("; did you mean `{near}`?"),
            None => String::new(),
        }
    )]
    UnknownKey { key: String, near: Option<String> },
    #[error("`{key}` is compared with {wanted}, this is `{value}`")]
    NotComparable { key: String, value: String, wanted: &'static str },
    /// A folder of runs that somebody named and that is not there.
    #[error(
        "there is no folder {}; name the folder of runs with --experiments, or create a run with `facevault experiment \
         CONFIG{}`",
        folder.display(), experiments_option(folder)
    )]
    NoFolder { folder: PathBuf },
    /// A folder for what a command makes, in a run.
    #[error(
        "{} is inside the run {}, where every file counts: start the command in another folder, or name one with {option}",
        path.display(), run.display()
    )]
    InsideRun { path: PathBuf, run: PathBuf, option: &'static str },
    /// A run that is watched and that nobody works on.
    #[error("{run} {what}; to continue it: {remedy}")]
    Abandoned { run: String, what: String, remedy: String },
    #[error("interrupted; {resume}")]
    Interrupted { resume: String },
}

impl RunError {
    /// Whether the command line or the config has to change, because it is wrong or names something that does not
    /// exist.
    pub fn usage(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Compare(_)
                | Self::Model(ModelError::Given)
                | Self::NoSuchRun { .. }
                | Self::NotARun { .. }
                | Self::WholeStore { .. }
                | Self::Ambiguous { .. }
                | Self::NoSuchFace { .. }
                | Self::FailedFace { .. }
                | Self::NoSuchIdentity { .. }
                | Self::OfAnotherKind { .. }
                | Self::NotAfterAll { .. }
                | Self::Forgetting { .. }
                | Self::ForgettingElsewhere { .. }
                | Self::NothingLeft { .. }
                | Self::Forgotten { .. }
                | Self::NotFresh { .. }
                | Self::UnknownKey { .. }
                | Self::NotComparable { .. }
                | Self::NoFolder { .. }
                | Self::InsideRun { .. }
        )
    }

    /// Whether the work was stopped on request, whichever part noticed.
    pub fn interrupted(&self) -> bool {
        matches!(
            self,
            Self::Interrupted { .. }
                | Self::Hub(HubError::Interrupted)
                | Self::Weights(WeightsError::Hub(HubError::Interrupted))
                | Self::Detect(
                    DetectError::Interrupted | DetectError::Weights(WeightsError::Hub(HubError::Interrupted))
                )
                | Self::Dataset(DatasetError::Interrupted | DatasetError::Hub(HubError::Interrupted))
                | Self::Evaluate(EvaluateError::Interrupted)
        )
    }
}

/// The first of the damaged files, and how many others there are.
fn listed(files: &[String]) -> String {
    const SHOWN: usize = 3;
    let others = files.len().saturating_sub(SHOWN);
    let first = files.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("; ");
    if others == 0 { first } else { format!("{first}; and {} more", counted(others, "file")) }
}

/// How to resume a run that this machine computes differently.
fn resume_advice(begun: &RunArithmetic, here: &RunArithmetic) -> &'static str {
    if begun.machine() == here.machine() {
        "The machine is the same, so either facevault was rebuilt or an int8 run's `calibration.json` was changed: \
         restore the original"
    } else {
        "Resume it where it was started"
    }
}

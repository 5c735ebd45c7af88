//! Why a run could not be made, found or read.

use std::path::PathBuf;

use crate::compare::CompareError;
use crate::config::ConfigError;
use crate::dataset::DatasetError;
use crate::embed::{EmbedError, ExportError, LockError, NpyError, StoreError};
use crate::evaluate::EvaluateError;
use crate::files::FileError;
use crate::hub::HubError;
use crate::model::ModelError;
use crate::provenance::RunArithmetic;
use crate::results::ResultsError;
use crate::weights::WeightsError;

/// Why a run could not be made, found or read.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A file of the run.
    #[error(transparent)]
    File(#[from] FileError),
    /// The stored config.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The Hub.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// The dataset.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The network or its device.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Another process works on the run.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The chunks.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The embedding.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The hand-over files.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// The embedding matrix.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// The statistics.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// The files that the statistics are kept in.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The comparison.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// No run has this name.
    #[error("no run `{text}` in {}{}", folder.display(), match near {
        Some(near) => format!("; did you mean `{near}`? `facevault runs` lists all runs"),
        None if *empty => "; it holds no runs: create one with `facevault experiment CONFIG`".into(),
        None => "; `facevault runs` lists all runs".into(),
    })]
    NoSuchRun {
        /// What was asked for.
        text: String,
        /// Where it was looked for.
        folder: PathBuf,
        /// A name or a config that may have been meant.
        near: Option<String>,
        /// Whether there are no runs at all.
        empty: bool,
    },
    /// Several runs belong to this config or have this prefix.
    #[error(
        "`{text}` {} several runs; give the full name of one, or a unique prefix:\n{}",
        if *config { "is the config of" } else { "is a prefix of" },
        runs.join("\n")
    )]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// Whether it is the whole name of their config.
        config: bool,
        /// The runs, one per line: name, state, last activity; most recent first.
        runs: Vec<String>,
    },
    /// A JSON file does not have the form that this version writes.
    #[error("{} is not in the format of this facevault version: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// `SEALED` is damaged.
    #[error("{} line {line}: expected `<sha256>  <file>`; the seal is damaged, so `facevault verify` cannot use it", path.display())]
    Seal {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// A step whose input does not exist yet.
    #[error("{run} is not {missing} yet; {remedy}")]
    NotYet {
        /// The run.
        run: String,
        /// What it lacks: "embedded", "evaluated".
        missing: &'static str,
        /// The command that makes it.
        remedy: String,
    },
    /// A run whose parts contradict each other.
    #[error("{} contradicts the rest of the run: {rule}; `facevault verify` lists every problem", path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// The rule that is broken.
        rule: String,
    },
    /// `calibration.json` cannot be used.
    #[error(
        "{}: {rule}; an int8 run keeps its original ranges: restore the file, or delete the run's directory to start \
         over",
        path.display()
    )]
    Calibration {
        /// The file.
        path: PathBuf,
        /// The rule that is broken.
        rule: String,
    },
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
    OtherArithmetic {
        /// The run.
        run: String,
        /// Its directory.
        path: PathBuf,
        /// The arithmetic that started it.
        begun: Box<RunArithmetic>,
        /// The arithmetic that would resume it.
        here: Box<RunArithmetic>,
    },
    /// A run's own config now stands for another run.
    #[error(
        "{run} no longer matches its config: {changed}. The config now stands for {other}: make it with `{command}`; \
         {remedy}"
    )]
    AnotherRun {
        /// The run.
        run: String,
        /// What differs, in words.
        changed: String,
        /// The run that the config now stands for.
        other: String,
        /// The command that makes that run.
        command: String,
        /// How to resume the original run.
        remedy: String,
    },
    /// A precision below f32 without any face to calibrate and compare it on.
    #[error(
        "`embed.precision: {precision}` is calibrated and compared with f32 on a sample ({rule}), and none of its \
         faces can be embedded; run `facevault embed` with `precision: f32` to list the reasons in failures.csv"
    )]
    NoSample {
        /// The sample, in words.
        rule: &'static str,
        /// Which precision.
        precision: &'static str,
    },
    /// A face that the run does not have.
    #[error("{run} has no face `{face_id}`{}", match near {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    })]
    NoSuchFace {
        /// The run.
        run: String,
        /// The id asked for.
        face_id: String,
        /// The id most like it.
        near: Option<String>,
    },
    /// A face that could not be embedded.
    #[error("face `{face_id}` of {run} has no embedding: {reason}")]
    FailedFace {
        /// The run.
        run: String,
        /// The id.
        face_id: String,
        /// Why, as `failures.csv` says.
        reason: String,
    },
    /// Whole photos under a crop by box.
    #[error(
        "none of the {faces} faces has a box, so a crop by box would take whole pictures; their shorter side is \
         {side} pixels (median of a sample) and the network's input has {size}, so these seem to be photos in which \
         the face is only a part; {remedy}"
    )]
    WholePhotos {
        /// Faces.
        faces: u64,
        /// Median of the shorter sides, pixels.
        side: u32,
        /// Side of the network's input, pixels.
        size: u32,
        /// What to change in the config.
        remedy: String,
    },
    /// A variant of an ablation was tested on other pairs.
    #[error(
        "{run} was tested by `{protocol}` on a different list of pairs, so decisions cannot be compared pair by pair; \
         use another metric for the ablation, or the dataset's own list in every step"
    )]
    OtherPairs {
        /// The run.
        run: String,
        /// The protocol.
        protocol: String,
    },
    /// A variant of an ablation lacks the protocol that the metric belongs to.
    #[error(
        "{run} has no protocol `{protocol}`, which the ablation's metric needs; no step may remove it from `protocols`"
    )]
    NoProtocol {
        /// The run.
        run: String,
        /// The protocol.
        protocol: String,
    },
    /// Stopped on request.
    #[error("interrupted; {resume}")]
    Interrupted {
        /// How to resume.
        resume: String,
    },
}

impl RunError {
    /// Whether the command line or the config has to change, because it is wrong or names something that does not
    /// exist.
    #[must_use]
    pub fn usage(&self) -> bool {
        matches!(
            self,
            Self::Config(_)
                | Self::Compare(_)
                | Self::NoSuchRun { .. }
                | Self::Ambiguous { .. }
                | Self::NoSuchFace { .. }
        )
    }

    /// Whether the work was stopped on request, whichever part noticed.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        matches!(
            self,
            Self::Interrupted { .. }
                | Self::Hub(HubError::Interrupted)
                | Self::Weights(WeightsError::Hub(HubError::Interrupted))
                | Self::Dataset(DatasetError::Interrupted | DatasetError::Hub(HubError::Interrupted))
                | Self::Evaluate(EvaluateError::Interrupted)
        )
    }
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

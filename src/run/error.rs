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
use crate::provenance::Arithmetic;
use crate::report::ReportError;
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
    /// The comparison.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// The report.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// No run has this name.
    #[error("there is no run `{text}` in {}{}", folder.display(), match near {
        Some(near) => format!("; did you mean `{near}`? `facevault runs` lists all"),
        None if *empty => "; the folder holds no runs: `facevault experiment CONFIG` makes one".into(),
        None => "; `facevault runs` lists all".into(),
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
    /// Several runs are of this config, or have this prefix.
    #[error(
        "`{text}` {} several runs; write the name of one, or as much of it as no other has:\n{}",
        if *config { "is the config of" } else { "begins the names of" },
        runs.join("\n")
    )]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// Whether it is the whole name of their config.
        config: bool,
        /// The runs, a line each: name, how far it is, when it was worked on; the last one first.
        runs: Vec<String>,
    },
    /// A JSON file does not have the form that this version writes.
    #[error("{} is not what this version of facevault writes: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: serde_json::Error,
    },
    /// `SEALED` is damaged.
    #[error("{} line {line}: expected `<sha256>  <file>`; the seal is damaged, `facevault verify` cannot use it", path.display())]
    Seal {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
    },
    /// A step was asked for whose input is not there.
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
    #[error("{} contradicts the rest of the run: {rule}; `facevault verify` lists all that is wrong", path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// The rule that is broken.
        rule: String,
    },
    /// `calibration.json` cannot be used.
    #[error(
        "{}: {rule}; an int8 run keeps the ranges that it was started with: restore the file, or delete the run's \
         directory to start again",
        path.display()
    )]
    Calibration {
        /// The file.
        path: PathBuf,
        /// The rule that is broken.
        rule: String,
    },
    /// This machine would go on with a run by other arithmetic than it was begun by.
    #[error(
        "{run} was begun by {}, whose arithmetic is {}; this is {}, whose arithmetic is {}: going on here would mix the two in \
         one run. {}, or delete {} to begin afresh here",
        begun.machine(),
        begun.fingerprint.short(12),
        here.machine(),
        here.fingerprint.short(12),
        way_on(begun, here),
        path.display()
    )]
    OtherArithmetic {
        /// The run.
        run: String,
        /// Its directory.
        path: PathBuf,
        /// What it was begun by.
        begun: Box<Arithmetic>,
        /// What would go on with it.
        here: Box<Arithmetic>,
    },
    /// A run's own config is another run by now.
    #[error(
        "{run} is not what its config names any more: {changed}. With what is there now it names {other}: `{command}` makes \
         that; {remedy}"
    )]
    AnotherRun {
        /// The run.
        run: String,
        /// What differs, in words.
        changed: String,
        /// What the config names now.
        other: String,
        /// The command that makes that.
        command: String,
        /// How to go on with the run all the same.
        remedy: String,
    },
    /// A precision below f32, and not one face to calibrate and compare it on.
    #[error(
        "`embed.precision: {precision}` is calibrated and compared with f32 on a sample ({rule}), and no face of it \
         can be embedded; `facevault embed` with `precision: f32` lists in `failures.csv` why"
    )]
    NoSample {
        /// Which faces, in words.
        rule: &'static str,
        /// Which precision.
        precision: &'static str,
    },
    /// A face that the run does not have.
    #[error("{run} has no face `{face_id}`{}", match near {
        Some(near) => format!("; the nearest id is `{near}`"),
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
        "none of the {faces} faces has a box, and a crop by box would take their whole pictures, whose shorter side is \
         {side} pixels (median of a sample) where the network's input has {size}: photos, it seems, of which the face is only \
         a part; {ways_out}"
    )]
    WholePhotos {
        /// Faces.
        faces: u64,
        /// Median of the shorter sides, pixels.
        side: u32,
        /// Side of the network's input, pixels.
        size: u32,
        /// What a config may say instead.
        ways_out: String,
    },
    /// A variant of an ablation was tested on other pairs.
    #[error(
        "{run} was tested by `{protocol}` on another list of pairs, so that decisions cannot be compared pair by pair; judge \
         the ablation by another metric, or leave the list to the dataset in all steps"
    )]
    OtherPairs {
        /// The run.
        run: String,
        /// The protocol.
        protocol: String,
    },
    /// A variant of an ablation lacks the protocol that it is judged by.
    #[error(
        "{run} has no protocol `{protocol}`, by which the ablation judges; a step must not take it out of `protocols`"
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
        /// How to go on.
        resume: String,
    },
}

impl RunError {
    /// Whether the command line or the config has to change: it names what is not there, or what contradicts itself.
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

    /// Whether the work was stopped on request, by whichever part noticed.
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

/// How to go on with a run that this machine computes otherwise.
fn way_on(begun: &Arithmetic, here: &Arithmetic) -> &'static str {
    if begun.machine() == here.machine() {
        "The machine is the same, so either facevault was rebuilt or an int8 run's `calibration.json` was changed: restore the \
         original"
    } else {
        "Go on with it where it was begun"
    }
}

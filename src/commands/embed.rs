//! `embed CONFIG|RUN`: embeds without evaluating.

use schemars::JsonSchema;
use serde::Serialize;

use super::shared::{any_embedded, donors, interrupted, left_out, reuse_options};
use super::{options_to_repeat, print, with_context};
use crate::agreement::PrecisionAgreement;
use crate::cli::EmbedArgs;
use crate::config::{self, Loaded};
use crate::dataset::LeftOut;
use crate::embed::{EmbedOutcome, EmbedSummary};
use crate::error::{CommandOutcome, Error};
use crate::mirror::Needed;
use crate::provenance::RunArithmetic;
use crate::run::{self, Failures, MissingBoxes, RunDirectory, RunError};
use crate::shard::Shard;
use crate::text::counted;

/// What `embed --json` prints, and `experiment --json` among the rest.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EmbedOutput {
    /// The run's name.
    run: String,
    /// Its directory.
    pub directory: String,
    /// Faces of the manifest.
    faces: usize,
    /// Faces with an embedding.
    embedded: usize,
    /// Faces without one.
    failed: usize,
    /// Why, if any failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<Failures>,
    /// Faces that were embedded before this start.
    resumed: usize,
    /// Embeddings taken from other runs with some of the same faces. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reused: Vec<ReusedFrom>,
    /// Files in the dataset's folders that are not faces, counted by reason.
    #[serde(skip_serializing_if = "LeftOut::is_empty")]
    left_out: LeftOut,
    /// Faces without a box, whose whole picture was embedded, if that is a caution.
    #[serde(skip_serializing_if = "Option::is_none")]
    without_box: Option<u64>,
    #[serde(skip)]
    pub caution: Option<String>,
    /// Below f32: how far a sample of the embeddings is from f32.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<PrecisionAgreement>,
    /// What computed the embeddings.
    #[serde(skip_serializing_if = "Option::is_none")]
    arithmetic: Option<RunArithmetic>,
}

/// Embeddings of another run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReusedFrom {
    /// The run's name.
    run: String,
    /// How many.
    rows: u64,
}

impl EmbedOutput {
    pub fn new(run: &RunDirectory, summary: &EmbedSummary, whole: Option<MissingBoxes>) -> Result<Self, RunError> {
        Ok(Self {
            run: run.name(),
            directory: run.shown(),
            faces: summary.rows,
            embedded: summary.embedded,
            failed: summary.failed,
            failures: run::failures(run)?,
            resumed: summary.resumed,
            reused: run::reused(run)?.into_iter().map(|(run, rows)| ReusedFrom { run, rows }).collect(),
            left_out: run::left_out(run)?,
            without_box: whole.map(|whole| whole.without_box),
            caution: whole.map(|whole| whole.sentence()),
            agreement: run::agreement(run)?,
            arithmetic: run::arithmetic(run)?,
        })
    }

    /// The counts, a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines =
            vec![format!("{} of {} embedded, {} failed", self.embedded, counted(self.faces, "face"), self.failed)];
        lines.extend(
            self.reused
                .iter()
                .map(|ReusedFrom { run, rows }| format!("reused  {} of {run}", counted(*rows, "embedding"))),
        );
        lines.extend(left_out(&self.left_out));
        lines
    }
}

/// What to embed.
enum EmbedTarget {
    Config(Box<Loaded>),
    Run(RunDirectory),
}

pub(super) fn run(arguments: &EmbedArgs) -> Result<CommandOutcome, Error> {
    if let Some(shard) = arguments.shard {
        return embed_shard(arguments, shard.resolve().map_err(Error::Usage)?);
    }
    let config =
        || config::load(&arguments.target, &arguments.overrides).map(|loaded| EmbedTarget::Config(loaded.into()));
    let built_in = config::is_built_in(&arguments.target);
    let target = if arguments.target.is_file() || built_in && !arguments.overrides.is_empty() {
        config()?
    } else if arguments.overrides.is_empty() {
        match RunDirectory::find(&arguments.common.experiments, &arguments.target.to_string_lossy()) {
            Err(RunError::NoSuchRun { .. }) if built_in => config()?,
            run => EmbedTarget::Run(run?),
        }
    } else {
        return Err(Error::Usage(format!(
            "--set needs a config file, and {} is not one; a run keeps the config it was made from",
            arguments.target.display()
        )));
    };
    let options = options_to_repeat(&arguments.common, &arguments.overrides);
    let donors = donors(&arguments.reuse, &arguments.common.experiments)?;
    let alone = reuse_options(&arguments.reuse);
    let again = format!("to resume: facevault embed {}{alone}{options}", arguments.target.display());
    with_context(&arguments.common, &again, |context| {
        let prepared = match target {
            EmbedTarget::Config(loaded) => context.prepare(&arguments.target, *loaded),
            EmbedTarget::Run(run) => context.prepare_existing(&run),
        };
        let prepared = match prepared {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            other => other?,
        };
        let prepared = prepared.reusing(donors);
        let (run, whole) = (prepared.directory.clone(), prepared.missing_boxes);
        match context.embed(prepared) {
            Err(error) if error.interrupted() => Ok(interrupted(&again)),
            Err(error) => Err(error.into()),
            Ok(EmbedOutcome::Interrupted(_)) => Ok(interrupted(&again)),
            Ok(EmbedOutcome::Complete(summary)) => {
                let done = EmbedOutput::new(&run, &summary, whole)?;
                print(&arguments.common, &done, || {
                    let mut lines = done.lines();
                    lines.extend(done.agreement.iter().flat_map(PrecisionAgreement::lines));
                    lines.extend(done.caution.clone());
                    lines.push(format!("run     {}", done.directory));
                    lines.join("\n")
                })?;
                any_embedded(&run, summary.rows, summary.embedded)?;
                Ok(CommandOutcome::Done)
            }
        }
    })
}

fn embed_shard(arguments: &EmbedArgs, shard: Shard) -> Result<CommandOutcome, Error> {
    let options = options_to_repeat(&arguments.common, &[]);
    let target = arguments.target.to_string_lossy();
    let again = format!("to resume: facevault embed {target} --shard {shard}{options}");
    with_context(&arguments.common, &again, |context| {
        let run = RunDirectory::find_needing(context.experiments, &target, Needed::Worker)?;
        let done = match context.embed_shard(&run, shard) {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            other => other?,
        };
        let Some(done) = done.filter(|done| done.complete) else { return Ok(interrupted(&again)) };
        print(&arguments.common, &done, || {
            let faces = counted(done.faces, "face");
            format!("shard {shard} of {}: {} of {faces} embedded, {} failed", done.run, done.embedded, done.failed)
        })?;
        Ok(CommandOutcome::Done)
    })
}

//! The command line: types only, no logic.

#![allow(rustdoc::invalid_html_tags, reason = "doc comments here are help text for a terminal")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use serde::de::DeserializeOwned;

use crate::model::{BatchSize, DeviceKind, Kernels, Precision};
use crate::throughput::{Choice, Reference};

/// Face embeddings you can trust: pinned weights, exact row order, honest similarity statistics.
///
/// A YAML config goes in; a run directory comes out (experiments/<name>-<12 hex>/: embeddings, index, metrics, digests)
/// and a report (reports/<run>.html). The same plan always has the same directory: starting it again resumes it, starting
/// a finished one says so.
#[derive(Debug, Parser)]
#[command(name = "facevault", version, max_term_width = 110, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
Examples:
  facevault experiment configs/demo.yaml                 offline demo: embed, evaluate, report
  facevault check configs/vggface2.yaml                  what would be downloaded and computed
  facevault experiment configs/vggface2.yaml --set 'dataset={source: folders, root: /data/faces}'
  facevault compare demo-3fa9 vggface2-81c2              what differs, and by how much

Exit codes, the same for all commands:
    0  done; single faces without an embedding are named on standard error, with the reasons
    1  failed: not one face was embedded, or this machine, its network or its disk lacks what it takes
    2  the command line or the config is wrong, or names a run or a face that is not there
    3  done, and an expectation was not met or could not be judged
    4  verification found damage
    5  a run is worse than the reference (compare --fail-on-regression)
  130  interrupted (start again to resume)";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs all steps: fetch, embed, evaluate, report. Resumes what was interrupted.
    Experiment(ExperimentArgs),
    /// Embeds only: a config, or a run directory to resume.
    Embed(EmbedArgs),
    /// Recomputes the statistics of an embedded run.
    Evaluate(RunArgs),
    /// Renders the report of an evaluated run.
    Report(RunArgs),
    /// Downloads weights and data of a config, checks their digests, computes nothing.
    Fetch(ConfigArgs),
    /// Validates a config and prints the plan and what would be downloaded. Downloads and computes nothing.
    Check(ConfigArgs),
    /// Recomputes every digest and invariant of a run.
    Verify(RunArgs),
    /// Shows one face: row, identity, norm, nearest neighbours.
    Lookup(LookupArgs),
    /// Lists all runs with their headline metrics.
    Runs(RunsArgs),
    /// Compares two runs or more on the faces they share: what differs, by how much, and whether that can be told from
    /// chance.
    Compare(CompareArgs),
    /// Says what each choice of a config costs: computes it with and without, on the same pairs of the same faces.
    Ablate(AblateArgs),
    /// Runs experiments and writes what they gave, with digests, into the table of a document.
    Reproduce(ReproduceArgs),
    /// Measures how many faces a second a config's network embeds here, and how exactly, variant by variant.
    Throughput(Box<ThroughputArgs>),
}

/// Where runs and reports are kept, and how results are printed.
#[derive(Debug, Args)]
pub struct CommonArgs {
    /// Folder of run directories.
    #[arg(long, value_name = "DIR", default_value = "experiments")]
    pub experiments: PathBuf,
    /// Folder of rendered reports.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports: PathBuf,
    /// Prints the result as one JSON object on standard output.
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error; what goes wrong is still said.
    #[arg(long, short)]
    pub quiet: bool,
}

/// A config with overrides.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// The experiment's YAML file.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Overrides a config key, e.g. `embed.batch_size=64`; the value is YAML, relative paths start in the current
    /// folder. May be repeated. Recorded with the run.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

/// Arguments of `experiment`.
#[derive(Debug, Args)]
pub struct ExperimentArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub config: ConfigArgs,
}

/// Arguments of `embed`.
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// A config file, or a run to resume: its directory, its name, its config's name, or a prefix that only one run has.
    #[arg(value_name = "CONFIG|RUN")]
    pub target: PathBuf,
    /// Overrides a config key; only with a config file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

/// One run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Run directory, its name, its config's name, or a prefix that only one run has.
    #[arg(value_name = "RUN")]
    pub run: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

/// Arguments of `lookup`.
#[derive(Debug, Args)]
pub struct LookupArgs {
    /// Run directory, its name, its config's name, or a prefix that only one run has.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The face.
    #[arg(value_name = "FACE_ID")]
    pub face_id: String,
    /// Number of neighbours.
    #[arg(long, short = 'k', default_value_t = 10)]
    pub neighbours: usize,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const COMPARE_HELP: &str = "\
Faces are matched by face_id; one whose identity, image or content differs between the runs is left out. All runs are \
asked the same pairs, by the first run's similarity options and seed, and resampled with the same people, so that the \
interval of a difference is that of the difference and not of two numbers. A metric is better or worse when that whole \
interval is; otherwise the faces cannot tell. Takes as long as evaluating each run, and memory for two embedding matrices.

As a gate: with --fail-on-regression the exit code is 5 when a run is worse than the first by more than tolerated, \
with the whole interval, in eer, tar@fmr=1e-1 … 1e-6, auc or d_prime (tolerance 0); when it is slower by more than 10%, \
where machine, device, threads and build profile are the same; or when the runs share no pairs. genuine.mean, \
genuine.std, impostor.mean and impostor.std are judged, in both directions, only when a tolerance names them.

Examples:
  facevault compare demo-3fa9 demo-81c2
  facevault compare A B C --by tar@fmr=1e-3
      ranked by the true accept rate at a false match rate of 0.001
  facevault compare RELEASED CANDIDATE --fail-on-regression --tolerate eer=0.001 --tolerate speed=0.2
      0.1 percentage points more errors and 20% less speed pass";

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_HELP)]
pub struct CompareArgs {
    /// Two runs or more, named by directory, name, config's name or prefix; the first is the reference.
    #[arg(value_name = "RUN", num_args = 2.., required = true)]
    pub runs: Vec<String>,
    /// Metric that runs are ranked by, as in a config's `expect`: `eer`, `tar@fmr=1e-3`, `auc`, `d_prime`, ….
    #[arg(long, value_name = "METRIC", default_value = "eer")]
    pub by: String,
    /// Ends with exit code 5 when a run is worse than the first.
    #[arg(long)]
    pub fail_on_regression: bool,
    /// How much worse a run may be: in a metric, in its own unit (`eer=0.001`), or in speed, as a share (`speed=0.2`).
    /// May be repeated.
    #[arg(long = "tolerate", value_name = "NAME=VALUE", requires = "fail_on_regression")]
    pub tolerate: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const ABLATE_HELP: &str = "\
The config's `ablation` names steps, each a change of some keys, a metric and a design: `steps` (each step keeps the \
changes before it), `each` (every step alone) or `grid` (all combinations). Every combination is an ordinary run: what is \
finished is not computed again, and runs that differ only in how they are evaluated share their embeddings. Differences \
are paired: all variants are asked the same pairs and resampled with the same people.

A variant that cannot be had here (its device, its precision, its weights) is told with the reason; the exit code is 1 \
only where no step could be measured. Expectations are not judged.

Examples:
  facevault ablate configs/ablation-demo.yaml
  facevault ablate configs/ablation-lfw.yaml --set ablation.design=each --set ablation.metric=tar@fmr=1e-3";

/// Arguments of `ablate`.
#[derive(Debug, Args)]
#[command(after_help = ABLATE_HELP)]
pub struct AblateArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub config: ConfigArgs,
}

const REPRODUCE_HELP: &str = "\
Each config is carried out as `experiment` does it; a finished run is not computed again. The table gets a row for each \
`published` value of a config (without any, the accuracy of its first protocol or its equal error rate): value and \
interval, the published value, whether they agree, the run, digests of data and weights, the command. A config that \
cannot be run here (no network, no weights) leaves the row that an earlier run gave, or says that nothing was measured.

The table stands between the lines `<!-- reproduce: begin -->` and `<!-- reproduce: end -->` of the document.

Example:
  facevault reproduce --into README.md configs/demo.yaml configs/lfw-facenet-tf.yaml";

/// Arguments of `reproduce`.
#[derive(Debug, Args)]
#[command(after_help = REPRODUCE_HELP)]
pub struct ReproduceArgs {
    /// Experiments' YAML files.
    #[arg(value_name = "CONFIG", required = true)]
    pub configs: Vec<PathBuf>,
    /// Document whose table is written; default: the rows are only printed.
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const THROUGHPUT_HELP: &str = "\
Every combination of devices, precisions, kernels, threads and batch sizes is a variant. Variants are \
warmed up, then measured in turn, round by round, so that whatever else the machine does hits all alike: \
compare the ratios, not figures of two sessions. Each speed stands beside the accuracy of the embeddings \
it was measured on, and is struck out where they are too far from f32. One face is one pass through the network, also \
where the config mirrors faces. Then each device and precision goes the whole way once, from files to rows on disk.

A variant that this machine, build or device lacks, or that fails, is told with its reason and keeps nothing else from \
being measured; where none can be measured, the exit code is 1.

Examples:
  facevault throughput configs/demo.yaml
      batches of 1, 8 and 32, on one thread and on all cores
  facevault throughput CONFIG --kernels candle,auto
      the reference graph against the default
  facevault throughput CONFIG --devices all --precisions all --batches grid --faces 256
      CPU and card, each in all that it can
  facevault throughput CONFIG --devices cpu,cuda --batches 32 --json
      for a machine to read";

/// Arguments of `throughput`.
#[derive(Debug, Args)]
#[command(after_help = THROUGHPUT_HELP)]
pub struct ThroughputArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub config: ConfigArgs,
    /// Devices: `cpu`, `cuda`; `all`: those that are here [default: cpu].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = named_or_all::<DeviceKind>)]
    pub devices: Vec<OrAll<DeviceKind>>,
    /// Arithmetic: `f32`, `tf32`, `f16`, `bf16`, `int8`; `all`: each device's own [default: the config's].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = named_or_all::<Precision>)]
    pub precisions: Vec<OrAll<Precision>>,
    /// Implementations: `auto`, `avx512`, `avx2`, `neon`, `portable`, `candle`; on a card `auto` and `candle` [default: the
    /// config's].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = named::<Kernels>)]
    pub kernels: Vec<Kernels>,
    /// Faces in one forward pass; `grid`: from one to as many as suit the device.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,8,32", value_parser = batches)]
    pub batches: Vec<OrAll<usize>>,
    /// Threads of the forward pass on the CPU [default: 1 and all cores].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Vec<u32>,
    /// Seconds that each variant is timed for in each round; at least one batch.
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds)]
    pub seconds: f64,
    /// Rounds.
    #[arg(long, value_name = "R", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Faces of the dataset that are embedded, evenly spaced.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub faces: u32,
    /// What embeddings are compared with: f32 on the CPU by `candle`, the reference graph, or `fused`, the default kernels.
    #[arg(long, value_name = "WHICH", default_value = "candle", value_parser = named::<Reference>)]
    pub reference: Reference,
    /// Leaves out the way from files to rows on disk.
    #[arg(long)]
    pub network_only: bool,
    /// Writes no page.
    #[arg(long)]
    pub no_report: bool,
}

/// One entry of a list, or all that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrAll<T> {
    /// All.
    All,
    /// This one.
    One(T),
}

impl<T: Copy> OrAll<T> {
    /// A whole list: one `all` in it is all.
    #[must_use]
    pub fn choice(list: &[Self]) -> Choice<T> {
        let ones: Option<Vec<T>> = list
            .iter()
            .map(|entry| match entry {
                Self::All => None,
                Self::One(value) => Some(*value),
            })
            .collect();
        match ones {
            None => Choice::All,
            Some(ones) if ones.is_empty() => Choice::Default,
            Some(ones) => Choice::Listed(ones),
        }
    }
}

fn named_or_all<T: DeserializeOwned>(text: &str) -> Result<OrAll<T>, String> {
    if text == "all" { Ok(OrAll::All) } else { named(text).map(OrAll::One) }
}

fn batches(text: &str) -> Result<OrAll<usize>, String> {
    if text == "grid" {
        return Ok(OrAll::All);
    }
    let size = text.parse().ok().filter(|size| (1..=BatchSize::MOST).contains(size));
    size.map(OrAll::One).ok_or_else(|| format!("must be `grid`, or a whole number from 1 to {}", BatchSize::MOST))
}

/// A value that is written as in a config.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    let possible = seconds > 0.0 && seconds <= 3600.0;
    possible.then_some(seconds).ok_or_else(|| "must be above 0 and at most 3600".into())
}

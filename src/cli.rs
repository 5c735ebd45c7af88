//! The command line: types only, no logic.

#![allow(rustdoc::invalid_html_tags, reason = "doc comments here are help text for a terminal")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

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

Exit codes: 0 done · 1 failed · 2 the command line or the config is wrong · 3 an expectation was not met
            4 verification found damage · 130 interrupted (start again to resume)";

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
    /// Compares two runs or more: first what differs in what they computed, then the numbers.
    Compare(CompareArgs),
}

/// Where runs and reports are kept, and how results are printed.
#[derive(Debug, Args)]
pub struct Common {
    /// Folder of run directories.
    #[arg(long, value_name = "DIR", default_value = "experiments")]
    pub experiments: PathBuf,
    /// Folder of rendered reports.
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports: PathBuf,
    /// Prints the result as one JSON object on standard output.
    #[arg(long)]
    pub json: bool,
    /// No progress on standard error.
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
    pub common: Common,
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
    /// A config file, or a run (directory, name or unique prefix of a name) to resume.
    #[arg(value_name = "CONFIG|RUN")]
    pub target: PathBuf,
    /// Overrides a config key; only with a config file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: Common,
}

/// One run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Run directory, its name, or a prefix that only one run has.
    #[arg(value_name = "RUN")]
    pub run: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: Common,
}

/// Arguments of `lookup`.
#[derive(Debug, Args)]
pub struct LookupArgs {
    /// Run directory, its name, or a prefix that only one run has.
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
    pub common: Common,
}

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: Common,
}

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Two runs or more; the first is the reference.
    #[arg(value_name = "RUN", num_args = 2.., required = true)]
    pub runs: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: Common,
}

//! The command line, as types.

#![allow(rustdoc::invalid_html_tags, reason = "doc comments here are help text for a terminal")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::init::{Purpose, Shown};
use crate::model::{BatchSize, DeviceKind, Kernels, Precision};
use crate::objects::{Address, has_scheme, is_address};
use crate::provenance;
use crate::run::{DEFAULT_FOLDER, RunCondition, RunState};
use crate::shard::Shard;
use crate::throughput::{Choice, Reference};

/// Face embeddings you can trust: pinned weights, exact row order, honest similarity statistics.
///
/// Takes a YAML config and writes a run directory (experiments/<name>-<12 hex>/: embeddings, index, metrics, digests)
/// and a report (reports/<run>.html). The same plan always maps to the same directory: running it again resumes it, or
/// reports that it is already complete.
#[derive(Debug, Parser)]
#[command(name = "facevault", version, max_term_width = 110, after_help = AFTER_HELP)]
pub struct Cli {
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
    /// Who may read new files and folders. `private`: only you; `umask`: as your umask allows. What exists keeps its
    /// permissions [default: `$FACEVAULT_PERMISSIONS`, or private].
    #[arg(long, global = true, value_name = "WHO", hide_possible_values = true)]
    pub permissions: Option<NewPermissions>,
}

/// The environment variable that sets `--permissions` for every command.
pub const PERMISSIONS: &str = "FACEVAULT_PERMISSIONS";

/// Who may read new files and folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewPermissions {
    /// Only the owner.
    Private,
    /// As the umask allows.
    Umask,
}

const AFTER_HELP: &str = "\
Examples:
  facevault experiment demo
      run the offline demo, which is built in, and its report
  facevault check configs/vggface2.yaml
      show what would be downloaded and computed
  facevault experiment configs/vggface2.yaml --set 'dataset={source: folders, root: /data/faces}'
  facevault compare demo-3fa9 vggface2-81c2
      show what differs, and by how much

Guides, step by step: `facevault guide`

Exit codes, for every command:
    0  done (faces without an embedding are listed on standard error, with the reasons; a run in
       which nothing can be compared says why it has no metrics)
    1  failed: no face was embedded, or this machine, its network or its disk lacks what it takes
    2  wrong command line or config, or no such run or face
    3  done, but an expectation was missed or could not be judged
    4  verification found damage
    5  a run is worse than the reference (compare --fail-on-regression)
  130  interrupted; run the command again to resume";

const EMBED_EXAMPLES: &str = "\
Examples:
  facevault embed configs/demo.yaml
  facevault embed demo-7b1a15708269
  facevault embed lfw-casia --shard 0/8
  facevault embed lfw-casia --shard auto";
const EVALUATE_EXAMPLES: &str = "\
Examples:
  facevault evaluate demo
  facevault evaluate demo --json
  facevault evaluate demo --shard 0/8";
const REPORT_EXAMPLES: &str = "\
Examples:
  facevault report demo
  facevault report demo --reports pages";
const FETCH_EXAMPLES: &str = "\
Examples:
  facevault fetch configs/vggface2.yaml
  facevault fetch configs/lfw-casia.yaml --json";
const CHECK_EXAMPLES: &str = "\
Examples:
  facevault check configs/vggface2.yaml
  facevault check configs/vggface2.yaml --set 'dataset={source: folders, root: /data/faces}'";
const VERIFY_EXAMPLES: &str = "\
Examples:
  facevault verify demo
  facevault verify experiments/demo-7b1a15708269 --json";
const LOOKUP_EXAMPLES: &str = "\
Examples:
  facevault lookup demo s2026-i0000-000
  facevault lookup demo s2026-i0000-000 -k 3 --json";

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run every step of an experiment: fetch, embed, evaluate, report. Resumes an interrupted run.
    Experiment(ExperimentArgs),
    /// Embed only, from a config or by resuming a run.
    #[command(after_help = EMBED_EXAMPLES)]
    Embed(EmbedArgs),
    /// Make a run that several processes embed, on one machine or many: `embed RUN --shard 0/8` is one of them.
    Prepare(PrepareArgs),
    /// Print which shards of a prepared run lack embeddings, as `sbatch --array` takes them.
    Missing(MissingArgs),
    /// Check and export what the workers of a prepared run embedded.
    #[command(after_help = FINISH_EXAMPLES)]
    Finish(RunArgs),
    /// Recompute the statistics of an embedded run.
    #[command(after_help = EVALUATE_EXAMPLES)]
    Evaluate(EvaluateArgs),
    /// Render the report of an evaluated run.
    #[command(after_help = REPORT_EXAMPLES)]
    Report(RunArgs),
    /// Download a config's weights and data and verify their digests, without computing anything.
    #[command(after_help = FETCH_EXAMPLES)]
    Fetch(ConfigArgs),
    /// Find the faces in a config's photos and write them as Phase 1's `face_metadata.csv`, without embedding them.
    Detect(DetectArgs),
    /// Write a commented config for the faces at a path: a folder, CSV, archive or array.
    Init(InitArgs),
    /// Validate a config and print the plan and the pending downloads, without downloading or computing anything.
    #[command(after_help = CHECK_EXAMPLES)]
    Check(ConfigArgs),
    /// Recompute every digest and invariant of a run.
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(RunArgs),
    /// Show one face: row, identity, norm, nearest neighbours.
    #[command(after_help = LOOKUP_EXAMPLES)]
    Lookup(LookupArgs),
    /// Remove faces, or all faces of a person, from every file of a run, its pages and its caches.
    Forget(ForgetArgs),
    /// List runs with their headline metrics, sorted and selected, also as a page.
    Runs(RunsArgs),
    /// Show how far a run is that another process works on, until it is done.
    Watch(WatchArgs),
    /// Write a run in the format of another tool: WebDataset, MLflow, FAISS or Lance.
    Export(ExportArgs),
    /// Compare two or more runs on the faces they share: what differs, by how much, and whether it could be
    /// chance.
    Compare(CompareArgs),
    /// Measure what each choice in a config costs, by running it with and without, on the same pairs of the same faces.
    Ablate(AblateArgs),
    /// Run experiments and record their results, with digests, in a document's table.
    Reproduce(ReproduceArgs),
    /// Measure how many faces per second a config's network embeds here, and how accurately, variant by variant.
    Throughput(Box<ThroughputArgs>),
    /// Print a guide: how to do something, step by step. Without a name, list them.
    Guide(GuideArgs),
    /// Print a script that completes commands and options in a shell.
    Completions(CompletionsArgs),
    /// Print the manual page of facevault or of a command, or write them all.
    Man(ManArgs),
}

/// Arguments that every command takes.
#[derive(Debug, Args)]
pub struct CommonArgs {
    /// Folder that holds the runs, or its address in an object store, such as `s3://bucket/folder` (also `gs:`, `az:`).
    #[arg(long, value_name = "DIR", default_value = DEFAULT_FOLDER, value_parser = experiments)]
    pub experiments: PathBuf,
    /// Folder for rendered reports.
    #[arg(long, value_name = "DIR", default_value = "reports", value_parser = folder)]
    pub reports: PathBuf,
    /// Print the result as one JSON object on standard output.
    #[arg(long)]
    pub json: bool,
    /// Hide progress on standard error; warnings and errors still appear.
    #[arg(long, short)]
    pub quiet: bool,
}

/// A config with overrides.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Experiment config (YAML), or `demo`, which is built in.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// Override a config key, e.g. `embed.batch_size=64`. The value is YAML; relative paths start at the current folder.
    /// May be repeated; recorded with the run.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const INIT_HELP: &str = "\
Looks at what is there (kind, number of pictures and people, size of the pictures), says what it found and why it reads it \
as it does, and writes NAME.yaml, which `check` and `experiment` take as it is. On a terminal it asks what no flag says; \
elsewhere, and with --yes or --json, it takes the defaults and names them.

Examples:
  facevault init /data/faces
      folders of people, nested folders, or one folder with the identity in the file names
  facevault init face_metadata.csv --weights demo --yes
  facevault init /data/celeba --table list_attr.csv --for search --out celeba.yaml
  facevault init rows.npy --table people.csv
      embeddings that another program computed";

/// Arguments of `init`.
#[derive(Debug, Args)]
#[command(after_help = INIT_HELP)]
pub struct InitArgs {
    /// The faces: a folder, a CSV, an archive, a parquet file or an array.
    #[arg(value_name = "PATH", default_value = ".")]
    pub path: PathBuf,
    /// The config to write; the default is NAME.yaml in the current folder, after the name of PATH.
    #[arg(long, value_name = "FILE", value_parser = here)]
    pub out: Option<PathBuf>,
    /// Replace the config if it is there.
    #[arg(long)]
    pub force: bool,
    /// Ask nothing: take the defaults for what no flag says.
    #[arg(long, short)]
    pub yes: bool,
    /// Weights: `vggface2` (from the Hub), `demo` (in the program), or the path of a checkpoint.
    #[arg(long, value_name = "WHICH")]
    pub weights: Option<String>,
    /// What the embeddings are for.
    #[arg(long = "for", value_name = "PURPOSE")]
    pub purpose: Option<Purpose>,
    /// What the pictures show [default: by their size].
    #[arg(long, value_name = "WHAT")]
    pub pictures: Option<Shown>,
    /// How the paths of the pictures say who is who, such as `{identity}_*.jpg`.
    #[arg(long, value_name = "PATTERN", conflicts_with = "table")]
    pub pattern: Option<String>,
    /// A CSV that says who is who: a line for each picture, or for each row of an array.
    #[arg(long, value_name = "CSV")]
    pub table: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const EXPERIMENT_HELP: &str = "\
Embeddings that another run in the folder of runs has of the same faces (picture, box and landmarks), with the same \
preprocessing, weights and arithmetic, are taken from it: only new faces are embedded. The result has the same bytes, and \
provenance.json names the runs. `facevault guide add-faces` shows it.

With --fresh, every embedding is this build's: none is reused from another run, and a run that another build has begun or \
finished is an error, not a result. Give the run a name or a folder of its own; nothing is replaced. A gate of a new \
build needs it: `facevault guide gate-in-ci`.

Examples:
  facevault experiment configs/demo.yaml
  facevault experiment CONFIG --set name=candidate --fresh";

/// Whose embeddings are reused.
#[derive(Debug, Args)]
pub struct ReuseArgs {
    /// Embed every face that the run lacks, whatever other runs have of it.
    #[arg(long)]
    pub no_reuse: bool,
    /// Reuse embeddings of this run alone, or of the runs in this folder, wherever they are. May be repeated.
    #[arg(long, value_name = "RUN", conflicts_with = "no_reuse")]
    pub reuse_from: Vec<String>,
}

/// Arguments of `experiment`.
#[derive(Debug, Args)]
#[command(after_help = EXPERIMENT_HELP)]
pub struct ExperimentArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub config: ConfigArgs,
    /// Embed every face with this build: reuse no embeddings, and replace no run.
    #[arg(long, conflicts_with = "reuse_from")]
    pub fresh: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub reuse: ReuseArgs,
}

const DETECT_HELP: &str = "\
Writes DIR/face_metadata.csv: Phase 1's documented columns, the five landmarks, and the dataset's own columns, one line for \
each face; and DIR/failures.csv, one line for each photo without a face to keep. What is found is kept by the photo's \
content: an interrupted detection continues, and `experiment` on the same config does not detect again. As for \
`experiment`, `embed.on_error` and `embed.max_failures` say how many photos may lack a face; with more, the tables are \
written and the exit code is 1.

Faces are personal data: so are the table and the crops.

Examples:
  facevault detect configs/lfw-facenet-pytorch.yaml --out faces
  facevault detect configs/lfw-facenet-pytorch.yaml --set detect.keep=all --out faces --crops
      every face of every photo, and a PNG of each, which a config reads with
      `dataset: {source: phase1, csv: faces/face_metadata.csv}`";

/// Arguments of `detect`.
#[derive(Debug, Args)]
#[command(after_help = DETECT_HELP)]
pub struct DetectArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub config: ConfigArgs,
    /// Folder for the tables and the crops; the default is detections/<config's name>.
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub out: Option<PathBuf>,
    /// Also write each face as a PNG, cut out of its photo as `preprocess.crop` says.
    #[arg(long)]
    pub crops: bool,
}

/// Arguments of `embed`.
#[derive(Debug, Args)]
pub struct EmbedArgs {
    /// Config file, `demo`, which is built in, or a run to resume: its directory, its name, its config's name, or a unique prefix.
    #[arg(value_name = "CONFIG|RUN")]
    pub target: PathBuf,
    /// Override a config key; requires a config file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Embed a part of a prepared run: shard I of N, numbered from 0, or `auto`: what the environment says of a task of a Slurm
    /// array, an array job of AWS Batch or an Indexed Job of Kubernetes (with `FACEVAULT_SHARDS` as N where they do not say it).
    #[arg(
        long,
        value_name = "I/N|auto",
        allow_hyphen_values = true,
        conflicts_with_all = ["overrides", "no_reuse", "reuse_from"],
        value_parser = ShardArg::parse
    )]
    pub shard: Option<ShardArg>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub reuse: ReuseArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

/// Which shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardArg {
    /// What the environment says.
    Auto,
    /// This one.
    One(Shard),
}

impl ShardArg {
    /// The shard.
    pub(crate) fn resolve(self) -> Result<Shard, String> {
        match self {
            Self::One(shard) => Ok(shard),
            Self::Auto => Shard::from_environment(|name| std::env::var(name).ok()),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text == "auto" { Ok(Self::Auto) } else { text.parse().map(Self::One) }
    }
}

const PREPARE_HELP: &str = "\
Reads the dataset and the weights, takes the rows that other runs have, and writes what all workers share: the plan, the \
manifest, the ranges of int8, and the fingerprint of the arithmetic. Workers are started by whatever starts processes: a \
shell, Slurm, Kubernetes, Ray. Each commits whole chunks, so that one that dies loses the chunk it was at, two that do the same \
do no harm, and N may change from one attempt to the next. The result has the bytes of a run on one machine. \
`facevault guide cluster` shows it.

Examples:
  facevault prepare configs/lfw-casia.yaml
  facevault embed lfw-casia --shard 0/2
  facevault embed lfw-casia --shard 1/2
  facevault missing lfw-casia --shards 2
  facevault finish lfw-casia
  facevault evaluate lfw-casia";

/// Arguments of `prepare`.
#[derive(Debug, Args)]
#[command(after_help = PREPARE_HELP)]
pub struct PrepareArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub config: ConfigArgs,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub reuse: ReuseArgs,
}

const MISSING_HELP: &str = "\
Looks at the names of files only, and prints one line: the shards that lack a chunk, or nothing. `facevault finish` reads \
what is in the files, and removes chunks that are damaged.

Examples:
  facevault missing lfw-casia --shards 64
  facevault missing lfw-casia --shards 64 --json";

/// Arguments of `missing`.
#[derive(Debug, Args)]
#[command(after_help = MISSING_HELP)]
pub struct MissingArgs {
    /// Run: its directory, its name, its config's name, or a unique prefix.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Into how many shards it is split.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub shards: u32,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// Run: its directory, its name, its config's name, or a unique prefix.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Only compare a part of the pairs, shard I of N or `auto` as for `embed`, and keep it for the `evaluate` without this
    /// option, which compares what no shard has and computes the statistics.
    #[arg(long, value_name = "I/N|auto", allow_hyphen_values = true, value_parser = ShardArg::parse)]
    pub shard: Option<ShardArg>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const FINISH_EXAMPLES: &str = "\
Exits with 1 while chunks are missing, and says how many. `facevault evaluate RUN` and `facevault report RUN` go on from there.

Examples:
  facevault finish lfw-casia
  facevault finish lfw-casia --json";

/// One run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Run: its directory, its name, its config's name, or a unique prefix.
    #[arg(value_name = "RUN")]
    pub run: String,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

/// Arguments of `lookup`.
#[derive(Debug, Args)]
pub struct LookupArgs {
    /// Run: its directory, its name, its config's name, or a unique prefix.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Id of the face.
    #[arg(value_name = "FACE_ID")]
    pub face_id: String,
    /// Number of neighbours to show.
    #[arg(long, short = 'k', default_value_t = 10)]
    pub neighbours: usize,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const FORGET_HELP: &str = "\
Rewrites the run without these faces: chunks, matrix, index, tables, lists of pairs and results. The other faces keep their order. \
Nothing is embedded again, and neither weights nor pictures are needed. The statistics are those of a run that never had \
the faces; the run keeps its name, and its provenance records when faces were removed and how many, not whose. Removes \
pages that name the run or the faces, renders the run's own page again, and clears the caches beside the runs. \
`experiment` refuses the run as long as its dataset has these faces.

Out of reach: the dataset itself; copies and archives of the run; files that were handed on, such as .npy files and \
indexes made of them; the Hub's cache; tables of `detect`. The blocks of the disk that held what was removed are not \
overwritten. Interrupted or killed, the run is refused by every other command until `facevault forget RUN` has finished.

Examples:
  facevault forget demo s2026-i0000-000 s2026-i0000-001
  facevault forget demo --identity s2026-i0000 --dry-run
      lists what would change";

/// Arguments of `forget`.
#[derive(Debug, Args)]
#[command(after_help = FORGET_HELP)]
pub struct ForgetArgs {
    /// Run: its directory, its name, its config's name, or a unique prefix.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Ids of the faces.
    #[arg(value_name = "FACE_ID")]
    pub face_ids: Vec<String>,
    /// All faces of this identity. May be repeated.
    #[arg(long = "identity", value_name = "ID")]
    pub identities: Vec<String>,
    /// Change nothing, list what would change.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const RUNS_HELP: &str = "\
One line for each run, the last worked on first: its dataset, network and crop, the equal error rate, TAR at FMR 1e-3 \
(“≤” where its pairs are too few to resolve that), the accuracy of its first protocol, whether it met its expectations, \
and its values of the plan's keys in which runs of the same config differ. A run that cannot be read is a line as well. \
Reads and never writes, but for the page of --html.

Keys of --sort and --where: name, date, state, dataset, network, precision, profile, crop, weights, faces, embedded, speed \
(faces per second), every metric that `expect` names (eer, tar@fmr=1e-3, auc, lfw.accuracy, …) and every key of plan.json \
(seed, similarity.replicates, …).

--html writes one page, which needs nothing else: the table, to be sorted and filtered in a browser, with links to the runs' \
reports and folders, their distributions of cosines, what differs between the runs, and the pages of comparisons.

Examples:
  facevault runs lfw --state complete
      finished runs whose name begins with `lfw`
  facevault runs --sort eer --limit 5
      the five with the lowest equal error rate
  facevault runs --where precision=int8 --where 'eer<1%' --sort speed
      the fastest first of those that are good enough
  facevault runs --where 'name=*casia*' --html
      writes reports/index.html
  facevault runs --since 2026-11-01 --last 5 --json";

/// Arguments of `runs`.
#[derive(Debug, Args)]
#[command(after_help = RUNS_HELP)]
pub struct RunsArgs {
    /// Only runs whose name begins with this; `*` in it stands for any characters.
    #[arg(value_name = "PREFIX", default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// Only runs in this state: `embedding`, `embedded`, `complete`, `unfinished-removal` or `damaged`; or `incomplete`, the
    /// first two and the fourth.
    #[arg(long, value_name = "STATE", value_parser = StateFilter::parse)]
    pub state: Option<StateFilter>,
    /// Only runs worked on since the start of this day (UTC).
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = provenance::day)]
    pub since: Option<u64>,
    /// Only runs that fit: `=`, `!=`, `~` (contains), `<`, `<=`, `>`, `>=`; `*` in a text stands for any characters. May be
    /// repeated: all have to fit. A run without the value does not.
    #[arg(long = "where", value_name = "KEY=VALUE", value_parser = RunCondition::parse)]
    pub conditions: Vec<RunCondition>,
    /// Only the last N runs worked on.
    #[arg(long, value_name = "N")]
    pub last: Option<usize>,
    /// Sort by this: texts from A, later days, larger numbers and better metrics first, runs without a value last [default:
    /// date].
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    pub sort: Option<String>,
    /// Turn the order round; `--sort -KEY` does so, too.
    #[arg(long, short)]
    pub reverse: bool,
    /// At most N runs, the first of the order.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Also write a page of these runs [default: index.html in the folder of reports].
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, value_parser = here)]
    pub html: Option<Option<PathBuf>>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

/// States that runs are selected by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFilter {
    /// This one.
    One(RunState),
    /// Neither complete nor damaged.
    Incomplete,
}

impl StateFilter {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "incomplete" {
            return Ok(Self::Incomplete);
        }
        named(text).map(Self::One).map_err(|states| format!("{states}, or `incomplete`: neither complete nor damaged"))
    }

    /// Whether a state is one of them.
    #[must_use]
    pub fn fits(self, state: RunState) -> bool {
        match self {
            Self::One(wanted) => state == wanted,
            Self::Incomplete => !matches!(state, RunState::Complete | RunState::Damaged),
        }
    }
}

const WATCH_HELP: &str = "\
Reads what the run has so far (chunks, times, who has its lock) and takes no lock: any number of terminals, users and \
machines that see the folder may watch. On a terminal the line is drawn anew; elsewhere, and with --json, there is a line \
for each change.

Exit codes: 0 when the run is complete, or embedded and nobody evaluates it, or prepared and embedded by its workers: then \
its last line names `facevault finish RUN`, so that `facevault watch RUN && facevault finish RUN` goes on; 1 when its process \
died, gave up or was stopped before that, with the command that continues it. A process of another machine cannot be seen \
from here: if nothing has changed for --patience seconds, that is said, with exit code 1. With --once, a run that is being \
worked on is 0.

Examples:
  facevault watch demo
  facevault watch lfw-3fa9 --json > progress.jsonl
  facevault watch demo --once";

/// Arguments of `watch`.
#[derive(Debug, Args)]
#[command(after_help = WATCH_HELP)]
pub struct WatchArgs {
    /// Run: its directory, its name, its config's name, or a unique prefix.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// Print one line and end.
    #[arg(long)]
    pub once: bool,
    /// Seconds between two looks.
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds)]
    pub every: f64,
    /// Seconds without any change after which a process that cannot be seen counts as dead.
    #[arg(long, value_name = "S", default_value_t = 600.0, value_parser = seconds)]
    pub patience: f64,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const EXPORT_HELP: &str = "\
webdataset: tar files of --shard samples; each has a row of the matrix (.npy) and its face_id and identity (.json), with \
--pictures also the face as the network saw it (.png). Default folder: exports/RUN/webdataset.

mlflow: a run in a store of files (default folder: mlruns): keys of the plan as parameters; metrics, with the ends of each \
interval as NAME.lower and NAME.upper; the report, config and metrics as artifacts. MLflow 3.7 and later read such a store \
with MLFLOW_ALLOW_FILE_STORE=true, or after `mlflow migrate-filestore`.

faiss, lance: written by Python's own libraries. The command of the Python package writes them where they are installed; \
this one names what to install.

Faces, embeddings and identities are personal data: so is an export, and `facevault forget` does not reach it.

Examples:
  facevault export demo --to webdataset
  facevault export demo --to webdataset --pictures --shard 1000 --out /data/demo
  facevault export demo --to mlflow --out mlruns";

/// What a run is exported to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, JsonSchema)]
// The words of the option.
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// Tar files of samples, a row and its identity each.
    #[value(name = "webdataset")]
    WebDataset,
    /// A run in MLflow's store of files.
    #[value(name = "mlflow")]
    MlFlow,
    /// An index of FAISS, through Python.
    Faiss,
    /// A table of Lance, through Python.
    Lance,
}

impl ExportFormat {
    /// As on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WebDataset => "webdataset",
            Self::MlFlow => "mlflow",
            Self::Faiss => "faiss",
            Self::Lance => "lance",
        }
    }
}

/// Arguments of `export`.
#[derive(Debug, Args)]
#[command(after_help = EXPORT_HELP)]
pub struct ExportArgs {
    /// Run: its directory, its name, its config's name, or a unique prefix.
    #[arg(value_name = "RUN")]
    pub run: String,
    /// The format: `webdataset`, `mlflow`, `faiss` or `lance`.
    #[arg(long, value_name = "FORMAT", value_enum, hide_possible_values = true)]
    pub to: ExportFormat,
    /// The folder to write.
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub out: Option<PathBuf>,
    /// Also write pictures of the faces: in webdataset, each face as the network saw it; in mlflow, those that the report
    /// shows if its config has `report.pictures`.
    #[arg(long)]
    pub pictures: bool,
    /// Samples of each tar file.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub shard: u32,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const COMPARE_HELP: &str = "\
Says what each run comes to against the first, what differs, and the numbers on the same pairs of the faces that all runs \
share. Faces are matched by face_id and identity, whatever the box, crop or picture; what differs is counted. The first \
run's similarity options and seed choose the pairs, and all runs are resampled with the same people, so each interval is \
that of the difference itself, not of two separate numbers. A metric is better or worse if its whole interval is; \
otherwise these faces cannot tell. A run that cannot be compared is left out, with the reason. Takes as long as evaluating \
each run, and memory for two embedding matrices.

As a CI gate: with --fail-on-regression the exit code is 5 if a run is worse than the first by more than tolerated, \
with the whole interval, in eer, tar@fmr=1e-1 … 1e-6, auc or d_prime (tolerance 0); if it is left out; or if it \
has the first run's own embeddings, which say nothing about a new build (`experiment --fresh` embeds again). Only if a \
tolerance names them, genuine.mean, genuine.std, impostor.mean and impostor.std are judged, in both directions, and speed, \
where both runs have several chunks from the same machine, device, threads and build profile.

Examples:
  facevault compare demo-3fa9 demo-81c2
  facevault compare A B C --by tar@fmr=1e-3
      rank by the true accept rate at a false match rate of 0.001
  facevault compare mtcnn-5ab1 other-detector-77c0 --same-pictures
      only the faces whose picture and box are the same in both
  facevault compare old/experiments/demo-3fa9 new/experiments/demo-3fa9
      the same run, made by two releases
  facevault compare RELEASED CANDIDATE --fail-on-regression --tolerate eer=0.001 --tolerate speed=0.2
      accept an equal error rate up to 0.1 percentage points higher and a speed up to 20% lower";

/// Arguments of `compare`.
#[derive(Debug, Args)]
#[command(after_help = COMPARE_HELP)]
pub struct CompareArgs {
    /// Two or more runs, each by directory, name, config's name or unique prefix; the first is the reference.
    #[arg(value_name = "RUN", num_args = 2.., required = true)]
    pub runs: Vec<String>,
    /// Metric to rank the runs by, as in a config's `expect`: `eer`, `tar@fmr=1e-3`, `auc`, `d_prime`, ….
    #[arg(long, value_name = "METRIC", default_value = "eer")]
    pub by: String,
    /// Compare faces only where picture and box are the same in all runs. Without it, a face is the same if its id and
    /// identity are, whatever the crop.
    #[arg(long)]
    pub same_pictures: bool,
    /// Exit with code 5 if a run is worse than the first, or cannot be compared with it.
    #[arg(long)]
    pub fail_on_regression: bool,
    /// Tolerate a regression of this size: of a metric in its own unit (`eer=0.001`), of speed as a share
    /// (`speed=0.2`; by default, `speed=off`), or a share of faces that are not embedded any more (`faces=0.01`). Only with `--fail-on-regression`. May be repeated.
    #[arg(long = "tolerate", value_name = "NAME=VALUE")]
    pub tolerate: Vec<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const ABLATE_HELP: &str = "\
The config's `ablation` section lists steps, each a change of some keys, a metric and a design: `steps` (each step keeps \
the changes before it), `each` (every step alone) or `grid` (all combinations). Every combination is an ordinary run: \
finished runs are reused, and runs that differ only in their evaluation share embeddings. Differences are paired: all \
variants are evaluated on the same pairs and resampled with the same people.

Unavailable variants (device, precision, weights) are reported with the reason; the rest still run. The exit code is 1 \
only if no step could be measured. Expectations are not judged.

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
Runs each config as `experiment` does; finished runs are reused. The table gets a row for each `published` value of a \
config, and for accuracy, VAL and EER of its protocols (without any, for its equal error rate): value and interval, the \
published value, whether they agree, the run, digests of data and weights, the command. A config that cannot run here (no \
network, no weights) keeps its rows of an earlier run, or is marked as not measured; configs that are not named keep theirs.

The table goes between the lines `<!-- reproduce: begin -->` and `<!-- reproduce: end -->` of the document.

Examples:
  facevault reproduce configs/demo.yaml
      prints the rows
  facevault reproduce --into docs/benchmarks.md configs/demo.yaml configs/lfw-facenet-tf.yaml";

/// Arguments of `reproduce`.
#[derive(Debug, Args)]
#[command(after_help = REPRODUCE_HELP)]
pub struct ReproduceArgs {
    /// Experiment configs (YAML), or `demo`, which is built in.
    #[arg(value_name = "CONFIG", required = true)]
    pub configs: Vec<PathBuf>,
    /// Override a config key in every config, e.g. to take a dataset or weights from this machine. May be repeated; the
    /// table shows it in the command.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Document whose table to update; without it, the rows are only printed.
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const GUIDE_HELP: &str = "\
Examples:
  facevault guide
  facevault guide gate-in-ci";

/// Arguments of `guide`.
#[derive(Debug, Args)]
#[command(after_help = GUIDE_HELP)]
pub struct GuideArgs {
    /// Name of the guide.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub common: CommonArgs,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  facevault completions bash > ~/.local/share/bash-completion/completions/facevault
  facevault completions zsh > ~/.zfunc/_facevault
  facevault completions fish > ~/.config/fish/completions/facevault.fish";

/// Arguments of `completions`.
#[derive(Debug, Args)]
#[command(after_help = COMPLETIONS_HELP)]
pub struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

const MAN_HELP: &str = "\
Examples:
  facevault man | man -l -
  facevault man compare | man -l -
  facevault man --out ~/.local/share/man/man1";

/// Arguments of `man`.
#[derive(Debug, Args)]
#[command(after_help = MAN_HELP)]
pub struct ManArgs {
    /// The command; without it, facevault as a whole.
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    pub name: Option<String>,
    /// Write every page into this folder: facevault.1, facevault-experiment.1, …
    #[arg(long, value_name = "DIR", value_parser = folder)]
    pub out: Option<PathBuf>,
}

const THROUGHPUT_HELP: &str = "\
Every combination of devices, precisions, kernels, threads and batch sizes is a variant. Variants are warmed up, then \
measured in turn, round by round, so that other load on the machine affects all of them alike: compare ratios, not \
figures from two sessions. Each speed comes with the accuracy of the embeddings it produced, and is struck out if they \
are too far from f32. One face is one pass through the network, even if the config mirrors faces. Finally, each device \
and precision runs once end to end, from image files to rows on disk.

Variants that this machine, build or device lacks, or that fail, are reported with the reason; the rest still run. If \
none can be measured, the exit code is 1.

Examples:
  facevault throughput configs/demo.yaml
      batches of 1, 8 and 32, on one thread and on all cores
  facevault throughput CONFIG --kernels candle,auto
      the reference graph against the default kernels
  facevault throughput CONFIG --devices all --precisions all --batches grid --faces 256
      CPU and GPU, in every precision and batch size
  facevault throughput CONFIG --devices cpu,cuda --batches 32 --json
      as JSON";

/// Arguments of `throughput`.
#[derive(Debug, Args)]
#[command(after_help = THROUGHPUT_HELP)]
pub struct ThroughputArgs {
    #[command(flatten)]
    #[expect(missing_docs, reason = "a doc comment here would become help text")]
    pub config: ConfigArgs,
    /// Devices: `cpu`, `cuda`, or `all` that this machine has [default: cpu].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = named_or_all::<DeviceKind>)]
    pub devices: Vec<OrAll<DeviceKind>>,
    /// Precisions: `f32`, `bf16x3`, `tf32`, `f16`, `bf16`, `int8`, or `all` that each device supports [default: the config's].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = named_or_all::<Precision>)]
    pub precisions: Vec<OrAll<Precision>>,
    /// Kernels: `auto`, `amx`, `avx512`, `avx2`, `neon`, `portable`, `candle`, `onnxruntime`; on a GPU, only `auto` and
    /// `candle` [default: the config's].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = named::<Kernels>)]
    pub kernels: Vec<Kernels>,
    /// Batch sizes; `grid` covers the range that suits each device.
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "1,8,32", value_parser = batches)]
    pub batches: Vec<OrAll<usize>>,
    /// CPU threads for the forward pass [default: 1 and all cores].
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Vec<u32>,
    /// Seconds to time each variant in each round; at least one batch.
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = seconds)]
    pub seconds: f64,
    /// Number of rounds.
    #[arg(long, value_name = "R", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Number of faces to embed, evenly spaced over the dataset.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub faces: u32,
    /// Reference for accuracy, in f32 on the CPU: `candle`, the reference graph, `fused`, the default kernels, `portable`,
    /// those without an instruction set, or `onnxruntime` [default: candle; portable for networks that candle does not run].
    #[arg(long, value_name = "WHICH", value_parser = named::<Reference>)]
    pub reference: Option<Reference>,
    /// Skip the end-to-end pass.
    #[arg(long)]
    pub network_only: bool,
    /// Do not write the HTML page.
    #[arg(long)]
    pub no_report: bool,
}

/// One entry of a list, or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrAll<T> {
    /// All.
    All,
    /// This one.
    One(T),
}

impl<T: Copy> OrAll<T> {
    /// The choice a list stands for: a single `all` in it selects everything.
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
    size.map(OrAll::One).ok_or_else(|| format!("expected `grid` or a whole number from 1 to {}", BatchSize::MOST))
}

/// A folder of runs, of this machine or of an object store.
fn experiments(text: &str) -> Result<PathBuf, String> {
    if is_address(text) {
        return Address::parse(text).map(|address| address.to_string().into()).map_err(|error| error.to_string());
    }
    if here(text).is_err() {
        return Err("name a folder of this machine, or `s3://bucket/folder`, `gs://bucket/folder` or \
                    `az://container/folder`"
            .into());
    }
    folder(text)
}

/// A path of this machine. What looks like an address is none: it was meant for a store.
fn here(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("file://").unwrap_or(text);
    if has_scheme(path) { Err("name a path of this machine".into()) } else { Ok(path.into()) }
}

/// A folder of this machine that is there or can be made.
fn folder(text: &str) -> Result<PathBuf, String> {
    let path = here(text).map_err(|_| "name a folder of this machine")?;
    if text.is_empty() {
        return Err("name a folder".into());
    }
    let there = path.ancestors().find(|part| part.exists() && !part.as_os_str().is_empty());
    match there.filter(|part| !part.is_dir()) {
        Some(file) => Err(format!("{} is a file; name a folder", file.display())),
        None => Ok(path),
    }
}

/// Parses a value the way a config spells it.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse::<f64>().map_err(|error| error.to_string())?;
    let possible = seconds > 0.0 && seconds <= 3600.0;
    possible.then_some(seconds).ok_or_else(|| "expected a number above 0 and at most 3600".into())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::{CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn an_unknown_state_is_answered_with_all_that_are_taken() {
        let error = Cli::try_parse_from(["facevault", "runs", "--state", "foo"]).map(|_| ()).unwrap_err().to_string();
        for state in ["embedding", "embedded", "complete", "unfinished-removal", "damaged", "incomplete"] {
            assert!(error.contains(&format!("`{state}`")), "{error}");
            Cli::try_parse_from(["facevault", "runs", "--state", state]).unwrap();
        }
    }

    #[test]
    fn no_mistyped_address_becomes_a_folder() {
        let error = |line: &str| {
            let parsed = Cli::try_parse_from(line.split(' '));
            parsed.map(|_| ()).unwrap_err().to_string().lines().next().unwrap_or_default().to_owned()
        };
        for address in ["http://x/y", "gcs://b/x", "S3://b/x", "s3:/b/x"] {
            let said = error(&format!("facevault runs --experiments {address}"));
            let wanted = "name a folder of this machine, or `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`";
            assert!(said.contains(address) && said.ends_with(wanted), "{said}");
        }
        for option in [
            "report demo --reports",
            "export demo --to webdataset --out",
            "detect demo --out",
            "init --out",
            "man --out",
        ] {
            for address in ["s3://b/y", "gcs://b/y"] {
                let said = error(&format!("facevault {option} {address}"));
                assert!(said.contains(address) && said.ends_with("of this machine"), "{said}");
            }
        }
        assert!(error("facevault runs --html=s3://b/i.html").ends_with("name a path of this machine"));
        for folder in ["file:///tmp/x", "./gcs://b", "C:/runs", "a:b"] {
            Cli::try_parse_from(["facevault", "runs", "--experiments", folder]).unwrap();
        }
    }

    #[test]
    fn a_shard_below_0_is_refused_by_what_a_shard_is() {
        for verb in ["embed", "evaluate"] {
            let error = Cli::try_parse_from(["facevault", verb, "demo", "--shard", "-1/2"]).unwrap_err().to_string();
            assert!(error.contains("expected `auto`, or a shard and their number as in `0/8`"), "{error}");
        }
    }

    #[test]
    fn the_help_of_every_verb_ends_with_two_examples_that_parse() {
        for verb in Cli::command().get_subcommands() {
            let name = verb.get_name();
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let (_, examples) = help.rsplit_once("Examples:\n").unwrap_or_else(|| panic!("{name} has no examples"));
            let commands: Vec<_> = examples
                .lines()
                .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
                .collect();
            assert!(commands.len() >= 2, "{name}: {commands:?}");
            for (i, line) in commands.into_iter().enumerate() {
                // What follows is the shell's.
                let command =
                    [" > ", " | ", " && "].iter().fold(line, |line, mark| line.split(mark).next().unwrap_or(line));
                let words = command.split(" '").flat_map(|part| match part.split_once('\'') {
                    Some((quoted, rest)) => [vec![quoted], rest.split_whitespace().collect()].concat(),
                    None => part.split_whitespace().collect(),
                });
                let words: Vec<_> = words.collect();
                // Others may follow it, step by step.
                let verb = if i == 0 { name } else { words[1] };
                assert_eq!(words[..2], ["facevault", verb], "{command}");
                Cli::command().try_get_matches_from(&words).unwrap_or_else(|error| panic!("{command}: {error}"));
                for word in words {
                    names_what_is_there(word);
                }
            }
        }
    }

    /// Who copies an example has the file that it names, and the demo has the face.
    fn names_what_is_there(word: &str) {
        let place = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(!word.starts_with("configs/") || place.join(word).is_file(), "{word} is not there");
        let id = word.strip_prefix('s').and_then(|rest| rest.split_once("-i0000"));
        if let Some((seed, sample)) = id {
            let demo = include_str!("../configs/demo.yaml");
            assert!(demo.contains(&format!("seed: {seed} ")), "{word} is not of the demo");
            assert!(["", "-000", "-001"].contains(&sample), "{word}");
        }
    }

    /// Where clap breaks a line, its indentation is lost: what is set in columns has lines that fit.
    #[test]
    fn no_indented_line_of_the_help_is_broken() {
        let all = Cli::command();
        for verb in all.get_subcommands().chain([&all]) {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            // A command is one line, however long.
            for line in help.lines().filter(|line| line.starts_with(' ') && !line.starts_with("  facevault ")) {
                assert!(line.chars().count() <= 100, "{}: {line}", verb.get_name());
            }
        }
    }
}

//! The one error that reaches the command line, and the exit code it ends with.

use crate::compare::CompareError;
use crate::config::ConfigError;
use crate::files::FileError;
use crate::report::ReportError;
use crate::run::RunError;
use crate::throughput::ThroughputError;

/// Anything that ends a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The config is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A run could not be made, found or read.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A report could not be rendered.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// Runs could not be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
    /// Throughput could not be measured.
    #[error(transparent)]
    Throughput(#[from] ThroughputError),
    /// A file operation failed.
    #[error(transparent)]
    File(#[from] FileError),
    /// Not one face could be embedded, and so there is nothing that later steps could use.
    #[error("none of the {faces} faces could be embedded; the reasons are above and, face by face, in {file}")]
    NothingEmbedded {
        /// Faces of the manifest.
        faces: usize,
        /// `failures.csv`.
        file: String,
    },
    /// Not one step of an ablation could be measured; the page says why.
    #[error("no step could be measured; the reasons stand in the table")]
    NothingMeasured,
    /// The command line does not fit together.
    #[error("{0}")]
    Usage(String),
    /// The result cannot be written where it was asked for.
    #[error("cannot write the result to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Everything is done.
    Done,
    /// Done, and an expectation of the config was not met.
    ExpectationNotMet,
    /// `verify` found damage.
    Damaged,
    /// `compare --fail-on-regression` found a run worse than the reference.
    Regressed,
    /// Stopped on request; starting again resumes.
    Interrupted,
}

impl CommandOutcome {
    /// The exit code, as listed by `--help`.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::ExpectationNotMet => 3,
            Self::Damaged => 4,
            Self::Regressed => 5,
            Self::Interrupted => 130,
        }
    }
}

impl Error {
    /// Exit code of a command line or config that is wrong.
    pub const USAGE: u8 = 2;

    /// The exit code, as listed by `--help`: [`Self::USAGE`] where what was typed has to change, whichever command it was
    /// typed for; 1 where that was right and something else is not: what this machine, its network or its disk lacks.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) | Self::Compare(_) => Self::USAGE,
            Self::Run(error) | Self::Throughput(ThroughputError::Run(error)) if error.usage() => Self::USAGE,
            Self::Throughput(error) if error.interrupted() => CommandOutcome::Interrupted.code(),
            Self::Run(error) if error.interrupted() => CommandOutcome::Interrupted.code(),
            _ => 1,
        }
    }
}

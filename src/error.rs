//! The error that reaches the command line, and the exit codes.

use std::ffi::OsString;

use crate::compare::CompareError;
use crate::config::ConfigError;
use crate::files::FileError;
use crate::init::InitError;
use crate::report::ReportError;
use crate::run::RunError;
use crate::text::counted;
use crate::throughput::ThroughputError;

/// Anything that ends a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The config is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No config could be written.
    #[error(transparent)]
    Init(#[from] InitError),
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
    /// No face could be embedded, so later steps have nothing to work on.
    #[error("no face could be embedded (of {faces}); the reason of each is in {file}")]
    NothingEmbedded {
        /// Faces of the manifest.
        faces: usize,
        /// `failures.csv`.
        file: String,
    },
    /// No face was found in any photo.
    #[error("no face to keep was found in any photo (of {photos}); the reasons are in {file}")]
    NothingDetected {
        /// Photos of the dataset.
        photos: u64,
        /// `failures.csv`.
        file: String,
    },
    /// More photos without a face to keep than the config accepts.
    #[error(
        "{failed} of {} {} no face to keep, and the config accepts {accepted}; the reasons are in {file}",
        counted(*photos, "photo"), if *failed == 1 { "has" } else { "have" }
    )]
    TooManyUndetected {
        /// Photos without a face to keep.
        failed: u64,
        /// Photos of the dataset.
        photos: u64,
        /// What the config accepts, in words.
        accepted: String,
        /// `failures.csv`.
        file: String,
    },
    /// No step of an ablation could be measured; the page says why.
    #[error("no step could be measured; the table gives the reasons")]
    NothingMeasured,
    /// A path or an argument that is to be written as text, and cannot be.
    #[error("{what}, {text:?}, is not valid UTF-8; {remedy}")]
    NotUtf8 {
        /// Which it is.
        what: String,
        /// It.
        text: OsString,
        /// What to do.
        remedy: &'static str,
    },
    /// The command line contradicts itself or a file it names.
    #[error("{0}")]
    Usage(String),
    /// Ctrl-C cannot be handled.
    #[error("cannot install the Ctrl-C handler: {0}")]
    Signals(#[from] ctrlc::Error),
    /// The result cannot be turned into JSON.
    #[error("cannot write the result as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The result cannot be written where it was asked for.
    #[error("cannot write the result to standard output: {0}")]
    Output(#[from] std::io::Error),
}

/// Why a command failed, as far as its exit code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command line or the config has to change: it is wrong, or names a run or face that does not exist.
    Usage,
    /// The command was right, but something else was not: this machine, its network or its disk lacks what it takes, or
    /// not one face could be embedded.
    Failure,
    /// Stopped on request.
    Interrupted,
}

impl ErrorKind {
    /// The exit code, as listed by `--help`.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Failure => 1,
            Self::Usage => 2,
            Self::Interrupted => CommandOutcome::Interrupted.code(),
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOutcome {
    /// Everything is done.
    Done,
    /// Done, but an expectation of the config was missed or could not be judged.
    ExpectationNotMet,
    /// `verify` found damage.
    Damaged,
    /// `compare --fail-on-regression` found a run worse than the reference.
    Regressed,
    /// Stopped on request; running the command again resumes.
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
    /// Which kind of error it is, whichever command it ended.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Init(error) if !error.is_usage() => ErrorKind::Failure,
            Self::Config(_) | Self::Init(_) | Self::Usage(_) | Self::NotUtf8 { .. } | Self::Compare(_) => {
                ErrorKind::Usage
            }
            Self::Run(error) | Self::Throughput(ThroughputError::Run(error)) => run_kind(error),
            Self::Throughput(ThroughputError::Interrupted) => ErrorKind::Interrupted,
            Self::Throughput(ThroughputError::NoFaces { .. } | ThroughputError::Variant { .. })
            | Self::Report(_)
            | Self::File(_)
            | Self::NothingEmbedded { .. }
            | Self::NothingDetected { .. }
            | Self::TooManyUndetected { .. }
            | Self::NothingMeasured
            | Self::Signals(_)
            | Self::Json(_)
            | Self::Output(_) => ErrorKind::Failure,
        }
    }

    /// The whole message for the terminal. A config error renders itself, with the line it is about.
    #[must_use]
    pub fn render(&self) -> String {
        match self {
            Self::Config(error)
            | Self::Init(InitError::Config(error))
            | Self::Run(RunError::Config(error))
            | Self::Throughput(ThroughputError::Run(RunError::Config(error))) => error.to_string(),
            other => format!("error: {other}"),
        }
    }
}

fn run_kind(error: &RunError) -> ErrorKind {
    if error.interrupted() {
        ErrorKind::Interrupted
    } else if error.usage() {
        ErrorKind::Usage
    } else {
        ErrorKind::Failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::HubError;
    use crate::model::ModelError;

    fn code(error: impl Into<Error>) -> u8 {
        error.into().kind().code()
    }

    fn config_error() -> ConfigError {
        crate::config::load(std::path::Path::new("/nowhere/config.yaml"), &[]).unwrap_err()
    }

    #[test]
    fn a_missing_gpu_has_one_code_whichever_command_needs_it() {
        let no_cuda = || ModelError::NoCuda { reason: "no NVIDIA driver".into() };
        assert_eq!(code(RunError::from(no_cuda())), 1);
        assert_eq!(code(ThroughputError::from(RunError::from(no_cuda()))), 1);
        assert_eq!(code(ThroughputError::Variant { variant: "cuda f32 batch 1".into(), source: no_cuda() }), 1);
    }

    #[test]
    fn each_kind_of_error_has_the_documented_code() {
        let no_run = || RunError::NoSuchRun { text: "a".into(), folder: "experiments".into(), near: None, empty: true };
        for usage in [
            code(config_error()),
            code(RunError::from(config_error())),
            code(ThroughputError::from(RunError::from(config_error()))),
            code(no_run()),
            code(CompareError::TooFew { given: 1 }),
            code(Error::Usage("wrong".into())),
        ] {
            assert_eq!(usage, 2);
        }
        for failure in [
            code(Error::NothingMeasured),
            code(Error::NothingEmbedded { faces: 3, file: "failures.csv".into() }),
            code(std::io::Error::other("full")),
            code(ThroughputError::NoFaces { tried: 3 }),
        ] {
            assert_eq!(failure, 1);
        }
        for interrupted in [
            code(ThroughputError::Interrupted),
            code(ThroughputError::from(RunError::Hub(HubError::Interrupted))),
            code(RunError::Interrupted { resume: "again".into() }),
        ] {
            assert_eq!(interrupted, 130);
        }
        let outcomes = [CommandOutcome::Done, CommandOutcome::ExpectationNotMet, CommandOutcome::Damaged];
        assert_eq!(outcomes.map(CommandOutcome::code), [0, 3, 4]);
        assert_eq!([CommandOutcome::Regressed, CommandOutcome::Interrupted].map(CommandOutcome::code), [5, 130]);
    }

    #[test]
    fn a_config_error_renders_itself_and_every_other_gets_a_prefix() {
        for error in [Error::from(config_error()), RunError::from(config_error()).into()] {
            assert!(error.render().starts_with("error: cannot read the config"), "{}", error.render());
        }
        assert_eq!(Error::Usage("error-prone text".into()).render(), "error: error-prone text");
    }
}

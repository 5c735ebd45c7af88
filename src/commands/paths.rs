//! The paths that a command is given, looked at before anything is written: no command writes into a run, where every file
//! counts, and what a run records as text can be written as text.

use std::env;
use std::path::{Path, PathBuf};

use crate::cli::{Command, CommonArgs};
use crate::error::Error;
use crate::export;
use crate::objects::is_address;
use crate::run::{RunDirectory, RunError};

/// Refuses what cannot be written where the command would. Fails with [`RunError::InsideRun`] and
/// [`Error::NotUtf8`].
pub(super) fn check(command: &Command) -> Result<(), Error> {
    if let Some(configs) = recorded(command) {
        let here = env::current_dir().unwrap_or_default();
        let moved = "a run records it as text: rename it, or start the command in another folder";
        let named = [(here.as_path(), "the current folder", moved)];
        let renamed = "a run records it as text: rename it";
        for (path, what, remedy) in named.into_iter().chain(configs.map(|path| (path, "the config's path", renamed))) {
            if path.to_str().is_none() {
                return Err(Error::NotUtf8 { what: what.into(), text: path.into(), remedy });
            }
        }
    }
    for (path, option) in written(command) {
        if let Some(run) = run_around(&path) {
            return Err(RunError::InsideRun { path, run, option }.into());
        }
    }
    Ok(())
}

/// The configs of a command that makes runs.
fn recorded(command: &Command) -> Option<impl Iterator<Item = &Path>> {
    let configs = match command {
        Command::Experiment(arguments) => vec![&arguments.config.config],
        Command::Embed(arguments) => vec![&arguments.target],
        Command::Prepare(arguments) => vec![&arguments.config.config],
        Command::Ablate(arguments) => vec![&arguments.config.config],
        Command::Reproduce(arguments) => arguments.configs.iter().collect(),
        _ => return None,
    };
    Some(configs.into_iter().map(PathBuf::as_path))
}

/// The folders that a command writes into, but for the runs that it is given, and the options that name others.
fn written(command: &Command) -> Vec<(PathBuf, &'static str)> {
    let runs = |common: &CommonArgs| (common.experiments.clone(), "--experiments");
    let pages = |common: &CommonArgs| (common.reports.clone(), "--reports");
    let out = |folder: Option<PathBuf>| folder.map(|folder| (folder, "--out"));
    match command {
        Command::Experiment(arguments) => vec![runs(&arguments.config.common), pages(&arguments.config.common)],
        Command::Ablate(arguments) => vec![runs(&arguments.config.common), pages(&arguments.config.common)],
        Command::Throughput(arguments) => vec![runs(&arguments.config.common), pages(&arguments.config.common)],
        Command::Reproduce(arguments) => vec![runs(&arguments.common), pages(&arguments.common)],
        // A worker writes into its run only.
        Command::Embed(arguments) if arguments.shard.is_none() => vec![runs(&arguments.common)],
        Command::Prepare(arguments) => vec![runs(&arguments.config.common)],
        Command::Fetch(arguments) => vec![runs(&arguments.common)],
        Command::Report(arguments) => vec![pages(&arguments.common)],
        Command::Compare(arguments) => vec![pages(&arguments.common)],
        Command::Detect(arguments) => {
            let folder = arguments.out.clone().unwrap_or_else(|| super::detect::FOLDER.into());
            vec![runs(&arguments.config.common), (folder, "--out")]
        }
        Command::Export(arguments) => {
            let folder = arguments.out.clone().unwrap_or_else(|| export::default_folder(arguments.to).into());
            vec![(folder, "--out")]
        }
        Command::Runs(arguments) => match &arguments.html {
            Some(Some(page)) => vec![(folder_of(page), "--html=PATH")],
            Some(None) => vec![pages(&arguments.common)],
            None => vec![],
        },
        Command::Init(arguments) => {
            out(Some(arguments.out.as_deref().map_or_else(PathBuf::new, folder_of))).into_iter().collect()
        }
        Command::Man(arguments) => out(arguments.out.clone()).into_iter().collect(),
        _ => vec![],
    }
}

fn folder_of(file: &Path) -> PathBuf {
    file.parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// The run that a path is in, or would be.
fn run_around(path: &Path) -> Option<PathBuf> {
    if path.to_str().is_some_and(is_address) {
        return None;
    }
    let here = env::current_dir().ok()?;
    let path = here.join(path);
    // Links lead to where they lead; what is not there yet comes to be where it is said.
    let there = path.ancestors().find_map(|part| part.canonicalize().ok())?;
    // Other programs have a plan.json, too.
    let is_run = |folder: &&Path| {
        [RunDirectory::PLAN, RunDirectory::PROVENANCE].into_iter().all(|name| folder.join(name).is_file())
    };
    there.ancestors().find(is_run).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    /// Every command that makes files, and none that only reads, minds where it is started.
    #[test]
    fn no_command_writes_into_a_run() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("demo-00aa");
        fs::create_dir(&run).unwrap();
        let refused = |line: &str| {
            let line = line.replace("RUN", run.to_str().unwrap());
            let parsed = Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{error}"));
            check(&parsed.command).err().map(|error| error.to_string().replace(folder.path().to_str().unwrap(), "DIR"))
        };
        let writing = [
            "experiment demo --experiments RUN/e",
            "experiment demo --reports RUN/r",
            "embed demo --experiments RUN",
            "prepare demo --experiments RUN",
            "fetch demo --experiments RUN",
            "ablate demo --reports RUN",
            "reproduce demo --reports RUN",
            "throughput demo --reports RUN/a/b",
            "report demo --reports RUN",
            "compare a b --reports RUN",
            "detect demo --out RUN/faces",
            "export demo --to webdataset --out RUN/../demo-00aa/out",
            "runs --html=RUN/page.html",
            "runs --html --reports RUN",
            "init --out RUN/a.yaml",
            "man --out RUN",
        ];
        for line in writing {
            assert_eq!(refused(&format!("facevault {line}")), None, "{line}: there is no run yet");
        }
        fs::write(run.join(RunDirectory::PLAN), "{}").unwrap();
        fs::write(run.join(RunDirectory::PROVENANCE), "{}").unwrap();
        for line in writing {
            let error = refused(&format!("facevault {line}")).unwrap_or_else(|| panic!("{line} is taken"));
            assert!(error.contains("is inside the run DIR/demo-00aa, where every file counts"), "{line}: {error}");
        }
        for line in ["runs --experiments RUN", "verify RUN --reports RUN", "embed RUN --shard 0/2", "lookup RUN a"] {
            assert_eq!(refused(&format!("facevault {line}")), None, "{line} writes into no folder");
        }
        let error = refused("facevault report demo --reports RUN/pages").unwrap();
        insta::assert_snapshot!(error, @"DIR/demo-00aa/pages is inside the run DIR/demo-00aa, where every file counts: start the command in another folder, or name one with --reports");
    }

    /// Also through a link.
    #[cfg(unix)]
    #[test]
    fn a_link_into_a_run_is_no_way_in() {
        let folder = tempfile::tempdir().unwrap();
        for name in [RunDirectory::PLAN, RunDirectory::PROVENANCE] {
            fs::write(folder.path().join(name), "{}").unwrap();
        }
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        assert_eq!(run_around(&link.join("reports")), folder.path().canonicalize().ok());
        assert_eq!(run_around(&elsewhere.path().join("reports")), None);
    }
}

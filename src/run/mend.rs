//! A run that is not as it was sealed: refused by name, or its damaged files are made again.

use super::seal::{self, Depth, Difference};
use super::{RunContext, RunDirectory, RunError, command_here, experiments_option, forget};
use crate::embed;
use crate::files;
use crate::progress::{Cancel, Silent};
use crate::provenance::Provenance;

/// What describes a run; `facevault embed RUN` and `facevault evaluate RUN` believe it.
const DESCRIPTION: [&str; 3] = [RunDirectory::CONFIG, RunDirectory::PLAN, RunDirectory::PROVENANCE];

/// What the chunks were computed with; without it, they are computed again.
const COMPUTED_WITH: [&str; 2] = [RunDirectory::PROVENANCE, RunDirectory::CALIBRATION];

/// What mends a run from which faces were removed.
const FORGOTTEN: &str = "faces were removed from this run, so it is not embedded again: restore these files from a copy that \
                         was made after that, or delete the run and make it anew from the dataset without those faces";

impl RunContext<'_> {
    /// Removes what differs from the digests in force, and the marks of steps that depend on it, so that these steps make
    /// it again: exports from the chunks, chunks from the pictures, results from the matrix. Says what. Fails with
    /// [`RunError::Damaged`] if files were added to a run that has to be sealed again.
    pub(super) fn mend(&self, run: &RunDirectory) -> Result<(), RunError> {
        let differences = match seal::check(run, Depth::Every, self.watch()) {
            Err(error @ RunError::Seal { .. }) => {
                // The chunks have digests of their own; everything else is made from them.
                self.progress.warn(&error.to_string());
                seal::remove(run, RunDirectory::METRICS)?;
                seal::remove(run, RunDirectory::METADATA)?;
                return Ok(seal::discard(run)?);
            }
            other => other?.unwrap_or_default(),
        };
        let (added, broken): (Vec<_>, Vec<_>) = differences.into_iter().partition(Difference::added);
        if broken.is_empty() {
            return Ok(());
        }
        if !added.is_empty() {
            return Err(damaged(run, &added));
        }
        for difference in &broken {
            self.progress.warn(&format!("{difference}; making it again"));
        }
        seal::remove(run, RunDirectory::METRICS)?;
        let results_only = only_results(&broken);
        if results_only {
            seal::unseal(run, |name| !RunDirectory::is_result(name))?;
        } else {
            seal::remove(run, RunDirectory::METADATA)?;
        }
        if broken.iter().any(|difference| COMPUTED_WITH.contains(&difference.name.as_str())) {
            embed::remove_records(run.path())?;
        }
        // Only names that a listing gave: a seal from elsewhere could name any path.
        for difference in broken.iter().filter(|difference| !difference.missing()) {
            seal::remove(run, &difference.name)?;
        }
        // Last, so that an interrupted mending is taken up again.
        if results_only { Ok(()) } else { Ok(seal::discard(run)?) }
    }
}

/// Refuses a finished run that has changed since it was sealed, by size and times of all files and the digests of those
/// that look changed. Fails with [`RunError::Damaged`].
pub(super) fn intact(run: &RunDirectory) -> Result<(), RunError> {
    forget::refuse_unfinished(run)?;
    if !run.has(RunDirectory::SEALED) {
        return Ok(());
    }
    let sealed = || files::read(&run.file(RunDirectory::SEALED)).ok();
    let before = sealed();
    let mut broken = seal::check(run, Depth::Changed, seal::Watch { progress: &Silent, cancel: &Cancel::default() })?
        .unwrap_or_default();
    broken.retain(|difference| !difference.added());
    // Another process may be evaluating it right now.
    if broken.is_empty() || sealed() != before { Ok(()) } else { Err(damaged(run, &broken)) }
}

pub(super) fn damaged(run: &RunDirectory, differences: &[Difference]) -> RunError {
    RunError::Damaged {
        run: run.name(),
        files: differences.iter().map(Difference::to_string).collect(),
        remedy: remedy(run, differences),
    }
}

pub(super) fn only_results(differences: &[Difference]) -> bool {
    differences.iter().all(|difference| RunDirectory::is_result(&difference.name))
}

/// What mends a run with these differences.
pub(super) fn remedy(run: &RunDirectory, differences: &[Difference]) -> String {
    let added: Vec<_> = differences.iter().filter(|difference| difference.added()).collect();
    if let Some(first) = added.first() {
        let others = if added.len() > 1 { " and the other added files" } else { "" };
        return format!("move {}{others} out of the run's directory", first.name);
    }
    if !only_results(differences) && !forget::removals(run).is_empty() {
        return FORGOTTEN.into();
    }
    let has = |name: &str| differences.iter().any(|difference| difference.name == name);
    if DESCRIPTION.into_iter().any(has) {
        let stored = run.json::<Provenance>(RunDirectory::PROVENANCE).ok().filter(|_| !has(RunDirectory::PROVENANCE));
        let command = stored.map_or_else(
            || "facevault experiment CONFIG".into(),
            |provenance| command_here("experiment", &provenance.config),
        );
        let run = run.to_write();
        let (before, folder) = (&run.before, experiments_option(&run.folder));
        return format!("to mend it, run `{before}{command}{folder}` with the config that the run was made from");
    }
    let run = run.to_write();
    if only_results(differences) {
        return format!("to mend it, run `{}`", run.command("evaluate"));
    }
    format!("to mend it, run `{}`, then `facevault evaluate {}`", run.command("embed"), run.argument)
}

/// What mends a run whose seal holds, or cannot be read, although a rule is broken.
pub(super) fn remedy_of_files(run: &RunDirectory) -> String {
    if !forget::removals(run).is_empty() {
        return FORGOTTEN.into();
    }
    let (exports, run) = (RunDirectory::METADATA, run.to_write());
    format!(
        "to mend it, remove its {exports} and what is listed above (of a chunk, the `.json`), and run `{}`, then `facevault \
         evaluate {}`",
        run.command("embed"),
        run.argument
    )
}

//! A run that is to be gone on with, and is not the one that its config names any more: what has changed since.

use std::path::PathBuf;

use super::{PreparedRun, RunContext, RunDirectory, RunError, arithmetic, command, stored};
use crate::dataset::Manifest;
use crate::plan::{self, RunPlan};
use crate::provenance::Provenance;

impl RunContext<'_> {
    /// [`Self::prepare`] for a run that is there: its own config, its own directory.
    ///
    /// # Errors
    /// [`RunError::AnotherRun`] where that config, with what is there now, is another run, and those of [`Self::prepare`].
    pub fn prepare_existing(&self, run: &RunDirectory) -> Result<PreparedRun, RunError> {
        let (path, loaded) = stored(run)?;
        let mut prepared = self.prepare(&path, loaded)?;
        if prepared.directory.name() != run.name() {
            let (changed, remedy) = changes(run, &prepared)?;
            let other = prepared.directory.name();
            let command = command(&run.json::<Provenance>(RunDirectory::PROVENANCE)?.config);
            return Err(RunError::AnotherRun { run: run.name(), changed, other, command, remedy });
        }
        // It may lie in another folder than new runs would.
        prepared.directory = run.clone();
        Ok(prepared)
    }

    /// Says which runs of this config were begun, are not finished, and are not what is begun now: who expects one of them to
    /// be gone on with should know.
    pub(super) fn say_unfinished_runs(&self, prepared: &PreparedRun) -> Result<(), RunError> {
        for run in RunDirectory::list(self.experiments)? {
            // What another version made, or is damaged, cannot be gone on with.
            let Ok(theirs) = run.json::<RunPlan>(RunDirectory::PLAN) else { continue };
            let unfinished = !run.has(RunDirectory::METADATA) && run.name() != prepared.directory.name();
            if !unfinished || theirs.name() != prepared.plan.name() {
                continue;
            }
            if let Ok((changed, remedy)) = changes(&run, prepared) {
                let (name, other) = (run.name(), prepared.directory.name());
                self.progress.say(&format!("{name} is not finished, and {other} is another run: {changed}; {remedy}"));
            }
        }
        Ok(())
    }
}

/// What differs between a run and what is prepared, and what to do to go on with the run.
fn changes(run: &RunDirectory, prepared: &PreparedRun) -> Result<(String, String), RunError> {
    let theirs: RunPlan = run.json(RunDirectory::PLAN)?;
    let (ours, config) = (&prepared.plan, &prepared.loaded.config);
    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
    let mut changed = Vec::new();
    if theirs.manifest_digest() != ours.manifest_digest() {
        changed.push(faces(run, prepared));
    }
    let remedy = if theirs.code() != ours.code() {
        changed.push("another version of facevault made it".into());
        format!("only that version can go on with {}", run.name())
    } else if theirs.is_computed_by(&prepared.embedder) {
        format!("to go on with {}, put back what has changed", run.name())
    } else {
        changed.extend(provenance.arithmetic.map(|begun| format!("it was begun by {}", begun.machine())));
        arithmetic::remedy_here(run, config, &theirs, &provenance.config)
    };
    changed.extend(keys(&theirs, ours));
    Ok((changed.join(", "), remedy))
}

/// Keys of the plan that differ, but those that only tell of the faces or the version.
fn keys(theirs: &RunPlan, ours: &RunPlan) -> Vec<String> {
    let flat = |plan: &RunPlan| plan::flatten(&serde_json::to_value(plan).unwrap_or_default());
    let (theirs, ours) = (flat(theirs), flat(ours));
    let value = |of: &[(String, String)], key: &str| {
        of.iter().find(|(known, _)| known == key).map_or_else(|| "none".into(), |(_, value)| value.clone())
    };
    let mut names: Vec<&String> = theirs.iter().chain(&ours).map(|(key, _)| key).collect();
    names.sort();
    names.dedup();
    let differing = names.into_iter().filter(|key| !key.starts_with("dataset.") && *key != "code");
    differing
        .map(|key| (key, value(&theirs, key), value(&ours, key)))
        .filter(|(_, was, is)| was != is)
        .map(|(key, was, is)| format!("`{key}` was `{was}` and is `{is}`"))
        .collect()
}

/// Which faces differ, as far as the run knows its faces yet.
fn faces(run: &RunDirectory, prepared: &PreparedRun) -> String {
    let read = || {
        let mut manifest = Manifest::read_parquet(&run.file(RunDirectory::MANIFEST), PathBuf::new()).ok()?;
        manifest.read_pair_lists(&run.file(RunDirectory::PAIR_LISTS)).ok()?;
        manifest.changes(&prepared.manifest)
    };
    read().unwrap_or_else(|| "the dataset has changed".into())
}

//! Resumes a run by its own config, and explains what has changed if the config now stands for another run.

use std::path::PathBuf;

use super::{
    PreparedRun, RunContext, RunDirectory, RunError, arithmetic, command_here, experiments_option, forget, renamed,
    stored,
};
use crate::dataset::Manifest;
use crate::plan::{self, RunPlan};
use crate::provenance::Provenance;

impl RunContext<'_> {
    /// [`Self::prepare`] for an existing run: its own config, its own directory. Fails with [`RunError::Renamed`],
    /// [`RunError::AnotherRun`] if the config now stands for another run, and those of [`Self::prepare`].
    pub fn prepare_existing(&self, run: &RunDirectory) -> Result<PreparedRun, RunError> {
        forget::refuse_embedding(run)?;
        let (path, loaded) = stored(run)?;
        let mut prepared = self.prepare(&path, loaded)?;
        if prepared.directory.name() != run.name() {
            if let Some(own) = renamed::own_name(run)?.filter(|own| *own == prepared.directory.name()) {
                let (run, remedy) = (run.name(), renamed::rename_back(run, &own));
                return Err(RunError::Renamed { run, own, remedy });
            }
            let (changed, remedy) = changes(run, &prepared)?;
            let other = prepared.directory.name();
            let command = command_here("experiment", &run.json::<Provenance>(RunDirectory::PROVENANCE)?.config);
            let command = command + &experiments_option(self.experiments);
            return Err(RunError::AnotherRun { run: run.name(), changed, other, command, remedy });
        }
        // The run may be in another folder than new runs.
        prepared.directory = run.clone();
        Ok(prepared)
    }

    /// Reports unfinished runs of this config other than the one being started, because the user may expect one of them
    /// to be resumed.
    pub(super) fn say_unfinished_runs(&self, prepared: &PreparedRun) -> Result<(), RunError> {
        for run in RunDirectory::list_here(self.experiments)? {
            // Runs that another version made or that are damaged cannot be resumed.
            let Ok(theirs) = run.plan() else { continue };
            let unfinished = !run.has(RunDirectory::METADATA) && run.name() != prepared.directory.name();
            if !unfinished || theirs.name() != prepared.plan.name() {
                continue;
            }
            if let Ok((changed, remedy)) = changes(&run, prepared) {
                let (name, other) = (run.name(), prepared.directory.name());
                self.progress.say(&format!(
                    "{name} is unfinished, and this is a different run, {other}: {changed}; \
                {remedy}"
                ));
            }
        }
        Ok(())
    }
}

/// What differs between a run and the prepared one, and how to resume the run.
fn changes(run: &RunDirectory, prepared: &PreparedRun) -> Result<(String, String), RunError> {
    let theirs = run.plan()?;
    let (ours, config) = (&prepared.plan, &prepared.loaded.config);
    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
    let mut changed = Vec::new();
    if theirs.manifest_digest() != ours.manifest_digest() {
        changed.push(faces(run, prepared));
    }
    let remedy = if theirs.code() != ours.code() {
        changed.push("it was made by another version of facevault".into());
        format!("only that version can resume {}", run.name())
    } else if theirs.is_computed_by(&prepared.embedder) {
        format!("to resume {}, undo these changes", run.name())
    } else {
        changed.extend(provenance.arithmetic.map(|begun| format!("it was started with {}", begun.machine())));
        arithmetic::remedy_here(run, config, &theirs, &provenance.config)
    };
    changed.extend(keys(&theirs, ours));
    Ok((changed.join(", "), remedy))
}

/// Plan keys that differ, except those about the faces or the version.
pub(super) fn keys(theirs: &RunPlan, ours: &RunPlan) -> Vec<String> {
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
        .map(|(key, was, is)| format!("`{key}` was `{was}`, now `{is}`"))
        .collect()
}

/// Which faces differ, if the run has recorded its faces.
fn faces(run: &RunDirectory, prepared: &PreparedRun) -> String {
    let read = || {
        let mut manifest = Manifest::read_parquet(&run.file(RunDirectory::MANIFEST), PathBuf::new()).ok()?;
        manifest.read_lists(run.path()).ok()?;
        manifest.changes(&prepared.manifest)
    };
    read().unwrap_or_else(|| "the dataset has changed".into())
}

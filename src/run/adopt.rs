//! Reuses the embeddings of another run: plans that differ only in name or evaluation have the same embeddings, so a
//! finished run of one saves the other its forward passes.

use super::precision::{self, NetworkOpener};
use super::{RunContext, RunDirectory, RunError, forget, seal};
use crate::embed::ChunkStore;
use crate::files::{self, FileError};
use crate::plan::RunPlan;
use crate::provenance::{Adopted, Provenance};
use crate::text::counted;

impl RunContext<'_> {
    /// Fills the missing chunks of `store` from a finished one of `donors` with the same embedding digest, reports it, and records
    /// that run in `provenance`. Does nothing if no such run is intact and of this machine's arithmetic. Returns the names
    /// of the runs that were refused, and reported.
    pub(super) fn adopt(
        &self,
        run: &RunDirectory,
        donors: &[RunDirectory],
        plan: &RunPlan,
        store: &mut ChunkStore,
        provenance: &mut Provenance,
        opening: &NetworkOpener<'_>,
    ) -> Vec<String> {
        let mut refused = Vec::new();
        if store.is_empty() {
            // The store is empty, so nothing was adopted, whatever an interrupted start recorded.
            provenance.adopted_from = None;
        }
        // Never complete from a second run: its chunks could have other boundaries.
        let begun = provenance.adopted_from.as_ref().map(|adopted| adopted.run.clone());
        if store.is_complete() || (!store.is_empty() && begun.is_none()) {
            return refused;
        }
        for source in donors {
            let name = source.name();
            if begun.as_ref().is_some_and(|begun| *begun != name) || name == run.name() {
                continue;
            }
            // Skip runs that another version made or that are damaged.
            let Ok(theirs) = source.plan() else { continue };
            // What is left of a run whose faces were removed is not what its plan says.
            let finished = forget::removals(source).is_empty()
                && source.has(RunDirectory::SEALED)
                && theirs.run_id().to_string() == name;
            if !finished || theirs.embedding_digest() != plan.embedding_digest() {
                continue;
            }
            match self.adopt_from(run, source, theirs.evaluates_as(plan), store, provenance, opening) {
                Ok(()) if store.is_complete() => return refused,
                Ok(()) => {}
                Err(_) if self.cancel.requested() => return refused,
                Err(reason) => {
                    self.progress.say(&format!("cannot reuse the embeddings of {name}: {reason}"));
                    refused.push(name);
                }
            }
            if !store.is_empty() {
                return refused;
            }
            provenance.adopted_from = None;
        }
        refused
    }

    /// Adopts from one run. `Err` is the reason why it gives nothing, or nothing more.
    fn adopt_from(
        &self,
        run: &RunDirectory,
        source: &RunDirectory,
        evaluates_alike: bool,
        store: &mut ChunkStore,
        provenance: &mut Provenance,
        opening: &NetworkOpener<'_>,
    ) -> Result<(), String> {
        let words = |error: RunError| error.to_string();
        let needed = [RunDirectory::PLAN, RunDirectory::CALIBRATION, RunDirectory::AGREEMENT];
        let asked = |name: &str| name.starts_with("chunks/") || needed.contains(&name);
        let broken = seal::first_broken(source, asked, self.cancel);
        if let Some(file) = broken.map_err(words)? {
            return Err(format!("its {file} has changed since the run was sealed"));
        }
        let theirs: Provenance = source.json(RunDirectory::PROVENANCE).map_err(words)?;
        let sessions = theirs.embedding_sessions().cloned().collect();
        let Some(arithmetic) = theirs.arithmetic else { return Err("it does not record what computed them".into()) };
        let Some(here) = opening.arithmetic_with_ranges_of(source).map_err(words)? else { return Ok(()) };
        if here.fingerprint != arithmetic.fingerprint {
            return Err(format!(
                "they were computed by {}, and {} gives different bytes",
                arithmetic.machine(),
                here.machine()
            ));
        }
        let before = store.rows_embedded() + store.rows_failed();
        // The int8 ranges belong to the chunks computed with them. The agreement with f32 depends on the source's seed
        // and similarity options; with others it is measured again.
        let recalibrated = copy_file(run, source, RunDirectory::CALIBRATION).map_err(words)?;
        if evaluates_alike {
            copy_file(run, source, RunDirectory::AGREEMENT).map_err(words)?;
        } else if recalibrated && run.has(RunDirectory::AGREEMENT) {
            let path = run.file(RunDirectory::AGREEMENT);
            std::fs::remove_file(&path).map_err(FileError::new("remove", path)).map_err(|error| error.to_string())?;
        }
        // Write provenance before the first chunk, so that it covers every chunk even after a crash.
        store.computed_by(arithmetic.fingerprint);
        provenance.arithmetic = Some(arithmetic);
        provenance.measured = precision::measured(run).map_err(words)?;
        provenance.adopted_from = Some(Adopted { run: source.name(), sessions });
        provenance.reused = theirs.reused;
        run.write_json(RunDirectory::PROVENANCE, provenance).map_err(words)?;
        let found = store.adopt(source.path());
        let rows = store.rows_embedded() + store.rows_failed() - before;
        if rows > 0 {
            let of = store.rows();
            self.progress.say(&format!("reusing {rows} of {} from {}", counted(of, "embedding"), source.name()));
        }
        found.map(|_| ()).map_err(|error| error.to_string())
    }
}

/// Copies a file from the source, if it has it; returns whether that changed anything.
fn copy_file(run: &RunDirectory, source: &RunDirectory, name: &str) -> Result<bool, RunError> {
    if !source.has(name) {
        return Ok(false);
    }
    let bytes = files::read(&source.file(name))?;
    if run.has(name) && files::read(&run.file(name))? == bytes {
        return Ok(false);
    }
    files::commit_bytes(&run.file(name), &bytes)?;
    Ok(true)
}

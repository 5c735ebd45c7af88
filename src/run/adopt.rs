//! Embeddings that another run has already: two plans that differ only in how they are called or evaluated have the same
//! embeddings, and a finished run of the one spares the other its forward passes.

use super::precision::NetworkOpener;
use super::{RunContext, RunDirectory, RunError, seal};
use crate::embed::ChunkStore;
use crate::files::{self, FileError};
use crate::plan::RunPlan;
use crate::provenance::{Adopted, Provenance};

impl RunContext<'_> {
    /// Fills what is missing in `store` from a finished run with the same embedding digest, and says so; `provenance` then
    /// names that run. Where there is none, or none that is as it was sealed and that this machine would compute, everything
    /// is left to be computed.
    ///
    /// # Errors
    /// [`RunError::File`] when this run's own files cannot be written.
    pub(super) fn adopt(
        &self,
        run: &RunDirectory,
        plan: &RunPlan,
        store: &mut ChunkStore,
        provenance: &mut Provenance,
        opening: &NetworkOpener<'_>,
    ) -> Result<(), RunError> {
        if store.is_empty() {
            // Nothing here is from anywhere yet, whatever an interrupted start meant to take over.
            provenance.adopted_from = None;
        }
        // What is begun from one run is not completed from another: their chunks could be cut otherwise.
        let begun = provenance.adopted_from.as_ref().map(|adopted| adopted.run.clone());
        if store.is_complete() || (!store.is_empty() && begun.is_none()) {
            return Ok(());
        }
        for source in RunDirectory::list(self.experiments)? {
            let name = source.name();
            if begun.as_ref().is_some_and(|begun| *begun != name) || name == run.name() {
                continue;
            }
            // A run that another version made, or that is damaged, is none that could be taken over from.
            let Ok(theirs) = source.json::<RunPlan>(RunDirectory::PLAN) else { continue };
            let finished = source.has(RunDirectory::SEALED) && theirs.run_id().to_string() == name;
            if !finished || theirs.embedding_digest() != plan.embedding_digest() {
                continue;
            }
            match self.adopt_from(run, &source, theirs.evaluates_as(plan), store, provenance, opening) {
                Ok(()) if store.is_complete() => return Ok(()),
                Ok(()) => {}
                Err(reason) => {
                    self.progress.say(&format!("{name} has these embeddings and cannot give them: {reason}"));
                }
            }
            if !store.is_empty() {
                return Ok(());
            }
            provenance.adopted_from = None;
        }
        Ok(())
    }

    /// One source. `Err` says in words why it gives nothing, or no more.
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
        let broken = seal::first_broken(source, |name| name.starts_with("chunks/") || needed.contains(&name));
        if let Some(file) = broken.map_err(words)? {
            return Err(format!("its {file} is not as it was sealed"));
        }
        let theirs: Provenance = source.json(RunDirectory::PROVENANCE).map_err(words)?;
        let sessions = theirs.embedding_sessions().cloned().collect();
        let Some(arithmetic) = theirs.arithmetic else { return Err("it does not say what computed them".into()) };
        let Some(here) = opening.arithmetic_with_ranges_of(source).map_err(words)? else { return Ok(()) };
        if here.fingerprint != arithmetic.fingerprint {
            return Err(format!("{} computed them, and {} computes other bytes", arithmetic.machine(), here.machine()));
        }
        let before = store.rows_embedded() + store.rows_failed();
        // int8's ranges belong to the chunks that were made with them. How a sample agrees with f32 was measured by the
        // source's seed and similarity options: with others it is measured again.
        let recalibrated = take(run, source, RunDirectory::CALIBRATION).map_err(words)?;
        if evaluates_alike {
            take(run, source, RunDirectory::AGREEMENT).map_err(words)?;
        } else if recalibrated && run.has(RunDirectory::AGREEMENT) {
            let path = run.file(RunDirectory::AGREEMENT);
            std::fs::remove_file(&path).map_err(FileError::new("remove", path)).map_err(|error| error.to_string())?;
        }
        // Before the first chunk: whatever comes between, no chunk is here of which provenance does not tell.
        store.computed_by(arithmetic.fingerprint);
        provenance.arithmetic = Some(arithmetic);
        provenance.adopted_from = Some(Adopted { run: source.name(), sessions });
        run.write_json(RunDirectory::PROVENANCE, provenance).map_err(words)?;
        let found = store.adopt(source.path());
        let rows = store.rows_embedded() + store.rows_failed() - before;
        if rows > 0 {
            let of = store.rows();
            self.progress.say(&format!("{rows} of {of} faces taken over from {}: the same embeddings", source.name()));
        }
        found.map(|_| ()).map_err(|error| error.to_string())
    }
}

/// Makes one file what it is in the source, if that has it; whether it was not so before.
fn take(run: &RunDirectory, source: &RunDirectory, name: &str) -> Result<bool, RunError> {
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

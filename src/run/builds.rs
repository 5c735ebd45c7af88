//! Which build embedded a run, and `experiment --fresh`: embeddings of this build only.

use super::{PreparedRun, RunDirectory, RunError, shards};
use crate::compare::{EmbeddedBy, is_commit, short};
use crate::provenance::{Build, Provenance};

/// What embedded a run.
pub(crate) fn embedded_by(run: &RunDirectory) -> Result<EmbeddedBy, RunError> {
    let plan = run.plan()?;
    let provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
    let sessions = provenance.sessions_behind().map(|session| (session.started, session.machine.host.clone()));
    Ok(EmbeddedBy {
        plan: plan.embedding_digest(),
        sessions: sessions.collect(),
        reused: provenance.adopted_from.is_some() || !provenance.reused.is_empty(),
        builds: provenance.sessions_behind().filter_map(|session| session.revision.clone()).collect(),
    })
}

/// The one build that embedded a run, if it is known and is not this one.
pub(crate) fn other_build(run: &RunDirectory) -> Result<Option<String>, RunError> {
    let builds = embedded_by(run)?.builds;
    let here = Build::current().revision;
    let others = builds.into_iter().filter(|build| *build != here).map(|build| short(&build)).collect::<Vec<_>>();
    Ok((!others.is_empty()).then(|| others.join(", ")))
}

impl PreparedRun {
    /// Makes sure that this build embeds every face: it adopts no embeddings, and continues or accepts a run only if this
    /// build, of a known commit, has done all of it so far. Fails with [`RunError::NotFresh`] for any other run that
    /// exists, and leaves it alone.
    pub fn fresh(self) -> Result<Self, RunError> {
        let run = &self.directory;
        if run.has(RunDirectory::PROVENANCE) {
            let mut provenance: Provenance = run.json(RunDirectory::PROVENANCE)?;
            shards::gather(run, &mut provenance)?;
            let here = Build::current().revision;
            // A crashed session has embedded 0 faces, whatever it has committed.
            let other = provenance.sessions.iter().find(|session| session.revision.as_deref() != Some(&here));
            let begun = provenance.sessions.first();
            let taken = match (&provenance.adopted_from, provenance.reused.first()) {
                (Some(adopted), _) => Some(format!("has the embeddings of {}", adopted.run)),
                (None, Some(reused)) => Some(format!("has embeddings of {}", reused.run)),
                (None, None) => None,
            };
            let not_ours = match (taken, other.or(begun)) {
                (Some(taken), _) => Some(taken),
                (None, Some(session)) if other.is_some() || !is_commit(&here) => {
                    let build = session.revision.as_deref().map_or_else(|| "an unknown build".into(), short);
                    Some(format!("was embedded by {build}"))
                }
                _ => None,
            };
            if let Some(how) = not_ours {
                return Err(RunError::NotFresh {
                    run: run.name(),
                    path: run.path().to_owned(),
                    how,
                    here: short(&here),
                });
            }
        }
        Ok(self.reusing(Some(Vec::new())))
    }

    /// Embeds every face that neither this run nor one of `donors` has embedded; `None`: nor one of the folder.
    pub fn reusing(self, donors: Option<Vec<RunDirectory>>) -> Self {
        Self { donors, ..self }
    }
}

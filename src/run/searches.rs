//! Gallery and probes of a config's identification protocols.

use super::RunError;
use crate::config::ExperimentConfig;
use crate::dataset::{Manifest, read_roles};
use crate::identification::{Enrolment, IdentificationProtocol, RoleFace, Roles, enrol};
use crate::progress::Progress;
use crate::similarity::Labelled;
use crate::text::counted;

/// Reads each protocol's own table of roles into the manifest, and checks before anything is embedded that every protocol
/// has a gallery and probes.
pub(super) fn read(
    manifest: &mut Manifest,
    config: &ExperimentConfig,
    progress: &dyn Progress,
) -> Result<(), RunError> {
    for IdentificationProtocol { name, roles, .. } in &config.identification {
        let Roles::Table { path } = roles else { continue };
        let table = read_roles(name, path, manifest)?;
        let absent = table.entries.iter().filter(|entry| entry.row.is_none()).count();
        if absent > 0 {
            let (all, are) = (table.entries.len(), if absent == 1 { "is" } else { "are" });
            progress.say(&format!(
                "{absent} of the {} in the roles of `{name}` {are} not in the dataset and {are} left out",
                counted(all, "face")
            ));
        }
        manifest.roles.push(table);
    }
    enrolled(manifest, config).map(|_| ())
}

/// Each protocol with its gallery and its probes.
pub(super) fn enrolled<'c>(
    manifest: &Manifest,
    config: &'c ExperimentConfig,
) -> Result<Vec<(&'c IdentificationProtocol, Enrolment)>, RunError> {
    let faces: Vec<RoleFace<'_>> = manifest
        .faces
        .iter()
        .map(|face| {
            let Labelled { face_id, identity, content, .. } = Labelled::from(face);
            RoleFace { face_id, identity, content }
        })
        .collect();
    let one = |protocol: &'c IdentificationProtocol| {
        let found = enrol(protocol, &faces, &manifest.roles, config.seed);
        let failed = |source| RunError::Roles { protocol: protocol.name.clone(), source };
        Ok((protocol, found.map_err(failed)?))
    };
    config.identification.iter().map(one).collect()
}

//! A run whose directory has another name than its plan: how it gets its own back.

use super::directory::{COPIES, quoted};
use super::{RunDirectory, RunError};
use crate::plan::RunPlan;

/// The name that a run's plan gives it, if its directory has another.
pub(super) fn own_name(run: &RunDirectory) -> Result<Option<String>, RunError> {
    let plan: RunPlan = run.json(RunDirectory::PLAN)?;
    let own = plan.run_id().to_string();
    Ok((own != run.name()).then_some(own))
}

/// How a run gets the name `own` back: in its folder, or in another one where a run has that name already.
pub(super) fn rename_back(run: &RunDirectory, own: &str) -> String {
    let path = |path: &std::path::Path| quoted(&path.display().to_string());
    let (from, to) = (path(run.path()), run.path().with_file_name(own));
    if to.exists() {
        let copy = path(&std::path::Path::new(COPIES).join(own));
        return format!(
            "{own} is beside it: remove {}, or keep it in a folder of its own, with `mkdir -p {COPIES} && mv {from} {copy}`",
            run.name()
        );
    }
    format!("rename it back, with `mv {from} {}`", path(&to))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_run_is_renamed_back_unless_another_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(folder.path().join("my copy"));
        let remedy = || rename_back(&run, "demo-00aa").replace(folder.path().to_str().unwrap(), "DIR");
        insta::assert_snapshot!(remedy(), @"rename it back, with `mv 'DIR/my copy' DIR/demo-00aa`");
        fs::create_dir(folder.path().join("demo-00aa")).unwrap();
        insta::assert_snapshot!(
            remedy(), @"demo-00aa is beside it: remove my copy, or keep it in a folder of its own, with `mkdir -p copies && mv 'DIR/my copy' copies/demo-00aa`"
        );
    }
}

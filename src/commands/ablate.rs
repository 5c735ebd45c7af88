//! `ablate CONFIG`: what each choice costs: a table here, a page in the reports folder.

use super::experiment::interrupted;
use super::{at_work, print, retype};
use crate::cli::AblateArgs;
use crate::config;
use crate::error::{Error, Outcome};
use crate::pages;

/// Runs it.
pub(super) fn run(arguments: &AblateArgs) -> Result<Outcome, Error> {
    let (common, path) = (&arguments.config.common, &arguments.config.config);
    let loaded = config::load(path, &arguments.config.overrides)?;
    let Some(asked) = &loaded.config.ablation else {
        return Err(Error::Usage(format!(
            "{} has no `ablation` and so nothing to vary; configs/README.md says how one is written, \
             configs/ablation-demo.yaml is an example",
            path.display()
        )));
    };
    at_work(common, |work| {
        let found = match work.ablate(path, &loaded, asked) {
            Err(error) if error.interrupted() => {
                let again =
                    format!("facevault ablate {}{}", path.display(), retype(common, &arguments.config.overrides));
                return Ok(interrupted(&format!("to go on: {again}")));
            }
            other => other?,
        };
        let page = pages::ablation(&common.reports, &found)?;
        print(common, &found, || format!("{}\n\nreport  {}", found.to_text(), page.display()))?;
        if found.measured() { Ok(Outcome::Done) } else { Err(Error::NothingMeasured) }
    })
}

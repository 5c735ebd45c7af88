//! `ablate CONFIG`: prints what each choice costs and writes a page.

use super::shared::{config_for, interrupted};
use super::{options_to_repeat, print, with_context};
use crate::cli::AblateArgs;
use crate::error::{CommandOutcome, Error};
use crate::pages;
use crate::terminal;

pub(super) fn run(arguments: &AblateArgs) -> Result<CommandOutcome, Error> {
    let (common, path) = (&arguments.config.common, &arguments.config.config);
    let loaded = config_for("ablate", path, &arguments.config.overrides, common)?;
    let Some(asked) = &loaded.config.ablation else {
        return Err(Error::Usage(format!(
            "{} has no `ablation` section; `facevault guide config-keys` shows how to write one",
            path.display()
        )));
    };
    let options = options_to_repeat(common, &arguments.config.overrides);
    let again = format!("to resume: facevault ablate {}{options}", path.display());
    with_context(common, &again, |context| {
        let found = match context.ablate(path, &loaded, asked) {
            Err(error) if error.interrupted() => return Ok(interrupted(&again)),
            other => other?,
        };
        let page = pages::ablation(&common.reports, &found)?;
        print(common, &found, || format!("{}\n\nreport  {}", found.to_text(terminal::width()), page.display()))?;
        if found.measured() { Ok(CommandOutcome::Done) } else { Err(Error::NothingMeasured) }
    })
}

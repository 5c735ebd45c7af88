//! `guide [NAME]`: prints a page of the documentation, or lists them.

use serde_json::json;

use super::print;
use crate::cli::GuideArgs;
use crate::error::{CommandOutcome, Error};
use crate::guides::{GUIDES, Guide};
use crate::spelling;
use crate::text_table::TextTable;

pub(super) fn run(arguments: &GuideArgs) -> Result<CommandOutcome, Error> {
    let common = &arguments.common;
    match &arguments.name {
        None => {
            let list: Vec<_> = GUIDES.iter().map(|guide| json!({"name": guide.name, "title": guide.title()})).collect();
            print(common, &list, || {
                let names = GUIDES.iter().map(|guide| [guide.name, guide.title()]);
                format!("{}\n\n`facevault guide NAME` prints one", TextTable::default().rows(names))
            })?;
        }
        Some(name) => {
            let guide = Guide::find(name).ok_or_else(|| {
                let near = spelling::did_you_mean(name, GUIDES.iter().map(|guide| guide.name));
                let near = near.map_or_else(String::new, |near| format!("; {near}"));
                Error::Usage(format!("no guide `{name}`{near}; `facevault guide` lists them"))
            })?;
            print(common, guide, || guide.text.trim_end().to_owned())?;
        }
    }
    Ok(CommandOutcome::Done)
}

//! `guide [NAME]`: prints a page of the documentation, or lists them.

use schemars::JsonSchema;
use serde::Serialize;

use super::print;
use crate::cli::GuideArgs;
use crate::error::{CommandOutcome, Error};
use crate::guides::{GUIDES, Guide};
use crate::spelling;
use crate::terminal;
use crate::text_table::TextTable;

/// What `guide --json` prints: the list, or one guide if it is named.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum GuideOutput {
    List(Vec<ListedGuide>),
    One(Guide),
}

/// A line of the list.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ListedGuide {
    /// Its name on the command line.
    name: &'static str,
    /// Its title.
    title: &'static str,
}

pub(super) fn run(arguments: &GuideArgs) -> Result<CommandOutcome, Error> {
    let common = &arguments.common;
    match &arguments.name {
        None => {
            let list = GUIDES.iter().map(|guide| ListedGuide { name: guide.name, title: guide.title() }).collect();
            print(common, &GuideOutput::List(list), || {
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
            print(common, &GuideOutput::One(*guide), || match terminal::columns() {
                Some(width) => guide.folded(width),
                None => guide.text.trim_end().to_owned(),
            })?;
        }
    }
    Ok(CommandOutcome::Done)
}

//! `man [COMMAND]`: manual pages, made of the same text as `--help`.

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;

use crate::cli::{Cli, ManArgs};
use crate::error::{CommandOutcome, Error};
use crate::{files, spelling, terminal};

pub(super) fn run(arguments: &ManArgs) -> Result<CommandOutcome, Error> {
    let pages = pages();
    if let Some(folder) = &arguments.out {
        files::create_dir(folder)?;
        for page in &pages {
            files::write(&folder.join(format!("{}.1", name_of(page))), rendered(page)?.as_bytes())?;
        }
        terminal::say(&format!("wrote {} pages to {}", pages.len(), folder.display()));
        return Ok(CommandOutcome::Done);
    }
    let wanted = match &arguments.name {
        None => "facevault".to_owned(),
        Some(name) => format!("facevault-{name}"),
    };
    let page = pages.iter().find(|page| name_of(page) == wanted).ok_or_else(|| {
        let name = arguments.name.as_deref().unwrap_or_default();
        let names = pages.iter().filter_map(|page| name_of(page).strip_prefix("facevault-"));
        let near = spelling::did_you_mean(name, names).map_or_else(String::new, |near| format!("; {near}"));
        Error::Usage(format!("no command `{name}`{near}; `facevault --help` lists them"))
    })?;
    terminal::print(&rendered(page)?)?;
    Ok(CommandOutcome::Done)
}

/// facevault, and each of its commands.
fn pages() -> Vec<Command> {
    let mut whole = Cli::command();
    // Gives each command its full name.
    whole.build();
    let commands: Vec<_> = whole.get_subcommands().filter(|command| command.get_name() != "help").cloned().collect();
    std::iter::once(whole).chain(commands).collect()
}

fn name_of(page: &Command) -> &str {
    page.get_display_name().unwrap_or_else(|| page.get_name())
}

fn rendered(page: &Command) -> Result<String, Error> {
    let mut roff = Vec::new();
    let source = format!("facevault {}", env!("CARGO_PKG_VERSION"));
    Man::new(page.clone()).title(name_of(page).to_uppercase()).source(source).manual("facevault").render(&mut roff)?;
    Ok(String::from_utf8_lossy(&roff).into_owned())
}

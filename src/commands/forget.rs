//! `forget RUN FACE_ID…`: removes faces from every file of a run.

use std::path::Path;

use super::shared::interrupted;
use super::{print, with_context_and};
use crate::cli::ForgetArgs;
use crate::error::{CommandOutcome, Error};
use crate::pages;
use crate::run::{Forgotten, Named, RunDirectory, quoted};
use crate::text::counted;

/// Files of one kind that are listed.
const MAX_LISTED: usize = 20;

/// What this command cannot reach.
const OUT_OF_REACH: &str = "\
not reached: the dataset itself; copies and archives of the run; files that were handed on, such as .npy files and indexes \
made of them; the Hub's cache; tables of `facevault detect`; blocks of the disk that held what was removed";

/// The folder of reports where none is given.
const REPORTS: &str = "reports";

/// What an interrupted one needs: a run that has begun to forget knows what is left to do.
fn again(run: &RunDirectory, reports: &Path) -> String {
    if !run.is_being_cleared() {
        return "nothing was removed; run the same command again".into();
    }
    let reports = match reports.to_string_lossy() {
        default if default == REPORTS => String::new(),
        other => format!(" --reports {}", quoted(&other)),
    };
    format!("to finish: facevault forget {}{reports}", run.argument())
}

pub(super) fn run(arguments: &ForgetArgs) -> Result<CommandOutcome, Error> {
    let ForgetArgs { run, face_ids, identities, dry_run, common } = arguments;
    let run = RunDirectory::find(&common.experiments, run)?;
    if common.reports != Path::new(REPORTS) && !common.reports.is_dir() {
        let problem = format!(
            "there is no folder {}, so the pages in it cannot be looked through; --reports names the one with the run's page",
            common.reports.display()
        );
        return Err(Error::Usage(problem));
    }
    let to_finish = {
        let (run, reports) = (run.clone(), common.reports.clone());
        move || again(&run, &reports)
    };
    with_context_and(common, to_finish.clone(), |context| {
        let named = Named { face_ids, identities };
        if named.is_empty() && !run.is_being_cleared() {
            let problem = "name the faces to forget: their ids, or --identity ID for all faces of a person";
            return Err(Error::Usage(problem.into()));
        }
        let mut done = match context.forget(&run, &named, &common.reports, *dry_run) {
            Err(error) if error.interrupted() => return Ok(interrupted(&to_finish())),
            other => other?,
        };
        if done.page_due && !run.is_being_cleared() {
            done.made_again(pages::experiment(&common.reports, &run)?)?;
        }
        match done.then.take() {
            Some(error) if error.interrupted() => return Ok(interrupted(&to_finish())),
            Some(error) => return Err(error.into()),
            None => {}
        }
        print(common, &done, || text(&done, &common.reports))?;
        Ok(CommandOutcome::Done)
    })
}

fn text(done: &Forgotten, reports: &Path) -> String {
    let faces = counted(done.faces, "face");
    let left = if done.left == 1 { "1 is left".into() } else { format!("{} are left", done.left) };
    let mut lines = vec![match (done.dry_run, done.resumed) {
        (true, _) => format!("would remove {faces} from {}, and leave {}", done.run, done.left),
        (false, true) => {
            format!("finished what was interrupted: removed {faces} from {}; {left}", done.run)
        }
        (false, false) => format!("removed {faces} from {}; {left}", done.run),
    }];
    let shown = |paths: &[std::path::PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    let all = [
        ("pages, removed", shown(&done.pages)),
        ("cached files, removed or rewritten", shown(&done.cached)),
        ("other runs that have one of the faces, left alone", shown(&done.other_runs)),
        ("still naming one of the faces, in the config or in columns of other faces", done.still_named_in.clone()),
    ];
    lines.push(format!("{} of the run, removed or made again (--json lists them)", counted(done.files.len(), "file")));
    for (what, names) in all.into_iter().filter(|(_, names)| !names.is_empty()) {
        lines.push(format!("{what}:"));
        lines.extend(names.iter().take(MAX_LISTED).map(|name| format!("  {name}")));
        if names.len() > MAX_LISTED {
            lines.push(format!("  … and {} more", names.len() - MAX_LISTED));
        }
    }
    if !done.still_named_in.is_empty() {
        lines.push("  edit the config or the source's columns and make the run again".into());
    }
    lines.extend(done.not_evaluated.iter().map(|reason| format!("not evaluated again: {reason}")));
    if done.resumed {
        lines.push("pages and caches that the interrupted call had cleared already are not listed".into());
    }
    if done.no_page {
        lines.push(format!(
            "no page of this run in {}; if it has pages elsewhere, name their folder with --reports",
            reports.display()
        ));
    }
    lines.extend(done.report.iter().map(|path| format!("page, made again: {}", path.display())));
    lines.push(OUT_OF_REACH.into());
    lines.join("\n")
}

//! `forget RUN FACE_ID…`: removes faces from every file of a run.

use super::shared::interrupted;
use super::{print, with_context};
use crate::cli::ForgetArgs;
use crate::error::{CommandOutcome, Error};
use crate::pages;
use crate::run::{Forgotten, Named, RunDirectory};

/// Files of one kind that are listed.
const MAX_LISTED: usize = 20;

/// What this command cannot reach.
const OUT_OF_REACH: &str = "\
not reached: the dataset itself; copies and archives of the run; files that were handed on, such as .npy files and indexes \
made of them; the Hub's cache; tables of `facevault detect`; blocks of the disk that held what was removed";

/// What an interrupted one needs: a run that has begun to forget knows what is left to do.
const AGAIN: &str = "to finish: run the same command again";

pub(super) fn run(arguments: &ForgetArgs) -> Result<CommandOutcome, Error> {
    let ForgetArgs { run, face_ids, identities, dry_run, common } = arguments;
    with_context(common, AGAIN, |context| {
        let run = RunDirectory::find(context.experiments, run)?;
        let named = Named { face_ids, identities };
        if named.is_empty() && !run.is_being_cleared() {
            let problem = "name the faces to forget: their ids, or --identity ID for all faces of a person";
            return Err(Error::Usage(problem.into()));
        }
        let mut done = match context.forget(&run, &named, &common.reports, *dry_run) {
            Err(error) if error.interrupted() => return Ok(interrupted(AGAIN)),
            other => other?,
        };
        if done.page_due {
            done.report = Some(pages::experiment(&common.reports, &run)?);
        }
        print(common, &done, || text(&done))?;
        Ok(CommandOutcome::Done)
    })
}

fn text(done: &Forgotten) -> String {
    let faces = if done.faces == 1 { "1 face".into() } else { format!("{} faces", done.faces) };
    let mut lines = vec![match (done.dry_run, done.resumed) {
        (true, _) => format!("would remove {faces} from {}, and leave {}", done.run, done.left),
        (false, true) => {
            format!("finished what was interrupted: removed {faces} from {}; {} are left", done.run, done.left)
        }
        (false, false) => format!("removed {faces} from {}; {} are left", done.run, done.left),
    }];
    let shown = |paths: &[std::path::PathBuf]| paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
    let all = [
        ("files of the run, removed or made again", done.files.clone()),
        ("pages, removed", shown(&done.pages)),
        ("cached files, removed or rewritten", shown(&done.cached)),
        ("other runs that have one of the faces, left alone", done.other_runs.clone()),
        ("still naming one of the faces, in the config or in columns of other faces", done.still_named_in.clone()),
    ];
    for (what, names) in all.into_iter().filter(|(_, names)| !names.is_empty()) {
        lines.push(format!("{what}:"));
        lines.extend(names.iter().take(MAX_LISTED).map(|name| format!("  {name}")));
        if names.len() > MAX_LISTED {
            lines.push(format!("  … and {} more", names.len() - MAX_LISTED));
        }
    }
    lines.extend(done.not_evaluated.iter().map(|reason| format!("not evaluated again: {reason}")));
    lines.extend(done.report.iter().map(|path| format!("report  {}", path.display())));
    lines.push(OUT_OF_REACH.into());
    lines.join("\n")
}

//! `export RUN --to FORMAT`: a run in the format of another tool.

use super::{print, with_context};
use crate::cli::{ExportArgs, ExportFormat};
use crate::error::{CommandOutcome, Error};
use crate::export::{self, ExportRequest, Exported};
use crate::run::{RunDirectory, quoted};
use crate::terminal::say;
use crate::text::counted;

/// What to know of every export.
const PERSONAL: &str = "faces, embeddings and identities are personal data: handle the export like the run; `facevault forget` does not \
                        reach it";

pub(super) fn run(arguments: &ExportArgs) -> Result<CommandOutcome, Error> {
    let ExportArgs { run, to, out, pictures, shard, common } = arguments;
    let run = RunDirectory::find(&common.experiments, run)?;
    let exported = with_context(common, export::START_OVER, |context| {
        export::export(&ExportRequest {
            run: &run,
            to: *to,
            out: out.as_deref(),
            pictures: *pictures,
            shard: *shard as usize,
            progress: context.progress,
            cancel: context.cancel,
        })
    })?;
    if exported.without_picture > 0 {
        let (faces, have, they) = match exported.without_picture {
            1 => ("1 face".to_owned(), "has", "it"),
            n => (format!("{n} faces"), "have", "they"),
        };
        say(&format!("{faces} {have} no picture in the export: {they} can no longer be read"));
    }
    print(common, &exported, || text(&exported))?;
    Ok(CommandOutcome::Done)
}

fn text(exported: &Exported) -> String {
    let Exported { folder, files, faces, to, .. } = exported;
    let what = match faces {
        Some(faces) => format!("{} in {}", counted(*faces, "face"), counted(files.len(), "file")),
        None => counted(files.len(), "file"),
    };
    let then = match to {
        ExportFormat::MlFlow => {
            let store = quoted(&folder.ancestors().nth(2).unwrap_or(folder).display().to_string());
            format!("\nto look at it: MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {store}")
        }
        _ => String::new(),
    };
    format!("{what}: {}{then}\n{PERSONAL}", folder.display())
}

//! `throughput CONFIG`: prints a table and writes a page.

use std::fmt::Write as _;

use super::shared::config_for;
use super::{START_OVER, print, with_context};
use crate::cli::{OrAll, ThroughputArgs};
use crate::error::{CommandOutcome, Error};
use crate::pages;
use crate::terminal;
use crate::throughput::{self, ThroughputRequest, VariantSelection};

pub(super) fn run(arguments: &ThroughputArgs) -> Result<CommandOutcome, Error> {
    let common = &arguments.config.common;
    let loaded = config_for("throughput", &arguments.config.config, &arguments.config.overrides, common)?;
    let sizes = |list: &[u32]| list.iter().map(|&n| n as usize).collect();
    let request = ThroughputRequest {
        wanted: VariantSelection {
            devices: OrAll::choice(&arguments.devices),
            precisions: OrAll::choice(&arguments.precisions),
            kernels: arguments.kernels.clone(),
            threads: sizes(&arguments.threads),
            batches: OrAll::choice(&arguments.batches),
        },
        rounds: arguments.rounds as usize,
        seconds: arguments.seconds,
        faces: arguments.faces as usize,
        reference: arguments.reference,
        end_to_end: !arguments.network_only,
    };
    let measured = with_context(common, START_OVER, |context| Ok(throughput::run(context, &loaded.config, &request)?))?;
    let mut text = measured.to_text(terminal::width());
    if !arguments.no_report {
        let path = pages::throughput(&common.reports, &measured)?;
        let _ = write!(text, "\n\nreport  {}", path.display());
    }
    print(common, &measured, || text)?;
    Ok(CommandOutcome::Done)
}

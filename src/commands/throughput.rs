//! `throughput CONFIG`: a table here, a page in the reports folder.

use std::fmt::Write as _;

use super::{at_work, print};
use crate::cli::{OrAll, ThroughputArgs};
use crate::config;
use crate::error::{Error, Outcome};
use crate::pages;
use crate::throughput::{self, Request, Wanted};

/// Runs it.
pub(super) fn run(arguments: &ThroughputArgs) -> Result<Outcome, Error> {
    let common = &arguments.config.common;
    let loaded = config::load(&arguments.config.config, &arguments.config.overrides)?;
    let sizes = |list: &[u32]| list.iter().map(|&n| n as usize).collect();
    let request = Request {
        wanted: Wanted {
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
    let measured = at_work(common, |work| Ok(throughput::run(work, &loaded.config, &request)?))?;
    let mut text = measured.to_text();
    if !arguments.no_report {
        let path = pages::throughput(&common.reports, &measured)?;
        let _ = write!(text, "\n\nreport  {}", path.display());
    }
    print(common, &measured, || text)?;
    Ok(Outcome::Done)
}

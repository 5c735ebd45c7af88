//! The end-to-end pass, from files to rows on disk.

use super::super::ReportError;
use super::super::axis::ChartAxis;
use super::super::page::{DataTable, Exhibit, Legend, Section, TableCell};
use super::super::plots::{ChartLayer, Style};
use super::super::rows::{self, bar, bar_heights};
use super::super::words::{NONE, count, or_dash};
use super::unbroken;
use crate::throughput::text::milliseconds;
use crate::throughput::{EndToEndOutcome, EndToEndSpeed, Throughput};

const STEPS: [&str; 5] = ["read, decode, resize, all threads", "upload", "network", "download", "write"];

/// The time per face of each of the [`STEPS`] on its own.
fn step_seconds(whole: &EndToEndSpeed) -> [Option<f64>; 5] {
    [
        Some(whole.prepare_seconds / whole.workers.max(1) as f64),
        whole.upload_seconds,
        whole.network_seconds,
        whole.download_seconds,
        Some(whole.write_seconds),
    ]
}

/// Empty where the end-to-end pass was skipped.
pub(super) fn section(measured: &Throughput) -> Result<Section, ReportError> {
    let section = Section::new("whole", "End to end");
    if measured.end_to_end.is_empty() {
        return Ok(section);
    }
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    let mut table = DataTable::new(
        "From files to rows on disk",
        &[
            "variant",
            "#faces per second",
            "#of network-only speed",
            "#device fed",
            "#device busy",
            "#faces",
            "#threads",
            "note",
        ],
    );
    let mut numbers = DataTable::new("Numbers: steps", &["variant", "step", "#per face"]);
    let (mut layers, mut most, mut labels) = (Vec::new(), 0.0_f64, Vec::new());
    // Each step of each variant has a row.
    let rows = measured.end_to_end.iter().map(|one| match &one.outcome {
        EndToEndOutcome::Measured(whole) => step_seconds(whole).iter().flatten().count(),
        EndToEndOutcome::Failed(_) => 0,
    });
    let count_of_rows: usize = rows.sum();
    for one in &measured.end_to_end {
        let name = unbroken(&one.name);
        let whole = match &one.outcome {
            EndToEndOutcome::Measured(whole) => whole,
            EndToEndOutcome::Failed(failed) => {
                let none = || NONE.to_owned();
                table.row([name, none(), none(), none(), none(), none(), none(), failed.err.clone()]);
                continue;
            }
        };
        let rate = format!("{:.1}", whole.faces_per_second);
        table.row([
            name.clone().into(),
            if one.counts { rate.into() } else { TableCell::struck(rate, "its embeddings fail the gate") },
            percent(whole.of_network).into(),
            percent(whole.fed).into(),
            or_dash(whole.busy.map(percent)).into(),
            count(whole.faces).into(),
            whole.workers.to_string().into(),
            TableCell::default(),
        ]);
        let first = labels.len();
        for (i, (step, seconds)) in STEPS.into_iter().zip(step_seconds(whole)).enumerate() {
            let Some(seconds) = seconds else { continue };
            most = most.max(seconds * 1e3);
            layers.extend(bar(Style::nth(i), [0.0, seconds * 1e3], bar_heights(count_of_rows, labels.len())));
            labels.push(format!("{}, {step}: {}", one.name, milliseconds(seconds)));
            numbers.row([name.clone(), step.into(), milliseconds(seconds)]);
        }
        let took = 1e3 / whole.faces_per_second;
        most = most.max(took);
        let (top, bottom) = (bar_heights(count_of_rows, first)[1], bar_heights(count_of_rows, labels.len() - 1)[0]);
        layers.push(ChartLayer::Line(Style::Ink, vec![(took, bottom), (took, top)]));
        numbers.row([name, "all steps, measured".into(), milliseconds(took / 1e3)]);
    }
    let section = section
        .text(
            "The pipeline of an experiment, run repeatedly over the sample's files, at the best batch size of each device and \
             precision.",
        )
        .with(table.note(
            "Fed: the share of the time in which the device had a batch. Busy: on a CPU the same; on a card the time of the \
             network's events, without copies, over the whole time. Of network-only speed: 100% where the network hides \
             everything else.",
        ));
    if labels.is_empty() {
        return Ok(section);
    }
    let bands = STEPS.into_iter().enumerate().map(|(i, name)| Legend::band(Style::nth(i), name));
    let legend = bands.chain([Legend::line(Style::Ink, "measured time per face")]).collect();
    let caption = [
        "Steps run concurrently, so the longest bar determines the time per face; the line across the bars is the measured time. A line well beyond the longest bar is time lost between the steps.",
        "Files are read from the system's cache, because the sample was read before; a slow disk would add to the first bar. On a CPU, readers and network share the cores, so both bars are longer than they would be alone.",
    ];
    let chart = rows::chart(ChartAxis::from_zero("ms per face", most, 1.05), labels.into_iter(), layers);
    Ok(section.with(Exhibit::figure("End-to-end steps", &chart, legend, caption, numbers)?))
}

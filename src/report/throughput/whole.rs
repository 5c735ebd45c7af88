//! The end-to-end pass, from files to rows on disk.

use super::super::ReportError;
use super::super::axis::ChartAxis;
use super::super::page::{DataTable, Exhibit, Legend, Section, TableCell};
use super::super::plots::{Chart, ChartLayer, Style};
use super::super::words::{NONE, count, or_dash};
use super::HALF;
use super::stages::{bar, bars};
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
    let (mut layers, mut most) = (Vec::new(), 0.0_f64);
    let mut place = 0;
    for one in &measured.end_to_end {
        let whole = match &one.outcome {
            EndToEndOutcome::Measured(whole) => whole,
            EndToEndOutcome::Failed(failed) => {
                let none = || NONE.to_owned();
                table.row([one.name.clone(), none(), none(), none(), none(), none(), none(), failed.err.clone()]);
                continue;
            }
        };
        place += 1;
        let rate = format!("{:.1}", whole.faces_per_second);
        table.row([
            format!("{place}: {}", one.name).into(),
            if one.counts { rate.into() } else { TableCell::struck(rate, "its embeddings fail the gate") },
            percent(whole.of_network).into(),
            percent(whole.fed).into(),
            or_dash(whole.busy.map(percent)).into(),
            count(whole.faces).into(),
            whole.workers.to_string().into(),
            TableCell::default(),
        ]);
        let width = 2.0 * HALF / STEPS.len() as f64;
        for (i, (name, seconds)) in STEPS.into_iter().zip(step_seconds(whole)).enumerate() {
            let Some(seconds) = seconds else { continue };
            let left = f64::from(place) - HALF + i as f64 * width;
            most = most.max(seconds * 1e3);
            layers.extend(bar(Style::nth(i), [left, left + width], [0.0, seconds * 1e3]));
            numbers.row([format!("{place}: {}", one.name), name.into(), milliseconds(seconds)]);
        }
        let took = 1e3 / whole.faces_per_second;
        most = most.max(took);
        let (left, right) = (f64::from(place) - HALF, f64::from(place) + HALF);
        layers.push(ChartLayer::Line(Style::Ink, vec![(left, took), (right, took)]));
        numbers.row([format!("{place}: {}", one.name), "all steps, measured".into(), milliseconds(took / 1e3)]);
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
    if place == 0 {
        return Ok(section);
    }
    let bands = STEPS.into_iter().enumerate().map(|(i, name)| Legend::band(Style::nth(i), name));
    let legend = bands.chain([Legend::line(Style::Ink, "measured time per face")]).collect();
    let x = bars("network at its best batch size, numbered as in the table", place as usize);
    let y = ChartAxis::from_zero("ms per face", most, 1.05);
    let caption = [
        "Steps run concurrently, so the highest bar determines the time per face; the line across the bars is the measured time. A line well above its highest bar is time lost between the steps.",
        "Files are read from the system's cache, because the sample was read before; a slow disk would add to the first bar. On a CPU, readers and network share the cores, so both bars are longer than they would be alone.",
    ];
    let chart = Chart { x, y, layers };
    Ok(section.with(Exhibit::figure("End-to-end steps", &chart, legend, caption, numbers)?))
}

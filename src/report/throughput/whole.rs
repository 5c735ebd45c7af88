//! The way from files to rows on disk.

use super::super::ReportError;
use super::super::axis::Axis;
use super::super::page::{Block, Cell as Square, Legend, Section, Table};
use super::super::plots::{Chart, Layer, Role};
use super::super::words::{NONE, count};
use super::stages::{bar, bars};
use super::{HALF, role};
use crate::throughput::text::milliseconds;
use crate::throughput::{EndToEndOutcome, EndToEndSpeed, Throughput};

/// The steps, each with the time of a face that it takes when nothing else holds it up.
fn steps(whole: &EndToEndSpeed) -> [(&'static str, Option<f64>); 5] {
    [
        ("read, decode, resize, all threads", Some(whole.prepare_seconds / whole.workers.max(1) as f64)),
        ("upload", whole.upload_seconds),
        ("network", whole.network_seconds),
        ("download", whole.download_seconds),
        ("write", Some(whole.write_seconds)),
    ]
}

/// `None` where the way was not asked for.
pub(super) fn section(measured: &Throughput) -> Result<Option<Section>, ReportError> {
    if measured.end_to_end.is_empty() {
        return Ok(None);
    }
    let percent = |share: f64| format!("{:.1}%", share * 100.0);
    let mut table = Table::new(
        "From files to rows on disk",
        &[
            "variant",
            "#faces a second",
            "#of the network alone",
            "#device fed",
            "#device busy",
            "#faces",
            "#threads",
            "note",
        ],
    );
    let mut numbers = Table::new("Numbers: steps", &["variant", "step", "#a face"]);
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
            if one.counts { rate.into() } else { Square::struck(rate, "its embeddings fail the gate") },
            percent(whole.of_network).into(),
            percent(whole.fed).into(),
            whole.busy.map_or_else(|| NONE.into(), percent).into(),
            count(whole.faces).into(),
            whole.workers.to_string().into(),
            Square::default(),
        ]);
        let steps = steps(whole);
        let width = 2.0 * HALF / steps.len() as f64;
        for (i, (name, seconds)) in steps.into_iter().enumerate() {
            let Some(seconds) = seconds else { continue };
            let left = f64::from(place) - HALF + i as f64 * width;
            most = most.max(seconds * 1e3);
            layers.extend(bar(role(i), [left, left + width], [0.0, seconds * 1e3]));
            numbers.row([format!("{place}: {}", one.name), name.into(), milliseconds(seconds)]);
        }
        let took = 1e3 / whole.faces_per_second;
        most = most.max(took);
        let (left, right) = (f64::from(place) - HALF, f64::from(place) + HALF);
        layers.push(Layer::Line(Role::Ink, vec![(left, took), (right, took)]));
        numbers.row([format!("{place}: {}", one.name), "all together".into(), milliseconds(took / 1e3)]);
    }
    table.note = "Fed: the share of the time in which the device had a batch. Busy: of a CPU the same; of a card the time \
                  of its network's events, without copies, over the whole time. Of the network alone: 100% where everything else hides behind the network."
        .into();
    let mut blocks: Vec<Block> = vec![table.into()];
    if place > 0 {
        let mut legend: Vec<_> = ["read, decode, resize, all threads", "upload", "network", "download", "write"]
            .into_iter()
            .enumerate()
            .map(|(i, name)| Legend::band(role(i), name))
            .collect();
        legend.push(Legend::line(Role::Ink, "what a face took, all together"));
        let x = bars("network at its best batch size, numbered as in the table", place as usize);
        let y = Axis::linear("ms a face", 0.0, if most > 0.0 && most.is_finite() { most * 1.05 } else { 1.0 });
        let words = [
            "Steps run side by side, so the highest bar decides how long a face takes; the line across says how long it took. A line well above its highest bar is time lost between the steps.",
            "Files come from the system's cache, where the sample's reading has left them; a slow disk would add to the first bar. On a CPU readers and network share the cores, so both bars are longer than alone.",
        ];
        let chart = Chart { x, y, layers };
        blocks.push(Block::figure("Steps from files to rows", &chart, legend, words, numbers)?);
    }
    let text = vec![
        "The pipeline of an experiment over the sample's files again and again, at each device's and precision's best batch size.".into(),
    ];
    Ok(Some(Section { id: "whole", title: "From files to rows".into(), text, blocks, ..Section::default() }))
}

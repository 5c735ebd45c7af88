//! Faces per second of every variant by batch size.

use super::super::ReportError;
use super::super::axis::ChartAxis;
use super::super::page::{DataTable, Exhibit, Legend, Section};
use super::super::plots::{Chart, ChartLayer, Mark, Style};
use super::super::rows::{self, bar, bar_heights, whisker};
use super::super::words::{capitalised, counted, or_dash};
use super::{gated, unbroken};
use crate::throughput::{NetworkSetup, Quartiles, Throughput};

pub(super) fn section(measured: &Throughput) -> Result<Section, ReportError> {
    let mirrored = measured.mirrored.then(|| {
        "This config mirrors faces: an experiment runs each face through the network twice; here a face is one pass.".to_owned()
    });
    Ok(Section::new("speed", "Speed")
        .text(format!(
            "{} of {side} × {side} pixels, {}, at least {} s per variant and round.",
            counted(measured.faces as u64, "face", "faces"),
            counted(measured.rounds as u64, "round", "rounds"),
            measured.seconds,
            side = measured.side
        ))
        .texts(mirrored)
        .texts(measured.left_out.iter().map(|text| capitalised(text)))
        .texts(measured.slower_than_f32())
        .with(best(measured)?)
        .with(by_batch(measured)?)
        .with(missing(measured)))
}

/// The networks, each at its fastest batch size.
fn best(measured: &Throughput) -> Result<Exhibit, ReportError> {
    let best = measured.best_of_each(|a, b| a == b);
    let columns =
        ["variant", "#median", "#lower quartile", "#upper quartile", "#relative to the fastest", "#quartiles"];
    let mut table = DataTable::new("Numbers: each network at its fastest batch size", &columns);
    let fastest = measured.fastest().first().map(|(_, fastest)| *fastest);
    let (mut layers, mut most, mut labels) = (Vec::new(), 0.0_f64, Vec::new());
    for (row, (cell, one)) in best.iter().enumerate() {
        let Quartiles { median, lower, upper } = one.faces_per_second;
        most = most.max(upper);
        let style = if one.gate.passed { Style::nth(0) } else { Style::Worse };
        let heights = bar_heights(best.len(), row);
        layers.extend(bar(style, [0.0, median], heights));
        layers.extend(whisker([lower, upper], heights));
        let struck_out = if one.gate.passed { "" } else { ", struck out" };
        labels.push(format!("{}: {median:.1}{struck_out}", cell.name));
        let ratio = fastest.and_then(|fastest| one.relative_to(fastest));
        table.row([
            unbroken(&cell.name).into(),
            gated(format!("{median:.1}"), &one.gate),
            format!("{lower:.1}").into(),
            format!("{upper:.1}").into(),
            or_dash(ratio.map(|ratio| format!("{:.2}", ratio.median))).into(),
            or_dash(ratio.map(|ratio| format!("[{:.2}, {:.2}]", ratio.lower, ratio.upper))).into(),
        ]);
    }
    let chart = rows::chart(ChartAxis::from_zero("faces per second", most, 1.05), labels.into_iter(), layers);
    let mut legend = vec![Legend::band(Style::nth(0), "median of the rounds")];
    if best.iter().any(|(_, one)| !one.gate.passed) {
        legend.push(Legend::band(Style::Worse, "struck out: fails the accuracy gate"));
    }
    legend.push(Legend::line(Style::Ink, "quartiles of the rounds"));
    let caption = [
        "Each bar is a network on a device in one precision, at its fastest batch size; the line through it runs from the lower to the upper quartile of the rounds.",
        "The network alone, on faces in memory; the end-to-end pass is below. Variants were measured in turn, round by round, so drift of the machine affects all of them alike: the table has their ratios within rounds, and two variants whose ratio's quartiles reach 1 cannot be told apart within noise. Speeds from different sessions are not comparable, ratios are.",
    ];
    Exhibit::figure("Faces per second", &chart, legend, caption, table)
}

/// Every variant by batch size; without a figure where there is only one.
fn by_batch(measured: &Throughput) -> Result<Exhibit, ReportError> {
    let mut batches: Vec<usize> = measured.measured().map(|(cell, _)| cell.variant.batch).collect();
    batches.sort_unstable();
    batches.dedup();
    if batches.len() < 2 {
        return Ok(numbers(measured).folded().into());
    }
    let caption = [
        "Higher is faster; both axes are logarithmic, so a factor of two is the same distance everywhere. Each line is a network on a device in one precision; each vertical stroke runs from the lower to the upper quartile of the rounds. A cross marks a speed that does not count: its embeddings are too far from f32.",
        "More faces in one pass share the cost of starting it and of reading the weights, until cores or caches are full.",
    ];
    let (chart, legend) = chart(measured);
    Exhibit::figure("Faces per second by batch size", &chart, legend, caption, numbers(measured))
}

fn chart(measured: &Throughput) -> (Chart, Vec<Legend>) {
    let mut engines: Vec<NetworkSetup> = Vec::new();
    let (mut lines, mut strokes, mut marks, mut legend) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (cell, _) in measured.measured() {
        let engine = cell.variant.engine;
        if !engines.contains(&engine) {
            engines.push(engine);
        }
    }
    let mut struck_out = false;
    for (i, engine) in engines.iter().enumerate() {
        let mut own: Vec<_> = measured.measured().filter(|(cell, _)| cell.variant.engine == *engine).collect();
        own.sort_by_key(|(cell, _)| cell.variant.batch);
        let points = own.iter().map(|(cell, one)| (cell.variant.batch as f64, one.faces_per_second.median));
        lines.push(ChartLayer::Line(Style::nth(i), points.collect()));
        for (cell, one) in own {
            let (at, speed) = (cell.variant.batch as f64, one.faces_per_second);
            strokes.push(ChartLayer::Line(Style::nth(i), vec![(at, speed.lower), (at, speed.upper)]));
            let mark = if one.gate.passed { Mark::Dot } else { Mark::Cross };
            struck_out |= !one.gate.passed;
            marks.push(ChartLayer::Marks(Style::nth(i), mark, vec![(at, speed.median)]));
        }
        legend.push(Legend::line(Style::nth(i), engine.to_string()));
    }
    legend.push(Legend::mark(Style::nth(0), Mark::Dot, "median of the rounds"));
    if struck_out {
        legend.push(Legend::mark(Style::nth(0), Mark::Cross, "struck out: fails the accuracy gate"));
    }
    let batches: Vec<f64> = measured.measured().map(|(cell, _)| cell.variant.batch as f64).collect();
    let quartiles = measured.measured().map(|(_, one)| one.faces_per_second);
    let speeds: Vec<f64> = quartiles.flat_map(|speed| [speed.lower, speed.upper]).collect();
    let x = ChartAxis::powers_at("batch size", &batches);
    let y = ChartAxis::powers("faces per second", &speeds);
    let layers = lines.into_iter().chain(strokes).chain(marks).collect();
    (Chart { x, y, layers }, legend)
}

fn numbers(measured: &Throughput) -> DataTable {
    let mut table = DataTable::new(
        "Numbers: faces per second",
        &[
            "variant",
            "#median",
            "#lower quartile",
            "#upper quartile",
            "#relative to the first",
            "implementation",
            "device",
        ],
    );
    for (cell, one) in measured.measured() {
        let rate = one.faces_per_second;
        table.row([
            unbroken(&cell.name).into(),
            gated(format!("{:.1}", rate.median), &one.gate),
            format!("{:.1}", rate.lower).into(),
            format!("{:.1}", rate.upper).into(),
            format!("{:.2}", one.ratio.median).into(),
            one.embedder.clone().into(),
            one.device_name.clone().into(),
        ]);
    }
    table
}

fn missing(measured: &Throughput) -> DataTable {
    let mut table = DataTable::new("Variants without a speed", &["variant", "status", "reason"]);
    for cell in &measured.variants {
        if let Some(failed) = cell.failed() {
            let status = if failed.not_available { "not available" } else { "failed" };
            table.row([unbroken(&cell.name), status.into(), failed.err.clone()]);
        }
    }
    table
}

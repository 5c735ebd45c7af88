//! Faces per second of every variant by batch size.

use super::super::ReportError;
use super::super::axis::ChartAxis;
use super::super::page::{DataTable, Exhibit, Legend, Section};
use super::super::plots::{Chart, ChartLayer, Mark, Style};
use super::super::words::{capitalised, count};
use super::{gated, measured_cells, numbered};
use crate::throughput::{NetworkSetup, Throughput};

pub(super) fn section(measured: &Throughput) -> Result<Section, ReportError> {
    let mirrored = measured.mirrored.then(|| {
        "This config mirrors faces: an experiment runs each face through the network twice; here a face is one pass.".to_owned()
    });
    let caption = [
        "Higher is faster; both axes are logarithmic, so a factor of two is the same distance everywhere. Each line is a network on a device in one precision; each vertical stroke runs from the lower to the upper quartile of the rounds. A cross marks a speed that does not count: its embeddings are too far from f32.",
        "The network alone, on faces in memory; the end-to-end pass is below. Variants were measured in turn, round by round, so drift of the machine affects all of them alike. Speeds from different sessions are not comparable, ratios are.",
    ];
    let (chart, legend) = chart(measured);
    Ok(Section::new("speed", "Speed")
        .text(format!(
            "{} faces of {side} × {side} pixels, {} rounds, at least {} s per variant and round.",
            count(measured.faces as u64),
            measured.rounds,
            measured.seconds,
            side = measured.side
        ))
        .texts(mirrored)
        .texts(measured.left_out.iter().map(|text| capitalised(text)))
        .with(Exhibit::figure("Faces per second by batch size", &chart, legend, caption, numbers(measured))?)
        .with(missing(measured)))
}

fn chart(measured: &Throughput) -> (Chart, Vec<Legend>) {
    let mut engines: Vec<NetworkSetup> = Vec::new();
    let (mut lines, mut strokes, mut marks, mut legend) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (_, cell, _) in measured_cells(measured) {
        let engine = cell.variant.engine;
        if !engines.contains(&engine) {
            engines.push(engine);
        }
    }
    let mut struck_out = false;
    for (i, engine) in engines.iter().enumerate() {
        let mut own: Vec<_> = measured_cells(measured).filter(|(_, cell, _)| cell.variant.engine == *engine).collect();
        own.sort_by_key(|(_, cell, _)| cell.variant.batch);
        let points = own.iter().map(|(_, cell, one)| (cell.variant.batch as f64, one.faces_per_second.median));
        lines.push(ChartLayer::Line(Style::nth(i), points.collect()));
        for (_, cell, one) in own {
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
    let batches: Vec<f64> = measured_cells(measured).map(|(_, cell, _)| cell.variant.batch as f64).collect();
    let quartiles = measured_cells(measured).map(|(_, _, one)| one.faces_per_second);
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
    for (i, cell, one) in measured_cells(measured) {
        let rate = one.faces_per_second;
        table.row([
            numbered(i, cell).into(),
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
    for (i, cell) in measured.variants.iter().enumerate() {
        if let Some(failed) = cell.failed() {
            let status = if failed.not_available { "not available" } else { "failed" };
            table.row([numbered(i, cell), status.into(), failed.err.clone()]);
        }
    }
    table
}

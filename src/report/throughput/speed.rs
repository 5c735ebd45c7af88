//! Faces a second of every variant, against its batch size.

use super::super::ReportError;
use super::super::axis::Axis;
use super::super::page::{Block, Cell as Square, Legend, Section, Table};
use super::super::plots::{Chart, Layer, Mark};
use super::super::words::count;
use super::{measured_cells, numbered, role};
use crate::throughput::{NetworkSetup, Throughput};

pub(super) fn section(measured: &Throughput) -> Result<Section, ReportError> {
    let mut text = vec![format!(
        "{} faces of {} × {} pixels, {} rounds, at least {} s of each variant in each round.",
        count(measured.faces as u64),
        measured.side,
        measured.side,
        measured.rounds,
        measured.seconds
    )];
    if measured.mirrored {
        text.push("This config mirrors faces: an experiment passes each face twice, a face here is one pass.".into());
    }
    text.extend(measured.left_out.iter().cloned());
    let words = [
        "Higher is faster; both axes are logarithmic, so that twice as fast is the same step everywhere. A line is a network on its device in one precision; a vertical stroke goes from the lower to the upper quartile of the rounds. A cross is a speed that does not count: its embeddings are too far from f32.",
        "The network alone, on faces that are in memory; the way from files is below. Variants were measured in turn, round by round, so drift of the machine hits all alike. Speeds of two sessions do not compare, ratios do.",
    ];
    let (chart, legend) = chart(measured);
    let figure = Block::figure("Faces a second by batch size", &chart, legend, words, numbers(measured))?;
    let mut blocks = vec![figure];
    let missing = missing(measured);
    if !missing.rows.is_empty() {
        blocks.push(missing.into());
    }
    Ok(Section { id: "speed", title: "Speed".into(), text, blocks, ..Section::default() })
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
        lines.push(Layer::Line(role(i), points.collect()));
        for (_, cell, one) in own {
            let (at, speed) = (cell.variant.batch as f64, one.faces_per_second);
            strokes.push(Layer::Line(role(i), vec![(at, speed.lower), (at, speed.upper)]));
            let mark = if one.gate.passed { Mark::Dot } else { Mark::Cross };
            struck_out |= !one.gate.passed;
            marks.push(Layer::Marks(role(i), mark, vec![(at, speed.median)]));
        }
        legend.push(Legend::line(role(i), engine.to_string()));
    }
    legend.push(Legend::mark(role(0), Mark::Dot, "median of the rounds"));
    if struck_out {
        legend.push(Legend::mark(role(0), Mark::Cross, "struck out: fails the accuracy gate"));
    }
    let batches: Vec<f64> = measured_cells(measured).map(|(_, cell, _)| cell.variant.batch as f64).collect();
    let quartiles = measured_cells(measured).map(|(_, _, one)| one.faces_per_second);
    let speeds: Vec<f64> = quartiles.flat_map(|speed| [speed.lower, speed.upper]).collect();
    let x = Axis::powers_at("faces in one forward pass", &batches);
    let y = Axis::powers("faces a second", &speeds);
    let layers = lines.into_iter().chain(strokes).chain(marks).collect();
    (Chart { x, y, layers }, legend)
}

fn numbers(measured: &Throughput) -> Table {
    let mut table = Table::new(
        "Numbers: faces a second",
        &["variant", "#median", "#lower quartile", "#upper quartile", "#relative to the first", "ran as", "on"],
    );
    for (i, cell, one) in measured_cells(measured) {
        let rate = one.faces_per_second;
        let median = format!("{:.1}", rate.median);
        table.row([
            numbered(i, cell).into(),
            if one.gate.passed { median.into() } else { Square::struck(median, &one.gate.because.join("; ")) },
            format!("{:.1}", rate.lower).into(),
            format!("{:.1}", rate.upper).into(),
            format!("{:.2}", one.ratio.median).into(),
            one.embedder.clone().into(),
            one.device_name.clone().into(),
        ]);
    }
    table
}

fn missing(measured: &Throughput) -> Table {
    let mut table = Table::new("Variants without a speed", &["variant", "how", "why"]);
    for (i, cell) in measured.variants.iter().enumerate() {
        if let Some(failed) = cell.failed() {
            let how = if failed.not_available { "not available" } else { "failed" };
            table.row([numbered(i, cell), how.into(), failed.err.clone()]);
        }
    }
    table
}

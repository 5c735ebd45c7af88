//! Where the time of a forward pass goes.

use super::super::ReportError;
use super::super::axis::Axis;
use super::super::page::{Block, Legend, Section, Table};
use super::super::plots::{Chart, Layer, Role};
use super::super::words::NONE;
use super::{HALF, role};
use crate::throughput::Throughput;
use crate::throughput::text::milliseconds;

/// Two lines that outline a bar, and its filling.
pub(super) fn bar(colour: Role, [left, right]: [f64; 2], [below, above]: [f64; 2]) -> [Layer; 2] {
    let outline = vec![(left, below), (left, above), (right, above), (right, below), (left, below)];
    [Layer::Band(colour, vec![(left, below, above), (right, below, above)]), Layer::Line(colour, outline)]
}

/// An axis with a number for each of some bars.
pub(super) fn bars(title: &str, n: usize) -> Axis {
    let mut axis = Axis::linear(title, 0.0, n as f64 + 1.0);
    axis.ticks = (1..=n).map(|i| (axis.at(i as f64), i.to_string())).collect();
    axis
}

pub(super) fn section(measured: &Throughput) -> Result<Section, ReportError> {
    let mut table = Table::new("Numbers: stages", &["variant", "stage", "#a face", "#share", "#GFLOP/s"]);
    let mut names: Vec<&str> = Vec::new();
    let mut layers = Vec::new();
    let best = measured.best_of_each(|a, b| a == b);
    let told: Vec<_> = best.into_iter().filter(|(_, one)| !one.stages.is_empty()).collect();
    for (i, (cell, one)) in told.iter().enumerate() {
        let (left, right) = ((i + 1) as f64 - HALF, (i + 1) as f64 + HALF);
        let mut below = 0.0;
        for stage in &one.stages {
            let known = names.iter().position(|name| *name == stage.name);
            let colour = role(known.unwrap_or(names.len()));
            if known.is_none() {
                names.push(&stage.name);
            }
            let above = below + stage.share * 100.0;
            layers.extend(bar(colour, [left, right], [below, above]));
            below = above;
            table.row([
                format!("{}: {}", i + 1, cell.name),
                stage.name.clone(),
                milliseconds(stage.seconds),
                format!("{:.1}%", stage.share * 100.0),
                stage.gflops.map_or_else(|| NONE.into(), |rate| format!("{rate:.1}")),
            ]);
        }
    }
    let mut before = Table::new("Before the network, on one thread", &["step", "#a face"]);
    before.row(["read and decode, or draw".to_owned(), milliseconds(measured.preparation.decode_seconds)]);
    before.row(["cut out and resize".to_owned(), milliseconds(measured.preparation.resize_seconds)]);
    let mut blocks: Vec<Block> = vec![before.into()];
    let mut text = Vec::new();
    if names.is_empty() {
        text.push("None of these implementations can tell its stages apart.".into());
    } else {
        let legend = names.iter().enumerate().map(|(i, name)| Legend::band(role(i), *name)).collect();
        let x = bars("network at its best batch size, numbered as in the table", told.len());
        let chart = Chart { x, y: Axis::linear("% of the pass", 0.0, 100.0), layers };
        let words = [
            "Which stage of the network its time goes to, the first stage at the bottom; each network at its fastest batch size.",
            "Measured in passes of their own, because the clocks between stages cost time. A network that is missing cannot tell.",
        ];
        blocks.push(Block::figure("Stages of the network", &chart, legend, words, table)?);
    }
    Ok(Section { id: "stages", title: "Where the time goes".into(), text, blocks, ..Section::default() })
}

//! The time of a forward pass by stage.

use super::super::ReportError;
use super::super::axis::ChartAxis;
use super::super::page::{DataTable, Exhibit, Legend, Section};
use super::super::plots::{Chart, ChartLayer, Style};
use super::super::words::or_dash;
use super::HALF;
use crate::throughput::Throughput;
use crate::throughput::text::milliseconds;

/// The outline and the filling of a bar.
pub(super) fn bar(style: Style, [left, right]: [f64; 2], [below, above]: [f64; 2]) -> [ChartLayer; 2] {
    let outline = vec![(left, below), (left, above), (right, above), (right, below), (left, below)];
    [ChartLayer::Band(style, vec![(left, below, above), (right, below, above)]), ChartLayer::Line(style, outline)]
}

/// An axis with a number for each of `n` bars.
pub(super) fn bars(title: &str, n: usize) -> ChartAxis {
    let mut axis = ChartAxis::linear(title, 0.0, n as f64 + 1.0);
    axis.ticks = (1..=n).map(|i| (axis.at(i as f64), i.to_string())).collect();
    axis
}

pub(super) fn section(measured: &Throughput) -> Result<Section, ReportError> {
    let mut table = DataTable::new("Numbers: stages", &["variant", "stage", "#per face", "#share", "#GFLOP/s"]);
    let mut names: Vec<&str> = Vec::new();
    let mut layers = Vec::new();
    let best = measured.best_of_each(|a, b| a == b);
    let timed: Vec<_> = best.into_iter().filter(|(_, one)| !one.stages.is_empty()).collect();
    for (i, (cell, one)) in timed.iter().enumerate() {
        let (left, right) = ((i + 1) as f64 - HALF, (i + 1) as f64 + HALF);
        let mut below = 0.0;
        for stage in &one.stages {
            let known = names.iter().position(|name| *name == stage.name);
            let style = Style::nth(known.unwrap_or(names.len()));
            if known.is_none() {
                names.push(&stage.name);
            }
            let above = below + stage.share * 100.0;
            layers.extend(bar(style, [left, right], [below, above]));
            below = above;
            table.row([
                format!("{}: {}", i + 1, cell.name),
                stage.name.clone(),
                milliseconds(stage.seconds),
                format!("{:.1}%", stage.share * 100.0),
                or_dash(stage.gflops.map(|rate| format!("{rate:.1}"))),
            ]);
        }
    }
    let mut before = DataTable::new("Before the network, on one thread", &["step", "#per face"]);
    before.row(["read and decode, or synthesise".to_owned(), milliseconds(measured.preparation.decode_seconds)]);
    before.row(["crop and resize".to_owned(), milliseconds(measured.preparation.resize_seconds)]);
    let section = Section::new("stages", "Time by stage").with(before);
    if names.is_empty() {
        return Ok(section.text("None of these implementations can time its stages."));
    }
    let legend = names.iter().enumerate().map(|(i, name)| Legend::band(Style::nth(i), *name)).collect();
    let x = bars("network at its best batch size, numbered as in the table", timed.len());
    let chart = Chart { x, y: ChartAxis::linear("% of the pass", 0.0, 100.0), layers };
    let caption = [
        "The share of each stage in the network's time, the first stage at the bottom; each network at its fastest batch size.",
        "Measured in separate passes, because the timers between stages cost time. Networks that cannot time their stages are missing.",
    ];
    Ok(section.with(Exhibit::figure("Stages of the network", &chart, legend, caption, table)?))
}

//! The time of a forward pass by stage.

use super::super::ReportError;
use super::super::axis::ChartAxis;
use super::super::page::{DataTable, Exhibit, Legend, Section};
use super::super::plots::Style;
use super::super::rows::{self, bar, bar_heights};
use super::super::words::or_dash;
use super::unbroken;
use crate::model::DeviceKind;
use crate::throughput::Throughput;
use crate::throughput::text::milliseconds;

pub(super) fn section(measured: &Throughput) -> Result<Section, ReportError> {
    let mut table = DataTable::new("Numbers: stages", &["variant", "stage", "#per face", "#share", "#GFLOP/s"]);
    let mut names: Vec<&str> = Vec::new();
    let mut layers = Vec::new();
    let best = measured.best_of_each(|a, b| a == b);
    let timed: Vec<_> = best.into_iter().filter(|(_, one)| !one.stages.is_empty()).collect();
    for (row, (cell, one)) in timed.iter().enumerate() {
        let mut left = 0.0;
        for stage in &one.stages {
            let known = names.iter().position(|name| *name == stage.name);
            let style = Style::nth(known.unwrap_or(names.len()));
            if known.is_none() {
                names.push(&stage.name);
            }
            let right = left + stage.share * 100.0;
            layers.extend(bar(style, [left, right], bar_heights(timed.len(), row)));
            left = right;
            table.row([
                unbroken(&cell.name),
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
    let on_cpu = timed.iter().any(|(cell, _)| cell.variant.engine.device == DeviceKind::Cpu);
    let one_thread = on_cpu.then(|| {
        "Stages of a CPU are timed on one thread, however many threads embed: a face's milliseconds are one thread's.".to_owned()
    });
    let legend = names.iter().enumerate().map(|(i, name)| Legend::band(Style::nth(i), *name)).collect();
    let labels = timed.iter().map(|(cell, _)| cell.name.clone());
    let chart = rows::chart(ChartAxis::linear("% of the pass", 0.0, 100.0), labels, layers);
    let caption = [
        "The share of each stage in the network's time, the first stage on the left; each network at its fastest batch size.",
        "Measured in separate passes, because the timers between stages cost time. Networks that cannot time their stages are missing.",
    ];
    Ok(section.texts(one_thread).with(Exhibit::figure("Stages of the network", &chart, legend, caption, table)?))
}

//! Charts of horizontal bars: rows of equal height, each with its label above its bar.

use super::axis::ChartAxis;
use super::plots::{Chart, ChartLayer, RowChart, Style};

/// A row is 1 high: the label at its top, the bar below.
const LABEL: f64 = 0.78;
/// The lower and the upper end of the bar in its row.
const BAR: [f64; 2] = [0.14, 0.54];

/// The lower and the upper end of the bar of a row, counted from the top, among `count` rows.
pub(super) fn bar_heights(count: usize, row: usize) -> [f64; 2] {
    BAR.map(|within| height(count, row, within))
}

fn height(count: usize, row: usize, within: f64) -> f64 {
    (count - 1 - row) as f64 + within
}

/// The outline and the filling of a bar.
pub(super) fn bar(style: Style, [left, right]: [f64; 2], [bottom, top]: [f64; 2]) -> [ChartLayer; 2] {
    let outline = vec![(left, bottom), (left, top), (right, top), (right, bottom), (left, bottom)];
    [ChartLayer::Band(style, vec![(left, bottom, top), (right, bottom, top)]), ChartLayer::Line(style, outline)]
}

/// An interval along a bar, with a cap at each end.
pub(super) fn whisker([lower, upper]: [f64; 2], [bottom, top]: [f64; 2]) -> Vec<ChartLayer> {
    let (middle, cap) = (f64::midpoint(bottom, top), (top - bottom) / 5.0);
    let line = |points| ChartLayer::Line(Style::Ink, points);
    let caps = [lower, upper].map(|end| line(vec![(end, middle - cap), (end, middle + cap)]));
    std::iter::once(line(vec![(lower, middle), (upper, middle)])).chain(caps).collect()
}

/// The chart of these layers with a row for each label, the first at the top.
pub(super) fn chart(
    x: ChartAxis,
    labels: impl ExactSizeIterator<Item = String>,
    mut layers: Vec<ChartLayer>,
) -> RowChart {
    let (start, rows) = (x.lower(), labels.len());
    layers.extend(labels.enumerate().map(|(row, label)| ChartLayer::Label((start, height(rows, row, LABEL)), label)));
    let mut y = ChartAxis::linear("", 0.0, rows as f64);
    y.ticks.clear();
    RowChart { rows, chart: Chart { x, y, layers } }
}

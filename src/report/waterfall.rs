//! The waterfall of an ablation: the value of the metric at the start, after each step, and at the end.

use super::axis::ChartAxis;
use super::page::{DataTable, Exhibit, Legend};
use super::plots::{ChartLayer, Style};
use super::words::{NONE, or_dash};
use super::{ReportError, rows};
use crate::ablation::{AblationResult, Change, verdict};
use crate::compare::{Effect, EffectVerdict, MetricDirection};
use crate::config::Design;
use crate::estimate::Estimate;
use crate::numbers::Quantity;

/// Characters that fit into a row.
const LABEL_CHARS: usize = 92;

/// Slant and spacing of a hatched bar's lines, as shares of the chart's width.
const SLANT: f64 = 0.03;
const SPACING: f64 = 0.013;

struct WaterfallRow {
    name: String,
    result: String,
    bar: Option<Bar>,
}

/// A bar with its interval.
struct Bar {
    from: f64,
    to: f64,
    whisker: Option<(f64, f64)>,
    kind: BarKind,
}

#[derive(Clone, Copy, PartialEq)]
enum BarKind {
    /// A value, drawn from the axis' end.
    Value,
    Change(Style),
    /// A change indistinguishable from 0.
    Unclear(Style),
}

/// The figure.
pub(super) fn figure(found: &AblationResult) -> Result<Exhibit, ReportError> {
    let drawn_rows = waterfall_rows(found);
    let axis = axis(found, &drawn_rows);
    let (start, count) = (axis.lower(), drawn_rows.len());
    let (_, lower, upper) = axis.ends();
    let width = upper - lower;
    let mut layers = Vec::new();
    if found.design == Design::Grid {
        layers.push(ChartLayer::Vertical(Style::Reference, 0.0));
    }
    let bars: Vec<_> = drawn_rows.iter().enumerate().filter_map(|(i, row)| Some((i, row.bar.as_ref()?))).collect();
    let heights = |row: usize| rows::bar_heights(count, row);
    // Connect the end of each step to the start of the next.
    if found.design != Design::Grid {
        for pair in bars.windows(2) {
            let [(above, from), (below, _)] = pair else { continue };
            let x = if found.design == Design::Each { bars[0].1.to } else { from.to };
            layers.push(ChartLayer::Line(Style::Grid, vec![(x, heights(*above)[0]), (x, heights(*below)[1])]));
        }
    }
    for (row, bar) in &bars {
        layers.extend(drawn(bar, start, width, heights(*row)));
    }
    let labels = drawn_rows.iter().map(|WaterfallRow { name, result, .. }| label(name, result));
    let chart = rows::chart(axis, labels, layers);
    let mut legend = Vec::new();
    if found.design != Design::Grid {
        legend.push(Legend::band(Style::Ink, "a value"));
    }
    legend.extend(match found.metric.better {
        MetricDirection::Neither => vec![Legend::band(Style::Value, "a change")],
        _ => vec![
            Legend::band(Style::Better, "a change for the better"),
            Legend::band(Style::Worse, "a change for the worse"),
        ],
    });
    legend.push(Legend::hatch(Style::Ink, "a change indistinguishable from 0"));
    let level = found.variants.iter().find_map(|variant| variant.value.as_ref()).map_or(0.95, |value| value.level);
    legend.push(Legend::line(Style::Ink, format!("{:.0}% interval; paired for changes", level * 100.0)));
    let reading = match found.design {
        Design::Steps => {
            "From top to bottom, each bar starts where the one above ends; its length is the change its step makes. The line through a bar is the interval of its end, given its start."
        }
        Design::Each => {
            "Each bar starts at the value of the unchanged config and ends at the value with that one step. The line through a bar is the interval of its end, given its start."
        }
        Design::Grid => {
            "Each bar is the mean change of a step over all combinations of the other steps. The line through a bar is the interval of that mean."
        }
    };
    let limits = match found.design {
        Design::Steps => {
            "In another order, the same steps may divide the change differently; only the two ends do not depend on the order. "
        }
        Design::Each => "The changes of single steps need not add up to the change of all steps together. ",
        Design::Grid => {
            "A mean hides a step that helps with some settings of the other steps and hurts with others; the table has every combination. "
        }
    };
    let zero = match found.design {
        Design::Grid => "",
        _ if start == 0.0 => "The axis starts at 0.",
        _ => "The axis does not start at 0: compare the lengths of changes, not of values.",
    };
    let limits = format!("{limits}{zero}").trim_end().to_owned();
    let title = format!("What each step changes: {}", found.metric.name);
    Exhibit::figure(&title, &chart, legend, [reading, &limits], numbers(found))
}

/// A value in the axis' unit: rates in percent.
fn scaled(quantity: Quantity, value: f64) -> f64 {
    if quantity == Quantity::Rate { value * 100.0 } else { value }
}

fn waterfall_rows(found: &AblationResult) -> Vec<WaterfallRow> {
    let quantity = found.metric.quantity;
    let unit = |value: f64| scaled(quantity, value);
    let value = |variant: usize| found.variants[variant].value.as_ref();
    let whole = |name: &str, variant: usize| {
        let Some(estimate) = value(variant) else {
            return WaterfallRow { name: name.into(), result: "not measured".into(), bar: None };
        };
        let bar = Bar {
            from: f64::NEG_INFINITY,
            to: unit(estimate.point),
            whisker: estimate.lower.zip(estimate.upper).map(|(lower, upper)| (unit(lower), unit(upper))),
            kind: BarKind::Value,
        };
        WaterfallRow { name: name.into(), result: quantity.sentence(estimate), bar: Some(bar) }
    };
    let change = |change: &Change, from: f64| {
        let Some(effect) = &change.effect else {
            return WaterfallRow { name: change.step.clone(), result: "not measured".into(), bar: None };
        };
        let Estimate { point, lower, upper, .. } = effect.difference;
        let at = |difference: f64| unit(from + difference);
        let bar = Bar {
            from: unit(from),
            to: at(point),
            whisker: lower.zip(upper).map(|(lower, upper)| (at(lower), at(upper))),
            kind: kind(found, effect),
        };
        let result = format!("{}, {}", quantity.effect(&effect.difference), verdict(effect));
        WaterfallRow { name: change.step.clone(), result, bar: Some(bar) }
    };
    let from = |change: &Change| {
        let start = change.pairs.first().and_then(|&(from, _)| value(from));
        start.map_or(0.0, |start| start.point)
    };
    let steps = found.changes.iter();
    match found.design {
        Design::Grid => steps.map(|one| change(one, 0.0)).collect(),
        Design::Each => {
            std::iter::once(whole(&found.variants[0].name, 0)).chain(steps.map(|one| change(one, from(one)))).collect()
        }
        Design::Steps => {
            let first = whole(&found.variants[0].name, 0);
            let last = match &found.total {
                Some(Change { step, pairs, .. }) => whole(&format!("with {step}"), pairs[0].1),
                None => whole("with all steps", found.variants.len() - 1),
            };
            std::iter::once(first).chain(steps.map(|one| change(one, from(one)))).chain([last]).collect()
        }
    }
}

fn kind(found: &AblationResult, effect: &Effect) -> BarKind {
    let up = effect.difference.point > 0.0;
    let style = match found.metric.better {
        MetricDirection::Neither => Style::Value,
        better if up == (better == MetricDirection::Higher) => Style::Better,
        _ => Style::Worse,
    };
    if matches!(effect.verdict, EffectVerdict::NotResolvable | EffectVerdict::Same) {
        BarKind::Unclear(style)
    } else {
        BarKind::Change(style)
    }
}

/// An axis that spans every bar and interval, from 0 unless the values are crowded far away from it.
fn axis(found: &AblationResult, rows: &[WaterfallRow]) -> ChartAxis {
    let bars = rows.iter().filter_map(|row| row.bar.as_ref());
    let ends = bars.flat_map(|bar| {
        let (lower, upper) = bar.whisker.unwrap_or((bar.to, bar.to));
        [bar.from, bar.to, lower, upper]
    });
    let ends: Vec<f64> = ends.filter(|end| end.is_finite()).collect();
    let (low, high) = ends.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &end| (l.min(end), h.max(end)));
    let title = match (found.design, found.metric.quantity) {
        (Design::Grid, Quantity::Rate) => format!("change of the {}, percentage points", found.metric.name),
        (Design::Grid, _) => format!("change of the {}", found.metric.name),
        (_, Quantity::Rate) => format!("{}, %", found.metric.name),
        _ => found.metric.name.clone(),
    };
    let room = (high - low) * 0.06;
    let (low, high) = match found.design {
        Design::Grid => (low.min(0.0) - room, high.max(0.0) + room),
        // The interval of a difference can reach below 0, a rate cannot.
        Design::Steps | Design::Each => {
            let low = if found.metric.quantity == Quantity::Rate { low.max(0.0) } else { low };
            if low >= 0.0 && low < 0.6 * high { (0.0, high + room) } else { (low - room, high + room) }
        }
    };
    ChartAxis::linear(&title, low, high)
}

/// A bar between two heights.
fn drawn(bar: &Bar, start: f64, width: f64, [bottom, top]: [f64; 2]) -> Vec<ChartLayer> {
    let from = if bar.kind == BarKind::Value { start } else { bar.from };
    let (left, right) = (from.min(bar.to), from.max(bar.to));
    if !(left.is_finite() && right.is_finite()) {
        return Vec::new();
    }
    let style = match bar.kind {
        BarKind::Value => Style::Ink,
        BarKind::Change(style) | BarKind::Unclear(style) => style,
    };
    let [filling, outline] = rows::bar(style, [left, right], [bottom, top]);
    let mut layers = Vec::new();
    if let BarKind::Unclear(style) = bar.kind {
        // Hatch only the visible part: a bar may reach far beyond the axis.
        let seen = [left.max(start), right.min(start + width)];
        layers.extend(hatching(seen, [bottom, top], width).into_iter().map(|line| ChartLayer::Line(style, line)));
    } else {
        // Draw changes twice as dark as values, because the figure is about changes.
        for _ in 0..if bar.kind == BarKind::Value { 1 } else { 2 } {
            layers.push(filling.clone());
        }
    }
    layers.push(outline);
    if let Some((lower, upper)) = bar.whisker.filter(|(lower, upper)| lower.is_finite() && upper.is_finite()) {
        layers.extend(rows::whisker([lower, upper], [bottom, top]));
    }
    layers
}

/// Slanted lines inside a rectangle.
fn hatching([left, right]: [f64; 2], [bottom, top]: [f64; 2], width: f64) -> Vec<Vec<(f64, f64)>> {
    let (slant, spacing) = (SLANT * width, SPACING * width);
    if !(slant > 0.0 && right > left) {
        return Vec::new();
    }
    let lines = ((right - left + slant) / spacing) as usize;
    (1..=lines)
        .map(|i| left - slant + i as f64 * spacing)
        .filter_map(|foot| {
            let at = |x: f64| bottom + (x - foot) / slant * (top - bottom);
            let (x0, x1) = (foot.max(left), (foot + slant).min(right));
            (x0 < x1).then(|| vec![(x0, at(x0)), (x1, at(x1))])
        })
        .collect()
}

/// The numbers of the figure.
fn numbers(found: &AblationResult) -> DataTable {
    let over = if found.design == Design::Grid { "#pairs of variants" } else { "between" };
    let mut table = DataTable::new("Numbers: what each step changes", &["step", "#change", "verdict", over]);
    for change in found.changes.iter().chain(&found.total) {
        let effect = change.effect.as_ref();
        let between = match (found.design, change.pairs.first()) {
            (Design::Grid, _) => change.over(),
            (_, Some((from, to))) => format!("[{from}] and [{to}]"),
            (_, None) => NONE.into(),
        };
        table.row([
            change.step.clone(),
            or_dash(effect.map(|effect| found.metric.quantity.effect(&effect.difference))),
            effect.map_or_else(|| "not measured".into(), signed),
            between,
        ]);
    }
    if found.metric.quantity == Quantity::Rate {
        table.note = "pp: percentage points.".into();
    }
    table
}

/// A verdict with a sign, so that colour is not its only carrier.
pub(super) fn signed(effect: &Effect) -> String {
    let sign = match effect.verdict {
        EffectVerdict::Better => "✓ ",
        EffectVerdict::Worse => "✗ ",
        _ => "",
    };
    format!("{sign}{}", verdict(effect))
}

/// `name: result`, with the name shortened where both do not fit into a row.
fn label(name: &str, result: &str) -> String {
    let room = LABEL_CHARS.saturating_sub(result.chars().count() + 2).max(12);
    if name.chars().count() <= room {
        return format!("{name}: {result}");
    }
    format!("{}…: {result}", name.chars().take(room - 1).collect::<String>().trim_end())
}

#[cfg(test)]
mod tests {
    use crate::ablation::tests::ablation;
    use crate::config::Design;
    use crate::report::render_ablation;

    #[test]
    fn the_sum_is_over_the_steps_that_were_measured() {
        let html = |values: &[Option<f64>]| render_ablation(&ablation(Design::Steps, 2, values, 0.005)).unwrap();
        let page = html(&[Some(0.10), Some(0.12), None]);
        assert!(page.contains("step 2: not measured") && page.contains("with the measured steps: 12.00%"), "{page}");
        assert!(page.contains("With the measured steps") && !page.contains("ith all steps"), "the tile too");
        assert!(html(&[Some(0.10), Some(0.12), Some(0.09)]).contains("with all steps: 9.00%"));
    }
}

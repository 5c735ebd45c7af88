//! The waterfall of an ablation: where the metric starts, what each step takes it to, where it ends.

use super::ReportError;
use super::ablation::numbers;
use super::axis::Axis;
use super::page::{Block, Legend};
use super::plots::{Chart, Layer, Role, Rows};
use crate::ablation::{AblationResult, Change, verdict};
use crate::compare::{Effect, EffectVerdict, MetricDirection};
use crate::config::Design;
use crate::estimate::Estimate;
use crate::numbers::Quantity;

/// A row is 1 high: words at its top, the bar below them.
const WORDS: f64 = 0.78;
const BAR: (f64, f64) = (0.14, 0.54);

/// Characters that fit into a row.
const FITS: usize = 92;

/// A hatched bar's lines lean by this share of the chart's width and are this far apart.
const LEAN: f64 = 0.03;
const APART: f64 = 0.013;

/// One row.
struct Row {
    name: String,
    says: String,
    bar: Option<Bar>,
}

/// From where to where, how sure, and what it means.
struct Bar {
    from: f64,
    to: f64,
    whisker: Option<(f64, f64)>,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A value, drawn from the axis' end.
    Whole,
    /// A change.
    Change(Role),
    /// A change that cannot be told from 0.
    Unclear(Role),
}

/// The figure.
pub(super) fn figure(found: &AblationResult) -> Result<Block, ReportError> {
    let rows = rows(found);
    let axis = axis(found, &rows);
    let (start, count) = (axis.lower(), rows.len());
    let width = axis_width(&axis);
    let mut layers = Vec::new();
    if found.design == Design::Grid {
        layers.push(Layer::Vertical(Role::Reference, 0.0));
    }
    let bars: Vec<_> = rows.iter().enumerate().filter_map(|(i, row)| Some((i, row.bar.as_ref()?))).collect();
    let height = |row: usize, within: f64| (count - 1 - row) as f64 + within;
    // Where one step ends the next one starts.
    if found.design != Design::Grid {
        for pair in bars.windows(2) {
            let [(above, from), (below, _)] = pair else { continue };
            let x = if found.design == Design::Each { bars[0].1.to } else { from.to };
            layers.push(Layer::Line(Role::Grid, vec![(x, height(*above, BAR.0)), (x, height(*below, BAR.1))]));
        }
    }
    for (row, bar) in &bars {
        layers.extend(drawn(bar, start, width, [height(*row, BAR.0), height(*row, BAR.1)]));
    }
    for (row, Row { name, says, .. }) in rows.iter().enumerate() {
        layers.push(Layer::Words((start, height(row, WORDS)), fitting(name, says)));
    }
    let mut y = Axis::linear("", 0.0, count as f64);
    y.ticks.clear();
    let chart = Rows { rows: count, chart: Chart { x: axis, y, layers } };
    let mut legend = Vec::new();
    if found.design != Design::Grid {
        legend.push(Legend::band(Role::Ink, "a value"));
    }
    legend.extend(match found.metric.better {
        MetricDirection::Neither => vec![Legend::band(Role::Value, "a change")],
        _ => vec![Legend::band(Role::Better, "a change for the better"), Legend::band(Role::Worse, "for the worse")],
    });
    legend.push(Legend::hatch(Role::Ink, "a change that cannot be told from 0"));
    legend.push(Legend::line(Role::Ink, format!("{:.0}% interval; of a change, the paired one", level(found) * 100.0)));
    let reading = match found.design {
        Design::Steps => {
            "From top to bottom each bar starts where the one above ends: its length is what its step changes. The line through it is where its end may lie, given where it starts."
        }
        Design::Each => {
            "Each bar starts at the value of the config as it is and ends where that one step alone takes it. The line through it is where its end may lie, given where it starts."
        }
        Design::Grid => {
            "Each bar is what a step changes in the mean over all combinations of the other steps. The line through it is the interval of that mean."
        }
    };
    let limits = match found.design {
        Design::Steps => {
            "In another order the same steps may share the change otherwise; only the two ends do not depend on it. "
        }
        Design::Each => "Changes of single steps need not add up to the change of all together. ",
        Design::Grid => {
            "A mean hides a step that helps with one setting of the others and hurts with another; the table has every combination. "
        }
    };
    let zero = match found.design {
        Design::Grid => "",
        _ if start == 0.0 => "The axis starts at 0.",
        _ => "The axis does not start at 0: compare the lengths of changes, not of values.",
    };
    let limits = format!("{limits}{zero}").trim_end().to_owned();
    let title = format!("What each choice costs: {}", found.metric.name);
    Block::figure(&title, &chart, legend, [reading, &limits], numbers(found))
}

/// Level of the intervals.
pub(super) fn level(found: &AblationResult) -> f64 {
    found.variants.iter().find_map(|variant| variant.value.as_ref()).map_or(0.95, |value| value.level)
}

/// In the axis' unit: rates in percent.
fn scaled(quantity: Quantity, value: f64) -> f64 {
    if quantity == Quantity::Rate { value * 100.0 } else { value }
}

fn rows(found: &AblationResult) -> Vec<Row> {
    let quantity = found.metric.quantity;
    let unit = |value: f64| scaled(quantity, value);
    let value = |variant: usize| found.variants[variant].value.as_ref();
    let whole = |name: &str, variant: usize| {
        let Some(estimate) = value(variant) else {
            return Row { name: name.into(), says: "not measured".into(), bar: None };
        };
        let bar = Bar {
            from: f64::NEG_INFINITY,
            to: unit(estimate.point),
            whisker: estimate.lower.zip(estimate.upper).map(|(lower, upper)| (unit(lower), unit(upper))),
            kind: Kind::Whole,
        };
        Row { name: name.into(), says: quantity.sentence(estimate), bar: Some(bar) }
    };
    let change = |change: &Change, from: f64| {
        let Some(effect) = &change.effect else {
            return Row { name: change.step.clone(), says: "not measured".into(), bar: None };
        };
        let Estimate { point, lower, upper, .. } = effect.difference;
        let at = |difference: f64| unit(from + difference);
        let bar = Bar {
            from: unit(from),
            to: at(point),
            whisker: lower.zip(upper).map(|(lower, upper)| (at(lower), at(upper))),
            kind: kind(found, effect),
        };
        let says = format!("{}, {}", quantity.effect(&effect.difference), verdict(effect));
        Row { name: change.step.clone(), says, bar: Some(bar) }
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
            let last = whole("with all steps", found.variants.len() - 1);
            std::iter::once(first).chain(steps.map(|one| change(one, from(one)))).chain([last]).collect()
        }
    }
}

fn kind(found: &AblationResult, effect: &Effect) -> Kind {
    let up = effect.difference.point > 0.0;
    let role = match found.metric.better {
        MetricDirection::Neither => Role::Value,
        better if up == (better == MetricDirection::Higher) => Role::Better,
        _ => Role::Worse,
    };
    if matches!(effect.verdict, EffectVerdict::NotResolvable | EffectVerdict::Same) {
        Kind::Unclear(role)
    } else {
        Kind::Change(role)
    }
}

/// An axis that holds every bar and interval: from 0 where the values are not crowded far away from it.
fn axis(found: &AblationResult, rows: &[Row]) -> Axis {
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
        // No rate is below 0, whatever an interval around a difference says.
        Design::Steps | Design::Each => {
            let low = if found.metric.quantity == Quantity::Rate { low.max(0.0) } else { low };
            if low >= 0.0 && low < 0.6 * high { (0.0, high + room) } else { (low - room, high + room) }
        }
    };
    Axis::linear(&title, low, high)
}

/// What a linear axis spans.
fn axis_width(axis: &Axis) -> f64 {
    let (_, lower, upper) = axis.ends();
    upper - lower
}

/// A bar between two heights.
fn drawn(bar: &Bar, start: f64, width: f64, [bottom, top]: [f64; 2]) -> Vec<Layer> {
    let from = if bar.kind == Kind::Whole { start } else { bar.from };
    let (left, right) = (from.min(bar.to), from.max(bar.to));
    if !(left.is_finite() && right.is_finite()) {
        return Vec::new();
    }
    let role = match bar.kind {
        Kind::Whole => Role::Ink,
        Kind::Change(role) | Kind::Unclear(role) => role,
    };
    let mut layers = Vec::new();
    if let Kind::Unclear(role) = bar.kind {
        // Beyond the axis there is nothing to see, and there may be much of it.
        let seen = [left.max(start), right.min(start + width)];
        layers.extend(hatching(seen, [bottom, top], width).into_iter().map(|line| Layer::Line(role, line)));
    } else {
        // Twice: a change is what the figure is about, a value is its frame.
        for _ in 0..if bar.kind == Kind::Whole { 1 } else { 2 } {
            layers.push(Layer::Band(role, vec![(left, bottom, top), (right, bottom, top)]));
        }
    }
    let corners = vec![(left, bottom), (left, top), (right, top), (right, bottom), (left, bottom)];
    layers.push(Layer::Line(role, corners));
    if let Some((lower, upper)) = bar.whisker.filter(|(lower, upper)| lower.is_finite() && upper.is_finite()) {
        let (middle, cap) = (f64::midpoint(bottom, top), (top - bottom) / 5.0);
        layers.push(Layer::Line(Role::Ink, vec![(lower, middle), (upper, middle)]));
        for end in [lower, upper] {
            layers.push(Layer::Line(Role::Ink, vec![(end, middle - cap), (end, middle + cap)]));
        }
    }
    layers
}

/// Leaning lines inside a rectangle.
fn hatching([left, right]: [f64; 2], [bottom, top]: [f64; 2], width: f64) -> Vec<Vec<(f64, f64)>> {
    let (lean, apart) = (LEAN * width, APART * width);
    if !(lean > 0.0 && right > left) {
        return Vec::new();
    }
    let lines = ((right - left + lean) / apart) as usize;
    (1..=lines)
        .map(|i| left - lean + i as f64 * apart)
        .filter_map(|foot| {
            let at = |x: f64| bottom + (x - foot) / lean * (top - bottom);
            let (x0, x1) = (foot.max(left), (foot + lean).min(right));
            (x0 < x1).then(|| vec![(x0, at(x0)), (x1, at(x1))])
        })
        .collect()
}

/// Name and what is said of it, the name shortened where both do not fit into a row.
fn fitting(name: &str, says: &str) -> String {
    let room = FITS.saturating_sub(says.chars().count() + 2).max(12);
    if name.chars().count() <= room {
        return format!("{name}: {says}");
    }
    format!("{}…: {says}", name.chars().take(room - 1).collect::<String>().trim_end())
}

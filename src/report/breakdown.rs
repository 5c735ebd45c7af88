//! Error rates by slices of the faces, and the effect of discarding the worst pictures.

use super::ReportError;
use super::axis::ChartAxis;
use super::page::{DataTable, Exhibit, Legend, Section, TableCell};
use super::plots::{Chart, ChartLayer, Mark, Style};
use super::words::{NONE, count, counted, interval_name, maybe, operating, point, value_and_interval};
use crate::breakdown::{Breakdown, Discard, SkippedColumn, Slice, Slices, Warning};
use crate::estimate::Estimate;
use crate::evaluate::Evaluation;
use crate::numbers::Quantity::{Plain, Rate};

/// Most slices in one figure: their columns' names must fit above them.
const DRAWN: usize = 20;
/// Most slices in the table of outlying slices.
const OUTLYING_SHOWN: usize = 12;

/// The breakdown of an evaluation, if it has one.
pub(super) fn section(evaluation: &Evaluation) -> Result<Section, ReportError> {
    let section = Section::new("breakdown", "Error rates by slice");
    let Some(found) = &evaluation.breakdown else { return Ok(section) };
    let mut section = section.text(format!(
        "At the operating threshold of {}. A slice is a group of faces with something in common; a pair counts once for \
         each of its faces in the slice, regardless of the other face.",
        operating(found.threshold, &evaluation.metrics)
    ));
    if found.columns.is_empty() {
        section = section.text("No column of data divides the faces into slices.");
    } else {
        let outlying = outlying(found);
        if outlying.rows.is_empty() {
            section = section.text(
                "No slice stands out: every slice that is large enough has the rates of all faces within its intervals.",
            );
        }
        section = section.with(outlying);
    }
    let mut number = 1;
    for columns in figures(&found.columns) {
        section = section.with(slices(found, columns, number)?);
        number += columns.iter().map(|column| column.slices.len()).sum::<usize>();
    }
    section = section.with(left_out(&found.left_out));
    if found.discard.curves.is_empty() {
        return Ok(section.texts(no_curves(&found.discard)));
    }
    Ok(section.with(discard(&found.discard)?))
}

/// The columns of each figure.
fn figures(columns: &[Slices]) -> Vec<&[Slices]> {
    let (mut figures, mut first, mut slices) = (Vec::new(), 0, 0);
    for (i, column) in columns.iter().enumerate() {
        if i > first && slices + column.slices.len() > DRAWN {
            figures.push(&columns[first..i]);
            (first, slices) = (i, 0);
        }
        slices += column.slices.len();
    }
    figures.push(&columns[first..]);
    figures.retain(|columns| !columns.is_empty());
    figures
}

/// A rate of a slice: its name, style, mark and value, and the warning that its slice has too few pairs.
type RateSeries = (&'static str, Style, Mark, fn(&Slice) -> &Option<Estimate>, Warning);

const RATES: [RateSeries; 2] = [
    ("false non-match rate", Style::Genuine, Mark::Dot, |slice| &slice.fnmr, Warning::FewGenuine),
    ("false match rate", Style::Impostor, Mark::Cross, |slice| &slice.fmr, Warning::FewImpostor),
];

/// Whether a slice may be too small for a rate; `few` is that rate's own warning.
fn is_small(slice: &Slice, few: Warning) -> bool {
    slice.warnings.iter().any(|warning| [few, Warning::FewIdentities].contains(warning))
}

/// Slices whose interval excludes the rate of all faces, the largest ratio first.
fn outlying(found: &Breakdown) -> DataTable {
    let mut rows = Vec::new();
    for (name, _, _, of, few) in RATES {
        let Some(all) = of(&found.all).as_ref().filter(|all| all.point > 0.0) else { continue };
        for (column, slice) in found.columns.iter().flat_map(|column| column.slices.iter().map(move |s| (column, s))) {
            let Some(rate) = of(slice).as_ref().filter(|_| !is_small(slice, few)) else { continue };
            let apart = rate.lower.is_some_and(|lower| lower > all.point) || rate.upper.is_some_and(|u| u < all.point);
            // A rate without an error is represented by its bound.
            let ratio = rate.upper.filter(|_| rate.bound).unwrap_or(rate.point) / all.point;
            if apart && ratio.is_finite() {
                rows.push((ratio.ln().abs(), ratio, column, slice, name, rate));
            }
        }
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let interval = found.all.fnmr.as_ref().or(found.all.fmr.as_ref()).map_or("interval".into(), interval_name);
    let columns =
        ["column", "slice", "#faces", "#identities", "rate", "#value", &format!("#{interval}"), "#ratio to all faces"];
    let mut table = DataTable::new("Slices that stand out", &columns);
    let all = rows.len();
    for (_, ratio, column, slice, name, rate) in rows.into_iter().take(OUTLYING_SHOWN) {
        table.row([
            column.column.clone(),
            slice.name.clone(),
            count(slice.faces),
            count(slice.identities),
            name.to_owned(),
            point(Rate, rate),
            Rate.interval(rate),
            format!("{}{ratio:.2}", if rate.bound { "≤ " } else { "" }),
        ]);
    }
    table.note = format!(
        "{} of {}, the furthest from the rate of all faces first. Among many slices some stand out by chance, and the first \
         overstates its distance. Intervals of false match rates are too narrow, by up to half.",
        count(table.rows.len() as u64),
        counted(all as u64, "slice", "slices")
    );
    table
}

/// Both rates of each slice, with intervals.
fn slices(found: &Breakdown, columns: &[Slices], first: usize) -> Result<Exhibit, ReportError> {
    let all: Vec<(usize, &Slices, &Slice)> = columns
        .iter()
        .flat_map(|column| column.slices.iter().map(move |slice| (column, slice)))
        .enumerate()
        .map(|(i, (column, slice))| (first + i, column, slice))
        .collect();
    let least = all.iter().flat_map(|(_, _, slice)| RATES.iter().filter_map(|rate| (rate.3)(slice).as_ref()));
    let least = least.flat_map(|rate| [rate.lower, Some(rate.point), rate.upper.filter(|_| rate.bound)]);
    let least = least.flatten().filter(|rate| *rate > 0.0).fold(0.1, f64::min);
    let (x, y) = (
        ChartAxis::whole("slice, numbered as in the table", first as f64 - 0.5, (first + all.len()) as f64 - 0.5),
        ChartAxis::rate("error rate", least),
    );
    let mut layers = Vec::new();
    let mut start = first as f64 - 0.5;
    for (i, column) in columns.iter().enumerate() {
        let end = start + column.slices.len() as f64;
        layers.push(ChartLayer::Stripe(start, end, column.column.clone(), i % 2 == 1));
        start = end;
    }
    let mut legend = Vec::new();
    let mut alarms = Vec::new();
    for (i, (name, style, mark, of, few)) in RATES.into_iter().enumerate() {
        let shift = if i == 0 { -0.15 } else { 0.15 };
        let ends = [first as f64 - 0.5, (first + all.len()) as f64 - 0.5];
        if let Some(whole) = of(&found.all).as_ref().filter(|whole| !whole.bound) {
            layers.push(ChartLayer::Line(style, ends.map(|x| (x, whole.point)).into()));
        }
        let mut points = Vec::new();
        for (number, _, slice) in &all {
            let Some(rate) = of(slice) else { continue };
            let at = *number as f64 + shift;
            if let (Some(lower), Some(upper)) = (rate.lower, rate.upper) {
                layers.push(ChartLayer::Line(style, vec![(at, lower), (at, upper)]));
            }
            if !rate.bound {
                points.push((at, rate.point));
                alarms.extend(is_small(slice, few).then_some((at, rate.point)));
            }
        }
        layers.push(ChartLayer::Marks(style, mark, points));
        legend.push(Legend::mark(
            style,
            mark,
            format!("{name} of a slice; the horizontal line is the rate of all faces"),
        ));
    }
    if !alarms.is_empty() {
        layers.push(ChartLayer::Marks(Style::Alarm, Mark::Ring, alarms));
        legend.push(Legend::mark(Style::Alarm, Mark::Ring, "the slice may be too small"));
    }
    let names: Vec<&str> = columns.iter().map(|column| column.column.as_str()).collect();
    let caption = [
        "Columns of the data from left to right, each divided into its slices. A slice whose interval is entirely above the horizontal line of its rate fails more often than all faces do. The vertical axis is logarithmic; an interval without a mark is a bound: no error was seen.",
        "Slices differ in more than the column they are named after: people, cameras and quality are correlated. The people and pictures a slice is compared with are held fixed, so the interval of a false match rate is too narrow, by up to half.",
    ];
    Exhibit::figure(
        &format!("Error rates by {}", names.join(", ")),
        &Chart { x, y, layers },
        legend,
        caption,
        slice_table(found, columns, first),
    )
}

fn slice_table(found: &Breakdown, columns: &[Slices], first: usize) -> DataTable {
    let heads =
        ["#number", "column", "slice", "#faces", "#false non-match rate", "#false match rate", "may be too small"];
    let mut table = DataTable::new("Numbers: slices", &heads);
    let mut row = |number: String, column: &str, slice: &Slice| {
        let rate = |estimate: &Option<Estimate>| match estimate {
            None => TableCell::with_note(NONE, "no pairs"),
            Some(rate) => {
                let [value, interval] = value_and_interval(Rate, rate);
                let pairs = counted(rate.n, "pair", "pairs");
                TableCell::with_note(value, format!("{interval} {pairs}").trim())
            }
        };
        let identities = counted(slice.identities, "identity", "identities");
        let warnings: Vec<&str> = slice.warnings.iter().map(|warning| warning.text()).collect();
        let warnings = if warnings.is_empty() { String::new() } else { format!("⚠ {}", warnings.join("; ")) };
        let cells = [
            number.into(),
            column.into(),
            slice.name.as_str().into(),
            TableCell::with_note(count(slice.faces), identities),
            rate(&slice.fnmr),
            rate(&slice.fmr),
            warnings.into(),
        ];
        table.row(cells);
    };
    let mut number = first;
    for column in columns {
        for slice in &column.slices {
            row(number.to_string(), &column.column, slice);
            number += 1;
        }
    }
    row(NONE.into(), "", &found.all);
    let unknown: Vec<String> = columns
        .iter()
        .filter(|column| column.unknown > 0)
        .map(|column| format!("{} of {}", column.column, counted(column.unknown, "face", "faces")))
        .collect();
    table.note = "A pair of two faces of the same slice counts twice. Numeric columns are divided into quarters of the faces. \
                  ⚠: fewer than 8 identities, or so few pairs that fewer than 30 errors are expected at the rate of all \
                  faces."
        .into();
    if !unknown.is_empty() {
        table.note = format!("{} Unknown: {}.", table.note, unknown.join(", "));
    }
    table
}

fn left_out(columns: &[SkippedColumn]) -> DataTable {
    let mut table = DataTable::new("Columns without slices", &["column", "reason"]);
    for SkippedColumn { column, reason } in columns {
        table.row([column, reason]);
    }
    table
}

fn no_curves(discard: &Discard) -> Option<String> {
    (discard.pairs > 0 && discard.misses == 0).then(|| {
        let pairs = counted(discard.pairs, "genuine pair", "genuine pairs");
        format!("No false non-match among {pairs} at this threshold, so discarding poor pictures cannot help.")
    })
}

/// Error-versus-discard curves.
fn discard(found: &Discard) -> Result<Exhibit, ReportError> {
    let percent = |share: &f64| share * 100.0;
    let rates = || found.curves.iter().flat_map(|curve| curve.fnmr.iter().map(|rate| rate.point));
    let most = rates().fold(0.0, f64::max);
    let (x, y) = (
        ChartAxis::linear("% of genuine pairs discarded, worst quality first", 0.0, 50.0),
        ChartAxis::from_zero("false non-match rate of the rest, %", most, 110.0),
    );
    let line = |rates: &mut dyn Iterator<Item = f64>| -> Vec<(f64, f64)> {
        found.shares.iter().map(percent).zip(rates.map(|rate| rate * 100.0)).collect()
    };
    let mut layers = vec![ChartLayer::Line(Style::Reference, line(&mut found.ideal.iter().copied()))];
    let mut legend = Vec::new();
    for (i, curve) in found.curves.iter().enumerate() {
        let style = Style::nth(i);
        layers.push(ChartLayer::Line(style, line(&mut curve.fnmr.iter().map(|rate| rate.point))));
        legend.push(Legend::line(style, curve.measure.clone()));
    }
    legend.push(Legend::line(Style::Reference, "missed pairs discarded first: no measure can do better"));
    let name = found.curves.first().map_or_else(String::new, |curve| interval_name(&curve.area));
    let columns = ["measure", "#pairs", "#area", &format!("#{name}"), "#rate at 0%", "#10%", "#20%", "#50%"];
    let mut table = DataTable::new("Numbers: effect of discarding", &columns);
    for curve in &found.curves {
        let at = |step: usize| curve.fnmr.get(step).map_or_else(|| NONE.into(), |rate| point(Rate, rate));
        let area = if curve.area.point.is_finite() { Plain.point(&curve.area) } else { NONE.into() };
        let [start, tenth, fifth, half] = [0, 5, 10, 25].map(at);
        table.row([
            curve.measure.clone(),
            count(curve.pairs),
            area,
            Plain.interval(&curve.area),
            start,
            tenth,
            fifth,
            half,
        ]);
    }
    let ideal = |step: usize| maybe(found.ideal.get(step).copied(), Rate);
    let [start, tenth, fifth, half] = [0, 5, 10, 25].map(ideal);
    table.row([
        "missed pairs discarded first".into(),
        count(found.pairs),
        NONE.into(),
        String::new(),
        start,
        tenth,
        fifth,
        half,
    ]);
    table.note = format!(
        "The area is the mean of the curve divided by its start: discarding at random gives 1.000, lower is better. \
         {}, {} of them missed. Intervals: {}.",
        if found.pairs < found.available {
            format!(
                "{} of {} genuine pairs: those of a seeded part of the faces",
                count(found.pairs),
                count(found.available)
            )
        } else {
            format!("All {} genuine pairs", count(found.pairs))
        },
        count(found.misses),
        found.curves.first().map_or("none", |curve| &curve.area.method)
    );
    let caption = [
        "The quality of a pair is that of the worse of its two pictures. From left to right, more of the worst pairs are discarded; a line that falls quickly belongs to a measure that predicts false non-matches, a flat line to one that does not. The closer exposure is to middle grey, the better.",
        "The threshold does not change, and the people in discarded pictures are not recognised at all: a falling curve is not a free gain. Genuine pairs only; people with many pictures weigh most.",
    ];
    Exhibit::figure("Effect of discarding poor pictures", &Chart { x, y, layers }, legend, caption, table)
}

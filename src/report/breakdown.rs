//! Which faces fail: slices of the faces, and what turning away the worst pictures would do.

use super::ReportError;
use super::axis::Axis;
use super::page::{Block, Cell, Legend, Section, Table};
use super::plots::{Chart, Layer, Mark, Role};
use super::words::{NONE, count, counted, interval_name, maybe, operating, point};
use crate::breakdown::{Breakdown, Discard, SkippedColumn, Slice, Slices, Warning};
use crate::estimate::Estimate;
use crate::metrics::Metrics;
use crate::numbers::Quantity::{Plain, Rate};

/// Slices in one figure at most: their columns' names must fit above them.
const DRAWN: usize = 20;
/// Slices in the table of those that stand out.
const STANDING_OUT: usize = 12;

pub(super) fn section(found: &Breakdown, metrics: &Metrics) -> Result<Section, ReportError> {
    let mut text = vec![format!(
        "At the operating threshold of {}. A slice holds the faces that have something in common; a pair counts once for \
         each of its faces in the slice, whoever the other is.",
        operating(found.threshold, metrics)
    )];
    let mut blocks = Vec::new();
    if found.columns.is_empty() {
        text.push("Nothing is known of the faces that would divide them.".into());
    } else {
        blocks.push(standing_out(found).into());
    }
    let mut number = 1;
    for columns in figures(&found.columns) {
        blocks.push(slices(found, columns, number)?);
        number += columns.iter().map(|column| column.slices.len()).sum::<usize>();
    }
    if !found.left_out.is_empty() {
        blocks.push(left_out(&found.left_out).into());
    }
    if found.discard.curves.is_empty() {
        text.extend(no_curves(&found.discard));
    } else {
        blocks.push(discard(&found.discard)?);
    }
    Ok(Section { id: "breakdown", title: "Which faces fail".into(), text, blocks, ..Section::default() })
}

/// Columns that are drawn together.
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

/// A rate of a slice: name, how it is drawn, where it is, and what warns that there is too little of it.
type Kind = (&'static str, Role, Mark, fn(&Slice) -> &Option<Estimate>, Warning);

const RATES: [Kind; 2] = [
    ("false non-match rate", Role::Genuine, Mark::Dot, |slice| &slice.fnmr, Warning::FewGenuine),
    ("false match rate", Role::Impostor, Mark::Cross, |slice| &slice.fmr, Warning::FewImpostor),
];

/// Whether a rate of a slice, with the warning that is its own, may say nothing.
fn is_small(slice: &Slice, few: Warning) -> bool {
    slice.warnings.iter().any(|warning| [few, Warning::FewIdentities].contains(warning))
}

/// Slices whose interval leaves out the rate of all faces, the largest ratio first.
fn standing_out(found: &Breakdown) -> Table {
    let mut rows = Vec::new();
    for (name, _, _, of, few) in RATES {
        let Some(all) = of(&found.all).as_ref().filter(|all| all.point > 0.0) else { continue };
        for (column, slice) in found.columns.iter().flat_map(|column| column.slices.iter().map(move |s| (column, s))) {
            let Some(rate) = of(slice).as_ref().filter(|_| !is_small(slice, few)) else { continue };
            let apart = rate.lower.is_some_and(|lower| lower > all.point) || rate.upper.is_some_and(|u| u < all.point);
            // Of a rate without error, what it is at most.
            let ratio = rate.upper.filter(|_| rate.bound).unwrap_or(rate.point) / all.point;
            if apart && ratio.is_finite() {
                rows.push((ratio.ln().abs(), ratio, column, slice, name, rate));
            }
        }
    }
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let interval = found.all.fnmr.as_ref().or(found.all.fmr.as_ref()).map_or("interval".into(), interval_name);
    let columns =
        ["column", "slice", "#faces", "#identities", "rate", "#value", &format!("#{interval}"), "#times that of all"];
    let mut table = Table::new("Slices that stand out", &columns);
    let all = rows.len();
    for (_, ratio, column, slice, name, rate) in rows.into_iter().take(STANDING_OUT) {
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
    table.note = match all {
        0 => "None: every slice that is large enough has the rates of all faces within its intervals.".into(),
        _ => format!(
            "{} of {}, the furthest from all faces first. Of many slices some stand out by chance, and the first of \
             them looks further out than it is. Intervals of false match rates can be half as wide as they should be.",
            count(table.rows.len() as u64),
            counted(all as u64, "slice", "slices")
        ),
    };
    table
}

/// Both rates of each slice, with intervals.
fn slices(found: &Breakdown, columns: &[Slices], first: usize) -> Result<Block, ReportError> {
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
        Axis::whole("slice, by its number in the table", first as f64 - 0.5, (first + all.len()) as f64 - 0.5),
        Axis::rate("error rate", least),
    );
    let mut layers = Vec::new();
    let mut start = first as f64 - 0.5;
    for (i, column) in columns.iter().enumerate() {
        let end = start + column.slices.len() as f64;
        layers.push(Layer::Stripe(start, end, column.column.clone(), i % 2 == 1));
        start = end;
    }
    let mut legend = Vec::new();
    let mut alarms = Vec::new();
    for (i, (name, role, mark, of, few)) in RATES.into_iter().enumerate() {
        let shift = if i == 0 { -0.15 } else { 0.15 };
        let ends = [first as f64 - 0.5, (first + all.len()) as f64 - 0.5];
        if let Some(whole) = of(&found.all).as_ref().filter(|whole| !whole.bound) {
            layers.push(Layer::Line(role, ends.map(|x| (x, whole.point)).into()));
        }
        let mut points = Vec::new();
        for (number, _, slice) in &all {
            let Some(rate) = of(slice) else { continue };
            let at = *number as f64 + shift;
            if let (Some(lower), Some(upper)) = (rate.lower, rate.upper) {
                layers.push(Layer::Line(role, vec![(at, lower), (at, upper)]));
            }
            if !rate.bound {
                points.push((at, rate.point));
                alarms.extend(is_small(slice, few).then_some((at, rate.point)));
            }
        }
        layers.push(Layer::Marks(role, mark, points));
        legend.push(Legend::mark(role, mark, format!("{name} of a slice; the level line is that of all faces")));
    }
    if !alarms.is_empty() {
        layers.push(Layer::Marks(Role::Alarm, Mark::Ring, alarms));
        legend.push(Legend::mark(Role::Alarm, Mark::Ring, "from a slice that may be too small"));
    }
    let names: Vec<&str> = columns.iter().map(|column| column.column.as_str()).collect();
    let words = [
        "One column of the data after the other, each cut into its slices. A slice whose interval lies above the level line of its kind fails more often than all faces do. The height is logarithmic; an interval without a mark is a bound: no error was seen.",
        "Slices differ in more than their name: people, cameras and quality go together. The people and pictures that a slice is compared with are held fixed, so the interval of a false match rate is somewhat too narrow.",
    ];
    Block::figure(
        &format!("Error rates by {}", names.join(", ")),
        &Chart { x, y, layers },
        legend,
        words,
        slice_table(found, columns, first),
    )
}

fn slice_table(found: &Breakdown, columns: &[Slices], first: usize) -> Table {
    let heads =
        ["#number", "column", "slice", "#faces", "#false non-match rate", "#false match rate", "may be too small"];
    let mut table = Table::new("Numbers: slices", &heads);
    let mut row = |number: String, column: &str, slice: &Slice| {
        let rate = |estimate: &Option<Estimate>| match estimate {
            None => Cell { note: "no pair".into(), ..NONE.into() },
            Some(rate) => {
                let pairs = counted(rate.n, "pair", "pairs");
                Cell { note: format!("{} {pairs}", Rate.interval(rate)).trim().into(), ..point(Rate, rate).into() }
            }
        };
        let identities = counted(slice.identities, "identity", "identities");
        let warnings: Vec<&str> = slice.warnings.iter().map(|warning| warning.text()).collect();
        let warnings = if warnings.is_empty() { String::new() } else { format!("⚠ {}", warnings.join("; ")) };
        let cells = [
            number.into(),
            column.into(),
            slice.name.as_str().into(),
            Cell { note: identities, ..count(slice.faces).into() },
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
    table.note = "A pair of two faces of a slice counts twice. Slices of numbers are quarters of the faces. Warned: fewer \
                  than 8 identities, or so few pairs that fewer than 30 errors are to be expected at the rate of all faces."
        .into();
    if !unknown.is_empty() {
        table.note = format!("{} Not known: {}.", table.note, unknown.join(", "));
    }
    table
}

fn left_out(columns: &[SkippedColumn]) -> Table {
    let mut table = Table::new("Columns without slices", &["column", "why"]);
    for SkippedColumn { column, reason } in columns {
        table.row([column, reason]);
    }
    table
}

fn no_curves(discard: &Discard) -> Option<String> {
    (discard.pairs > 0 && discard.misses == 0).then(|| {
        let pairs = counted(discard.pairs, "same-identity pair is", "same-identity pairs is");
        format!("None of {pairs} missed at this threshold, so discarding poor pictures has nothing to mend.")
    })
}

/// Error-versus-discard curves.
fn discard(found: &Discard) -> Result<Block, ReportError> {
    let percent = |share: &f64| share * 100.0;
    let rates = || found.curves.iter().flat_map(|curve| curve.fnmr.iter().map(|rate| rate.point));
    let most = rates().fold(0.0, f64::max);
    let (x, y) = (
        Axis::linear("% of same-identity pairs discarded, worst quality first", 0.0, 50.0),
        Axis::linear("false non-match rate of the rest, %", 0.0, if most > 0.0 { most * 110.0 } else { 1.0 }),
    );
    let line = |rates: &mut dyn Iterator<Item = f64>| -> Vec<(f64, f64)> {
        found.shares.iter().map(percent).zip(rates.map(|rate| rate * 100.0)).collect()
    };
    let mut layers = vec![Layer::Line(Role::Reference, line(&mut found.ideal.iter().copied()))];
    let mut legend = Vec::new();
    for (i, curve) in found.curves.iter().enumerate() {
        let role = Role::Run(i as u8);
        layers.push(Layer::Line(role, line(&mut curve.fnmr.iter().map(|rate| rate.point))));
        legend.push(Legend::line(role, curve.measure.clone()));
    }
    legend.push(Legend::line(Role::Reference, "missed pairs first: no measure does better"));
    let name = found.curves.first().map_or_else(String::new, |curve| interval_name(&curve.area));
    let columns = ["measure", "#pairs", "#area", &format!("#{name}"), "#rate at 0%", "#10%", "#20%", "#50%"];
    let mut table = Table::new("Numbers: what discarding does", &columns);
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
    table.row(["missed pairs first".into(), count(found.pairs), NONE.into(), String::new(), start, tenth, fifth, half]);
    table.note = format!(
        "The area is the mean of the curve divided by its start: 1.000 is what discarding at random gives, less is better. \
         {}, {} of them missed. Intervals: {}.",
        if found.pairs < found.available {
            format!(
                "{} of {} same-identity pairs: those of a seeded part of the faces",
                count(found.pairs),
                count(found.available)
            )
        } else {
            format!("All {} same-identity pairs", count(found.pairs))
        },
        count(found.misses),
        found.curves.first().map_or("none", |curve| &curve.area.method)
    );
    let words = [
        "A pair is as good as the worse of its two pictures. From left to right, ever more of the worst pairs are turned away; a line that falls fast belongs to a measure that foretells misses, a level line to one that does not. Exposure counts as better the nearer it is to middle grey.",
        "The threshold stays where it is, and turned-away pictures are people who are not recognised at all: a falling curve is no free gain. Same-identity pairs only; people with many pictures weigh most.",
    ];
    Block::figure("What turning away poor pictures would do", &Chart { x, y, layers }, legend, words, table)
}

//! Error rates by slices of the faces, and the effect of discarding the worst pictures.

use super::axis::ChartAxis;
use super::page::{DataTable, Exhibit, Legend, Section, TableCell};
use super::plots::{Chart, ChartLayer, Mark, NamedRows, Style};
use super::words::{NONE, count, counted, interval_name, maybe, operating, point, value_and_interval};
use super::{ReportError, slice_names};
use crate::breakdown::{Against, Breakdown, Discard, DiscardCurve, SkippedColumn, Slice, SliceRate};
use crate::estimate::Estimate;
use crate::evaluate::Evaluation;
use crate::numbers::Quantity::{Plain, Rate};

/// Most slices drawn for a rate, the worst.
const DRAWN: usize = 10;
/// Most slices in the table of outlying slices.
const OUTLYING_SHOWN: usize = 8;
/// The step of an error-versus-discard curve at which it is put into words: 10% of the pairs.
const A_TENTH: usize = 5;

/// The breakdown of an evaluation, if it has one.
pub(super) fn section(evaluation: &Evaluation) -> Result<Section, ReportError> {
    let section = Section::new("breakdown", "Poor pictures and other slices");
    let Some(found) = &evaluation.breakdown else { return Ok(section) };
    let mut section = section.text(format!(
        "At the operating threshold of {}. A slice is a group of faces with something in common; a pair counts once for \
         each of its faces in the slice, regardless of the other face.",
        operating(found.threshold, &evaluation.metrics)
    ));
    section = section.texts(turning_away(&found.discard));
    if found.columns.is_empty() {
        section = section.text("No column of data divides the faces into slices.");
    } else {
        let outlying = outlying(found);
        if outlying.rows.is_empty() {
            section = section.text(
                "No slice stands out: every slice that is large enough has the rates of all faces within its intervals.",
            );
        }
        section = section.with(outlying.first(OUTLYING_SHOWN));
        for rate in SliceRate::ALL {
            section = section.with_all(ranked(found, rate)?);
        }
    }
    if !found.discard.curves.is_empty() {
        let discard = discard(&found.discard)?;
        section = section.with(if best_measure(&found.discard).is_some() { discard } else { discard.folded() });
    }
    Ok(section.with(slice_table(found).folded()).with(left_out(&found.left_out).folded()))
}

/// What turning away the worst tenth would do, by the measure that predicts misses best.
fn turning_away(found: &Discard) -> Option<String> {
    if found.pairs > 0 && found.misses == 0 {
        let pairs = counted(found.pairs, "genuine pair", "genuine pairs");
        return Some(format!(
            "No genuine pair of {pairs} is missed at this threshold, so turning away poor pictures cannot help."
        ));
    }
    let best = best_measure(found);
    let step = |curve: &DiscardCurve, step: usize| curve.fnmr.get(step).map(|rate| point(Rate, rate));
    match best.and_then(|best| Some((best, step(best, 0)?, step(best, A_TENTH)?))) {
        Some((best, start, tenth)) => Some(format!(
            "Turning away the {} tenth of the genuine pairs, by the worse picture of each, takes their false non-match \
             rate from {start} to {tenth}; the people on those pictures are then not recognised at all.",
            slice_names::worst(&best.measure),
        )),
        None => (!found.curves.is_empty()).then(|| {
            "No measure of picture quality predicts misses better than chance here: turning away poor pictures does not \
             demonstrably help."
                .into()
        }),
    }
}

/// The measure with the smallest area, if its interval shows that it is better than discarding at random.
pub(super) fn best_measure(found: &Discard) -> Option<&DiscardCurve> {
    let better = found.curves.iter().filter(|curve| curve.area.upper.is_some_and(|upper| upper < 1.0));
    better.min_by(|a, b| a.area.point.total_cmp(&b.area.point))
}

/// Slices whose interval excludes the rate of all faces, the largest ratio first.
fn outlying(found: &Breakdown) -> DataTable {
    let interval = found.all.fnmr.as_ref().or(found.all.fmr.as_ref()).map_or("interval".into(), interval_name);
    let columns = ["slice", "#faces", "#identities", "rate", "#value", &format!("#{interval}"), "against all faces"];
    let mut table = DataTable::new("Slices that stand out", &columns).stacked();
    let outliers = found.outlying();
    for one in &outliers {
        let column = &found.columns[one.column];
        let slice = &column.slices[one.slice];
        let side = if one.ratio > 1.0 { "worse" } else { "better" };
        let bound = if one.estimate.bound { "at most " } else { "" };
        let chance = if one.beyond_chance { "" } else { "; may be chance" };
        table.row([
            slice_names::full(column, one.slice),
            count(slice.faces),
            count(slice.identities),
            one.rate.name().to_owned(),
            point(Rate, one.estimate),
            Rate.interval(one.estimate),
            format!("{side}: {bound}{:.2} times{chance}", one.ratio),
        ]);
    }
    table.note(
        "The furthest from the rate of all faces first. “May be chance”: among as many slices, one like this is expected \
         without any cause (the interval, widened for their number, contains the rate of all faces). The first overstates \
         its distance. Intervals of false match rates are too narrow, by up to half.",
    )
}

/// The slices by one rate, the worst at the top; nothing if no slice has one.
fn ranked(found: &Breakdown, rate: SliceRate) -> Result<Option<Exhibit>, ReportError> {
    let Some(all) = rate.of(&found.all) else { return Ok(None) };
    let slices = found.columns.iter().flat_map(|column| (0..column.slices.len()).map(move |slice| (column, slice)));
    let mut rows: Vec<(String, &Slice, &Estimate)> = slices
        .filter_map(|(column, slice)| {
            let found = &column.slices[slice];
            Some((slice_names::short(column, slice), found, rate.of(found)?))
        })
        .collect();
    if rows.is_empty() {
        return Ok(None);
    }
    rows.sort_by(|a, b| b.2.point_or_bound().total_cmp(&a.2.point_or_bound()));
    let hidden = rows.len().saturating_sub(DRAWN);
    rows.truncate(DRAWN);

    let ends = rows.iter().map(|row| row.2).chain([all]).flat_map(|rate| [rate.lower, Some(rate.point), rate.upper]);
    let least = ends.flatten().filter(|end| *end > 0.0).fold(0.1, f64::min);
    let x = ChartAxis::rate(rate.name(), least);
    let place = |row: usize| (rows.len() - 1 - row) as f64;
    let y = ChartAxis::named(rows.iter().enumerate().map(|(row, (name, ..))| (place(row), name.clone())), rows.len());
    let mut layers = Vec::new();
    if !all.bound {
        layers.push(ChartLayer::Vertical(Style::Reference, all.point));
    }
    let mut small = Vec::new();
    for (row, (_, slice, estimate)) in rows.iter().enumerate() {
        let y = place(row);
        let (style, mark) = look(Against::of(estimate, all.point));
        if let (Some(lower), Some(upper)) = (estimate.lower, estimate.upper) {
            layers.push(ChartLayer::Line(style, vec![(lower, y), (upper, y)]));
        }
        if !estimate.bound {
            layers.push(ChartLayer::Marks(style, mark, vec![(estimate.point, y)]));
        }
        small.extend(rate.is_small(slice).then_some((estimate.point_or_bound(), y)));
    }
    let mut legend = vec![];
    for (against, text) in [
        (Against::Worse, "worse than all faces"),
        (Against::Better, "better than all faces"),
        (Against::Neither, "not distinguishable from all faces"),
    ] {
        if rows.iter().any(|(_, _, estimate)| Against::of(estimate, all.point) == against) {
            let (style, mark) = look(against);
            legend.push(Legend::mark(style, mark, text));
        }
    }
    if !all.bound {
        legend.push(Legend::line(Style::Reference, format!("all faces, {}", point(Rate, all))));
    }
    if !small.is_empty() {
        layers.push(ChartLayer::Marks(Style::Alarm, Mark::Ring, small));
        legend.push(Legend::mark(Style::Alarm, Mark::Ring, "the slice may be too small"));
    }
    let (name, reading) = match rate {
        SliceRate::Fnmr => ("Who is missed: false non-match rate by slice", "missed"),
        SliceRate::Fmr => ("Who is confused: false match rate by slice", "confused"),
    };
    let more =
        if hidden > 0 { format!(" The {hidden} with the lowest rates are in the table only.") } else { String::new() };
    let reading = format!(
        "From the worst slice at the top to the best: how often its faces are {reading}, with intervals. A bar without a \
         mark is a bound: no error was seen.{more}"
    );
    let limits = match rate {
        SliceRate::Fnmr => "Slices differ in more than their name: people, cameras and quality are correlated.",
        SliceRate::Fmr => {
            "The faces a slice is compared with are held fixed: these intervals are too narrow, by up to half."
        }
    };
    let chart = NamedRows { rows: rows.len(), chart: Chart { x, y, layers } };
    Ok(Some(Exhibit::figure(name, &chart, legend, [&reading, limits], DataTable::default())?))
}

fn look(against: Against) -> (Style, Mark) {
    match against {
        Against::Worse => (Style::Worse, Mark::Cross),
        Against::Better => (Style::Better, Mark::Dot),
        Against::Neither => (Style::Ink, Mark::Dot),
    }
}

fn slice_table(found: &Breakdown) -> DataTable {
    let heads = ["slice", "#faces", "#false non-match rate", "#false match rate", "may be too small"];
    let mut table = DataTable::new("Numbers: slices", &heads);
    let mut row = |name: String, slice: &Slice| {
        let rate = |rate: SliceRate| match rate.of(slice) {
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
        table.row([
            name.into(),
            TableCell::with_note(count(slice.faces), identities),
            rate(SliceRate::Fnmr),
            rate(SliceRate::Fmr),
            warnings.into(),
        ]);
    };
    for column in &found.columns {
        for (i, slice) in column.slices.iter().enumerate() {
            row(slice_names::full(column, i), slice);
        }
    }
    row("all faces".into(), &found.all);
    let unknown: Vec<String> = found
        .columns
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

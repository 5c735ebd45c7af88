//! Identification protocols: how often a search of a gallery finds the right person, or somebody wrong.

use super::axis::ChartAxis;
use super::page::{DataTable, Exhibit, Legend, Section, TableCell};
use super::plots::{Chart, ChartLayer, Mark, Style};
use super::words::{NONE, count, counted, interval_name, maybe, target, value_and_interval};
use super::{Report, ReportError};
use crate::estimate::Estimate;
use crate::identification::curves::{OpenSetPoint, RankPoint};
use crate::identification::{GalleryRule, IdentificationProtocol, IdentificationResult, Roles};
use crate::numbers::Quantity::{Cosine, Rate};
use crate::verification::interval::upper_bound_of_none;

/// Rows of the tables below the curves.
const ROWS: usize = 40;

/// All identification protocols of a run.
pub(super) fn section(report: &Report) -> Result<Section, ReportError> {
    let section = Section::new("identification", "Identification");
    let results = &report.evaluation.metrics.identification;
    if results.is_empty() {
        return Ok(section);
    }
    let section = section.texts(results.iter().map(description)).with(ranks(results)).with(open_set(results));
    let figures = figures(report, results)?;
    // The tables have the numbers that are asked for.
    Ok(section.with_all(figures.into_iter().map(Exhibit::folded)))
}

/// The protocol in a sentence.
fn description(result: &IdentificationResult) -> String {
    let IdentificationProtocol { name, roles, gallery_rule, .. } = &result.protocol;
    let counts = result.rates.counts;
    let faces = counted(result.templates, "face", "faces");
    let chosen = match roles {
        Roles::First { faces: first, unknown_share } => {
            let unknown = if *unknown_share > 0.0 {
                format!("; {} of the identities, chosen by the seed, have none", target(*unknown_share))
            } else {
                String::new()
            };
            let first = if *first == 1 { "face".into() } else { format!("{} faces", count((*first).into())) };
            format!("The gallery is the first {first} of each identity ({faces}){unknown}")
        }
        Roles::Folders { gallery, .. } => format!("The gallery is the {faces} in {}", gallery.join(", ")),
        Roles::Table { .. } => format!("A table says which {faces} are the gallery"),
    };
    let distractors = match result.distractors {
        0 => String::new(),
        n => format!(", {} of them {}", count(n), if n == 1 { "a distractor" } else { "distractors" }),
    };
    let rule = match gallery_rule {
        GalleryRule::Max => "a person's score is that of the most similar of their faces",
        GalleryRule::Mean => "a person's score is that of the mean of their faces",
    };
    let left_out = result.left_out;
    let repeated = match left_out.repeated {
        0 => String::new(),
        n => format!(
            " {} not searched for: the same picture is in the gallery under the same name.",
            counted(n, "probe was", "probes were")
        ),
    };
    let missing = match left_out.gallery + left_out.searches() {
        0 => String::new(),
        _ => format!(
            " Left out: {} and {} without an embedding, and {} whose person has no gallery face with one.",
            counted(left_out.gallery, "gallery face", "gallery faces"),
            counted(left_out.probes, "probe", "probes"),
            counted(left_out.not_enrolled, "probe", "probes"),
        ),
    };
    format!(
        "{name}: {} of {} are searched for among {}; {} of {} are not in the gallery. {chosen}{distractors}; {rule}.{missing}{repeated}",
        counted(counts.mated, "probe", "probes"),
        counted(counts.mated_people, "person", "people"),
        counted(counts.gallery, "person", "people"),
        counted(counts.non_mated, "probe", "probes"),
        counted(counts.non_mated_people, "person", "people"),
    )
}

fn interval(results: &[IdentificationResult]) -> String {
    let rates = results.iter().flat_map(|result| &result.rates.ranks).filter_map(|found| found.rate.as_ref());
    rates.take(1).map(interval_name).next().unwrap_or_else(|| "interval".into())
}

fn ranks(results: &[IdentificationResult]) -> DataTable {
    let name = format!("#{}", interval(results));
    let columns = ["protocol", "#rank", "#found within it", &name, "interval method"];
    let mut table = DataTable::new("Searches for people in the gallery, by rank", &columns);
    let mut trivial = false;
    for (result, found) in results.iter().flat_map(|result| result.rates.ranks.iter().map(move |found| (result, found)))
    {
        let [value, ends] = value_and_interval(Rate, found.rate.as_ref());
        let method = found.rate.as_ref().map_or_else(String::new, |rate| rate.method.clone());
        trivial |= found.rate.is_none() && result.rates.counts.mated > 0;
        table.row([result.protocol.name.clone(), count(found.rank.into()), value, ends, method]);
    }
    table.note =
        "The rank is 1 plus the number of other people with at least the score of the right one, so that a tie counts \
                  against the system. The interval is over the people who are searched for; the gallery is held fixed."
            .into();
    if trivial {
        table.note += " A dash: the gallery holds no more people, so every search reaches that rank.";
    }
    table
}

fn open_set(results: &[IdentificationResult]) -> DataTable {
    let columns = ["protocol", "#FPIR at most", "#threshold", "#FPIR", "#TPIR", "#FNIR"];
    let mut table = DataTable::new("Searches with a threshold, by false positive identification rate", &columns);
    let mut unresolved = false;
    // A closed set has nobody to mistake for somebody.
    let open = results.iter().filter(|result| result.rates.counts.non_mated > 0);
    for (result, at) in open.flat_map(|result| result.rates.open_set.iter().map(move |at| (result, at))) {
        let rate = |estimate: &Option<Estimate>| TableCell::estimate(Rate, estimate.as_ref());
        unresolved |= at.threshold.is_none();
        let threshold = at.threshold.map_or_else(|| NONE.into(), |threshold| Cosine.value(threshold.into()));
        table.row([
            result.protocol.name.clone().into(),
            target(at.target_fpir).into(),
            threshold.into(),
            rate(&at.fpir),
            rate(&at.tpir),
            rate(&at.fnir),
        ]);
    }
    let candidates = results.iter().map(|result| result.protocol.candidates).max().unwrap_or(1);
    let first = if candidates == 1 {
        "first".to_owned()
    } else {
        format!("among the first {} (or as the protocol says)", count(candidates.into()))
    };
    table.note = format!(
        "FPIR: searches for people who are not in the gallery that return anybody. TPIR: searches for people in the gallery \
         that return the right one, {first}; FNIR is 100% minus TPIR. The threshold is the lowest that keeps the FPIR; \
         its choice is part of the intervals of TPIR and FNIR."
    );
    if unresolved {
        table.note += " A dash: an FPIR takes at least 1/FPIR searches for people who are not in the gallery.";
    }
    table
}

/// Both curves of every protocol.
fn figures(report: &Report, results: &[IdentificationResult]) -> Result<Vec<Exhibit>, ReportError> {
    let curves: Vec<Curves<'_>> = results
        .iter()
        .filter_map(|result| {
            let searched = &report.evaluation.searched;
            let found = searched.iter().find(|found| found.protocol == result.protocol.name)?;
            let (cmc, open_set) = result.curves(&found.probes);
            Some(Curves { name: &result.protocol.name, non_mated: result.rates.counts.non_mated, cmc, open_set })
        })
        .collect();
    let mut figures = Vec::new();
    if curves.iter().any(|curves| curves.cmc.len() > 1) {
        figures.push(cmc(&curves, &interval(results))?);
    }
    if curves.iter().any(|curves| !curves.open_set.is_empty()) {
        figures.push(tpir(&curves, &interval(results))?);
    }
    Ok(figures)
}

struct Curves<'a> {
    name: &'a str,
    non_mated: u64,
    cmc: Vec<RankPoint>,
    open_set: Vec<OpenSetPoint>,
}

/// A line with its band.
type Drawn = Vec<(f64, f64, f64, f64)>;

fn drawn(x: f64, rate: &Estimate) -> (f64, f64, f64, f64) {
    let point = 100.0 * rate.point;
    (x, point, rate.lower.map_or(point, |lower| 100.0 * lower), rate.upper.map_or(point, |upper| 100.0 * upper))
}

/// The layers and the legend of several curves, and the lower end of their axis.
fn layers(of: &[(&str, Drawn)], interval: &str) -> (Vec<ChartLayer>, Vec<Legend>, f64) {
    let (mut bands, mut lines, mut legend) = (Vec::new(), Vec::new(), Vec::new());
    let mut least = 100.0_f64;
    for (number, (name, points)) in of.iter().enumerate() {
        let style = if of.len() == 1 { Style::Value } else { Style::nth(number) };
        bands.push(ChartLayer::Band(style, points.iter().map(|&(x, _, lower, upper)| (x, lower, upper)).collect()));
        lines.push(ChartLayer::Line(style, points.iter().map(|&(x, y, ..)| (x, y)).collect()));
        if let [(x, y, ..)] = points[..] {
            lines.push(ChartLayer::Marks(style, Mark::Dot, vec![(x, y)]));
        }
        legend.push(Legend::line(style, (*name).to_owned()));
        least = points.iter().map(|point| point.2).fold(least, f64::min);
    }
    legend.push(Legend::band(
        if of.len() == 1 { Style::Value } else { Style::nth(0) },
        format!("{interval} at each point"),
    ));
    bands.extend(lines);
    (bands, legend, ((least - 5.0) / 10.0).floor().clamp(0.0, 9.0) * 10.0)
}

fn cmc(curves: &[Curves<'_>], interval: &str) -> Result<Exhibit, ReportError> {
    let points =
        |curves: &Curves<'_>| curves.cmc.iter().map(|point| drawn(f64::from(point.rank), &point.rate)).collect();
    let of: Vec<(&str, Drawn)> = curves.iter().map(|curves| (curves.name, points(curves))).collect();
    let (layers, legend, lower) = layers(&of, interval);
    let ranks: Vec<f64> = of.iter().flat_map(|(_, points)| points).map(|point| point.0).collect();
    let x = ChartAxis::powers("rank", &ranks);
    let y = ChartAxis::linear("found within the rank, %", lower, 100.0);
    let mut table = DataTable::new("Numbers: found by rank", &["protocol", "#rank", "#found", "#lower", "#upper"]);
    for curves in curves {
        for RankPoint { rank, rate } in curves.cmc.iter().step_by(curves.cmc.len().div_ceil(ROWS).max(1)) {
            row(&mut table, curves.name, count((*rank).into()), None, rate);
        }
    }
    let caption = [
        "Upper left is better. How many of the searches for people in the gallery have the right person among the first so many. It ends at the rank within which all are found, or at the end of the gallery.",
        "A larger gallery holds more people who resemble the probe: shares of galleries of different size are not comparable.",
    ];
    Exhibit::figure("Cumulative match characteristic (CMC)", &Chart { x, y, layers }, legend, caption, table)
}

fn tpir(curves: &[Curves<'_>], interval: &str) -> Result<Exhibit, ReportError> {
    let points = |curves: &Curves<'_>| curves.open_set.iter().map(|point| drawn(point.fpir, &point.tpir)).collect();
    let of: Vec<(&str, Drawn)> = curves.iter().map(|curves| (curves.name, points(curves))).collect();
    let (layers, legend, lower) = layers(&of, interval);
    let most = curves.iter().map(|curves| curves.non_mated).max().unwrap_or(1);
    let x = ChartAxis::rate("FPIR: strangers for whom somebody is returned", 1.0 / most.max(1) as f64);
    let y = ChartAxis::linear("TPIR: right person returned, %", lower, 100.0);
    let columns = ["protocol", "threshold", "#FPIR", "#TPIR", "#lower", "#upper"];
    let mut table = DataTable::new("Numbers: TPIR by FPIR", &columns);
    for curves in curves {
        for OpenSetPoint { threshold, fpir, tpir } in
            curves.open_set.iter().step_by(curves.open_set.len().div_ceil(ROWS).max(1))
        {
            let fpir = if *fpir == 0.0 {
                format!("≤ {}", Rate.value(upper_bound_of_none(curves.non_mated as f64, tpir.level)))
            } else {
                Rate.value(*fpir)
            };
            row(&mut table, curves.name, Cosine.value((*threshold).into()), Some(fpir), tpir);
        }
    }
    let caption = [
        "Upper left is better. Each point is one threshold: choose an FPIR on the horizontal axis and read off the TPIR on the vertical axis. A threshold that no search for somebody unknown reaches is placed on the left edge.",
        "The band is over people and includes the choice of the threshold. Where few searches choose it, at the left, it is a rough guide.",
    ];
    let title = "True positive identification rate (TPIR, DIR) by FPIR";
    Exhibit::figure(title, &Chart { x, y, layers }, legend, caption, table)
}

fn row(table: &mut DataTable, name: &str, place: String, fpir: Option<String>, rate: &Estimate) {
    let ends = [Some(rate.point), rate.lower, rate.upper].map(|value| maybe(value, Rate));
    table.row([name.to_owned(), place].into_iter().chain(fpir).chain(ends));
}

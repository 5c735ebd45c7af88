//! The threshold explorer: moves one threshold through the distributions, ROC, DET and confusion counts at once.
//!
//! The rendered page is complete without a script and shows the operating threshold; `explorer.js` moves it
//! to any of the stored thresholds. Each is a bin's lower edge, where the counts are exact.

use std::collections::BTreeSet;

use serde::Serialize;

use super::ReportError;
use super::axis::ChartAxis;
use super::binning::{rebin, thin};
use super::figures::{self, Outlines};
use super::page::DataTable;
use super::plots::{Chart, ChartLayer, ExplorerCursor, Style};
use super::words::{NONE, count, target};
use crate::evaluate::Evaluation;
use crate::numbers::Quantity::{Cosine, Rate};
use crate::verification::interval::upper_bound_of_none;
use crate::verification::roc::{Roc, Survival};
use crate::verification::tally::edge;

/// Largest distance between two stored thresholds where there are pairs.
const STEP: f64 = 0.005;
/// Bins of the drawn distributions.
const DRAWN_BINS: usize = 120;
/// Points closer than this share of an axis' length are indistinguishable.
const RESOLUTION: f64 = 1.0 / 400.0;

/// The data of the explorer's template.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Explorer {
    /// JSON for the script, without any `<`.
    data: String,
    last: usize,
    start: usize,
    readout: Readout,
    genuine: String,
    impostor: String,
    buttons: Vec<Button>,
    views: Vec<ExplorerView>,
}

/// A named threshold and its index among the stored thresholds.
#[derive(Debug, Clone, Serialize)]
struct Button {
    name: String,
    point: usize,
}

/// A small chart with a cursor at the threshold.
#[derive(Debug, Clone, Serialize)]
struct ExplorerView {
    /// Identifies the view to the script: `cosine`, `roc` or `det`.
    kind: &'static str,
    title: &'static str,
    svg: String,
    reading: &'static str,
}

/// The numbers of one threshold as text. The script formats those of other thresholds the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Readout {
    threshold: String,
    true_accepts: String,
    false_rejects: String,
    false_accepts: String,
    true_rejects: String,
    tar: String,
    fnmr: String,
    fmr: String,
    one_in: String,
}

/// The number of pairs at or above each stored threshold.
#[derive(Debug, Clone, Serialize)]
struct ExplorerData {
    /// Thresholds are 2·step/bins − 1.
    bins: usize,
    level: f64,
    /// Index of the initial threshold.
    start: usize,
    /// Ascending.
    steps: Vec<usize>,
    /// Genuine pairs at or above the threshold; all of them at the first.
    genuine: Vec<u64>,
    /// Impostor pairs at or above the threshold; all of them at the first.
    impostor: Vec<u64>,
}

/// The explorer with the table of its named thresholds; `None` if genuine or impostor pairs are missing, because then there
/// is no threshold to choose.
pub(super) fn of(evaluation: &Evaluation) -> Result<Option<(Explorer, DataTable)>, ReportError> {
    let bins = evaluation.histograms.genuine.len();
    let genuine = Survival::new(&evaluation.histograms.genuine);
    let impostor = Survival::new(&evaluation.histograms.impostor);
    if impostor.bins() != bins || genuine.total() == 0 || impostor.total() == 0 {
        return Ok(None);
    }
    let named = named(evaluation, bins);
    let edges = stored(&genuine, &impostor, &named);
    let point = |edge: usize| edges.partition_point(|stored| *stored < edge).min(edges.len() - 1);
    let data = ExplorerData {
        bins,
        level: evaluation.metrics.eer.level,
        start: point(start(evaluation, &named)),
        // The edge after the last bin is placed one bin above 1.
        steps: edges.iter().map(|&edge| if edge == bins { edge + 1 } else { edge }).collect(),
        genuine: edges.iter().map(|&edge| genuine.reach(edge)).collect(),
        impostor: edges.iter().map(|&edge| impostor.reach(edge)).collect(),
    };
    let buttons: Vec<_> = named.into_iter().map(|(name, edge)| Button { name, point: point(edge) }).collect();
    let json = serde_json::to_string(&data).unwrap_or_default().replace('<', "\\u003c");
    let explorer = Explorer {
        data: json,
        last: edges.len() - 1,
        start: data.start,
        readout: data.readout(data.start),
        genuine: count(genuine.total()),
        impostor: count(impostor.total()),
        views: vec![distributions(evaluation, &data)?, roc(&data)?, det(&data)?],
        buttons,
    };
    let table = data.table(&explorer.buttons);
    Ok(Some((explorer, table)))
}

/// The initial threshold: the operating threshold, or that of the equal error rate.
fn start(evaluation: &Evaluation, named: &[(String, usize)]) -> usize {
    let operating = evaluation.metrics.operating().map(|point| at_fmr(point.target_fmr));
    let named = named.iter().find(|(name, _)| Some(name) == operating.as_ref()).or_else(|| named.first());
    named.map_or(0, |(_, edge)| *edge)
}

/// The named thresholds as bin edges.
fn named(evaluation: &Evaluation, bins: usize) -> Vec<(String, usize)> {
    let metrics = &evaluation.metrics;
    let operating = metrics.operating_points.iter();
    let operating = operating.filter_map(|point| Some((at_fmr(point.target_fmr), point.threshold?)));
    std::iter::once(("equal error rate".to_owned(), metrics.eer_threshold))
        .chain(operating)
        .filter(|(_, threshold)| threshold.is_finite())
        .map(|(name, threshold)| (name, nearest_edge(threshold, bins)))
        .collect()
}

fn at_fmr(target_fmr: f64) -> String {
    format!("FMR {}", target(target_fmr))
}

fn nearest_edge(threshold: f64, bins: usize) -> usize {
    (((threshold + 1.0) * (bins as f64 / 2.0)).round().max(0.0) as usize).min(bins)
}

/// The slider's stops, ascending: about a thousand edges from the last that all pairs reach to the first that none reaches,
/// dense where an error rate changes and never far apart.
fn stored(genuine: &Survival, impostor: &Survival, named: &[(String, usize)]) -> Vec<usize> {
    let bins = genuine.bins();
    let both = [genuine, impostor];
    let first = both.map(|of| of.lowest_edge(of.total() - 1).saturating_sub(1)).into_iter().min().unwrap_or(0);
    let end = both.map(|of| of.lowest_edge(0)).into_iter().max().unwrap_or(bins);
    let grid = (0..=(2.0 / STEP) as u32).map(|i| nearest_edge(f64::from(i) * STEP - 1.0, bins));
    let edges: BTreeSet<usize> = Roc { genuine, impostor }
        .curve_edges()
        .into_iter()
        .chain(grid)
        .chain(named.iter().map(|(_, edge)| *edge))
        .filter(|edge| (first..=end).contains(edge))
        .chain([first, end])
        .collect();
    edges.into_iter().collect()
}

impl ExplorerData {
    /// False match rate and false non-match rate at a point.
    fn rates(&self, point: usize) -> (f64, f64) {
        let share = |part: u64, whole: u64| part as f64 / whole as f64;
        let missed = self.genuine[0] - self.genuine[point];
        (share(self.impostor[point], self.impostor[0]), share(missed, self.genuine[0]))
    }

    fn threshold(&self, point: usize) -> f64 {
        edge(self.steps[point].min(self.bins), self.bins)
    }

    /// A rate without an error is shown as a bound, and so is its complement.
    fn readout(&self, point: usize) -> Readout {
        let (all_genuine, all_impostor) = (self.genuine[0], self.impostor[0]);
        let (accepted, matched) = (self.genuine[point], self.impostor[point]);
        let (missed, bound) = (all_genuine - accepted, |n: u64| upper_bound_of_none(n as f64, self.level));
        let (fmr, fnmr) = self.rates(point);
        let rate = |part: u64, n: u64, rate: f64| {
            if part == 0 { format!("≤ {}", Rate.value(bound(n))) } else { Rate.value(rate) }
        };
        Readout {
            threshold: Cosine.value(self.threshold(point)),
            true_accepts: count(accepted),
            false_rejects: count(missed),
            false_accepts: count(matched),
            true_rejects: count(all_impostor - matched),
            tar: match (accepted, missed) {
                (0, _) => format!("≤ {}", Rate.value(bound(all_genuine))),
                (_, 0) => format!("≥ {}", complement(bound(all_genuine))),
                _ => complement(fnmr),
            },
            fnmr: rate(missed, all_genuine, fnmr),
            fmr: rate(matched, all_impostor, fmr),
            one_in: match matched {
                0 => format!("at most 1 in {}", rounded(1.0 / bound(all_impostor))),
                _ => format!("about 1 in {}", rounded(1.0 / fmr)),
            },
        }
    }

    /// The named thresholds, for readers without the script and on paper.
    fn table(&self, named: &[Button]) -> DataTable {
        let columns = [
            "threshold",
            "#cosine",
            "#true accepts",
            "#TAR",
            "#false rejects",
            "#FNMR",
            "#false accepts",
            "#FMR",
            "#impostor pairs matched",
        ];
        let mut table = DataTable::new("Numbers: named thresholds", &columns);
        for Button { name, point } in named {
            let readout = self.readout(*point);
            table.row([
                name.clone(),
                readout.threshold,
                readout.true_accepts,
                readout.tar,
                readout.false_rejects,
                readout.fnmr,
                readout.false_accepts,
                readout.fmr,
                readout.one_in,
            ]);
        }
        table.note = "Counted at the nearest bin edge, where counts are exact.".into();
        table.folded()
    }

    /// The distinguishable points of a curve, strictest threshold first.
    fn curve(&self, x: &ChartAxis, y: &ChartAxis, of: impl Fn(f64, f64) -> (f64, f64)) -> Vec<(f64, f64)> {
        let points: Vec<_> =
            (0..self.steps.len()).rev().map(|point| self.rates(point)).map(|(a, b)| of(a, b)).collect();
        let places: Vec<_> = points.iter().map(|point| (x.at(point.0), y.at(point.1))).collect();
        thin(&places, RESOLUTION).into_iter().map(|i| points[i]).collect()
    }
}

/// 1 − rate in percent, with as many decimals as the rate itself: 99.9970% for 0.0030%.
fn complement(rate: f64) -> String {
    let text = Rate.value(rate);
    let decimals = text.trim_end_matches('%').split_once('.').map_or(0, |(_, decimals)| decimals.len());
    format!("{:.decimals$}%", 100.0 * (1.0 - rate))
}

/// Three significant digits, with thousands separators.
fn rounded(n: f64) -> String {
    let digits = (2.0 - n.log10().floor()).max(-15.0);
    if !n.is_finite() {
        return NONE.into();
    }
    if digits > 0.0 {
        let text = format!("{n:.*}", digits as usize);
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    let unit = 10f64.powf(-digits);
    count(((n / unit).round() * unit) as u64)
}

fn distributions(evaluation: &Evaluation, data: &ExplorerData) -> Result<ExplorerView, ReportError> {
    let bins = rebin(&evaluation.histograms, DRAWN_BINS);
    let outlines = Outlines::of(&bins, 1.0);
    let y = ChartAxis::share("share of pairs, log", outlines.lowest(), outlines.highest());
    let chart = Chart { x: figures::cosines(&bins), y, layers: outlines.layers(None) };
    view(
        "cosine",
        "Distributions",
        "Blue: genuine. Orange, dashed: impostor.",
        &chart,
        ExplorerCursor::Line(data.threshold(data.start)),
    )
}

fn roc(data: &ExplorerData) -> Result<ExplorerView, ReportError> {
    let (x, y) = (fmr_axis(data), ChartAxis::linear("true accept rate, %", 0.0, 100.0));
    let place = |fmr: f64, fnmr: f64| (fmr, 100.0 * (1.0 - fnmr));
    let layers = vec![ChartLayer::Line(Style::Value, data.curve(&x, &y, place))];
    let (fmr, fnmr) = data.rates(data.start);
    let (across, up) = place(fmr, fnmr);
    let reading = "The ring is the threshold. Upper left is better.";
    view("roc", "ROC", reading, &Chart { x, y, layers }, ExplorerCursor::Ring(across, up))
}

fn det(data: &ExplorerData) -> Result<ExplorerView, ReportError> {
    let (x, y) = (fmr_axis(data), ChartAxis::rate("false non-match rate", 1.0 / data.genuine[0] as f64));
    let layers = vec![ChartLayer::Line(Style::Value, data.curve(&x, &y, |fmr, fnmr| (fmr, fnmr)))];
    let (fmr, fnmr) = data.rates(data.start);
    let reading = "The ring is the threshold. Lower left is better.";
    view("det", "DET", reading, &Chart { x, y, layers }, ExplorerCursor::Ring(fmr, fnmr))
}

fn fmr_axis(data: &ExplorerData) -> ChartAxis {
    ChartAxis::rate("false match rate", 1.0 / data.impostor[0] as f64)
}

fn view(
    kind: &'static str,
    title: &'static str,
    reading: &'static str,
    chart: &Chart,
    cursor: ExplorerCursor,
) -> Result<ExplorerView, ReportError> {
    let svg = chart.explorable_svg(&format!("{title} with the threshold. {reading}"), cursor)?;
    Ok(ExplorerView { kind, title, svg, reading })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;
    use crate::similarity::Histograms;
    use insta::assert_snapshot;
    use proptest::prelude::*;

    fn data(evaluation: &Evaluation) -> Option<serde_json::Value> {
        let (explorer, _) = of(evaluation).unwrap()?;
        Some(serde_json::from_str(&explorer.data).unwrap())
    }

    fn numbers(data: &serde_json::Value, name: &str) -> Vec<u64> {
        data[name].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()
    }

    /// Every count is the histogram's number of pairs at or above its threshold.
    fn assert_exact(evaluation: &Evaluation, data: &serde_json::Value) {
        let steps = numbers(data, "steps");
        assert!(steps.is_sorted_by(|a, b| a < b) && steps.len() < 1100, "{}", steps.len());
        let histograms = &evaluation.histograms;
        for (name, counts) in [("genuine", &histograms.genuine), ("impostor", &histograms.impostor)] {
            let reached = numbers(data, name);
            assert_eq!((reached[0], reached[steps.len() - 1]), (counts.iter().sum(), 0), "{name}");
            for (&step, reached) in steps.iter().zip(reached) {
                assert_eq!(reached, counts.iter().skip(step as usize).sum::<u64>(), "{name} at {step}");
            }
        }
    }

    #[test]
    fn counts_are_exact_at_every_stored_threshold() {
        let evaluation = sample::evaluation(0.0);
        let data = data(&evaluation).unwrap();
        assert_exact(&evaluation, &data);
        let steps = numbers(&data, "steps");
        let within = |pair: &[u64]| (pair[1] - pair[0]) as f64 * 2.0 / 65_536.0 <= STEP * 1.01;
        assert!(steps.windows(2).all(within), "any cosine has a threshold near it");
    }

    #[test]
    fn the_initial_threshold_is_the_operating_threshold() {
        let evaluation = sample::evaluation(0.0);
        let (explorer, named) = of(&evaluation).unwrap().unwrap();
        let Readout { threshold, true_accepts, tar, fnmr, false_accepts, fmr, one_in, .. } = explorer.readout;
        assert_snapshot!(
            format!("{threshold}: {true_accepts} ({tar}), {fnmr} missed, {false_accepts} ({fmr}, {one_in})"),
            @"0.3499: 384,829 (99.30%), 0.70% missed, 8,994 (0.100%, about 1 in 1,000)"
        );
        let pressed = explorer.buttons.iter().find(|button| button.point == explorer.start);
        assert_eq!(pressed.map(|button| button.name.as_str()), Some("FMR 0.1%"));
        assert_eq!(named.rows.len(), explorer.buttons.len());
    }

    #[test]
    fn a_rate_without_an_error_is_a_bound() {
        let data = ExplorerData {
            bins: 4,
            level: 0.95,
            start: 0,
            steps: vec![0, 2, 3, 5],
            genuine: vec![1000, 1000, 999, 0],
            impostor: vec![30_000, 3, 0, 0],
        };
        let text = |point| {
            let Readout { threshold, tar, fnmr, fmr, one_in, .. } = data.readout(point);
            format!("{threshold}: TAR {tar}, FNMR {fnmr}, FMR {fmr}, {one_in}")
        };
        assert_snapshot!(text(0), @"−1.0000: TAR ≥ 99.70%, FNMR ≤ 0.30%, FMR 100.00%, about 1 in 1");
        assert_snapshot!(text(1), @"0.0000: TAR ≥ 99.70%, FNMR ≤ 0.30%, FMR 0.010%, about 1 in 10,000");
        assert_snapshot!(text(2), @"0.5000: TAR 99.90%, FNMR 0.10%, FMR ≤ 0.0100%, at most 1 in 10,000");
        assert_snapshot!(text(3), @"1.5000: TAR ≤ 0.30%, FNMR 100.00%, FMR ≤ 0.0100%, at most 1 in 10,000");
    }

    #[test]
    fn large_numbers_have_three_significant_digits() {
        let texts = [1.0, 1.254, 10.0, 192.4, 999.9, 12_345.0, 5.67e9, f64::INFINITY].map(rounded);
        assert_eq!(texts, ["1", "1.25", "10", "192", "1,000", "12,300", "5,670,000,000", NONE]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn any_pairs_are_counted(
            genuine in prop::collection::vec(0_u64..4, 1..60),
            impostor in prop::collection::vec(0_u64..4, 60),
            eer_threshold in prop_oneof![-1.2_f64..1.2, Just(f64::NAN)],
        ) {
            let mut evaluation = sample::nothing();
            let bins = genuine.len();
            let both = genuine.iter().sum::<u64>() > 0 && impostor[..bins].iter().sum::<u64>() > 0;
            evaluation.histograms = Histograms { genuine, impostor: impostor[..bins].to_vec() };
            evaluation.metrics.eer_threshold = eer_threshold;
            let data = data(&evaluation);
            prop_assert_eq!(data.is_some(), both);
            if let Some(data) = data {
                assert_exact(&evaluation, &data);
            }
        }
    }
}

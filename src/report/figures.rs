//! The figures of a run report, each with its caption and the table of its numbers.

use std::collections::BTreeSet;

use super::axis::ChartAxis;
use super::binning::{Bin, rebin, thin};
use super::page::{DataTable, Exhibit, Legend};
use super::plots::{Chart, ChartLayer, Mark, Style};
use super::words::{NONE, count, counted, maybe, or_dash, point};
use super::{ChunkTiming, ReportError};
use crate::evaluate::Evaluation;
use crate::numbers::Quantity;
use crate::similarity::{Histograms, IdentitySpread};
use crate::verification::Curve;

/// Bins of a drawn distribution.
const DRAWN_BINS: usize = 200;
/// Rows of the table below a figure.
const TABLE_ROWS: usize = 60;
/// Points closer than this share of an axis' length are indistinguishable.
const RESOLUTION: f64 = 1.0 / 800.0;
/// Errors that a rate needs before its size means much (Doddington's rule of 30).
const RULE_OF_30: f64 = 30.0;

/// Both distributions in one chart; `tails` makes the y axis logarithmic.
pub(super) fn distributions(evaluation: &Evaluation, tails: bool) -> Result<Exhibit, ReportError> {
    let (metrics, bins) = (&evaluation.metrics, rebin(&evaluation.histograms, DRAWN_BINS));
    let outlines = Outlines::of(&bins, if tails { 1.0 } else { 100.0 });
    let y = if tails {
        ChartAxis::share("share of pairs per 0.01 of cosine", outlines.lowest(), outlines.highest())
    } else {
        ChartAxis::from_zero("% of pairs per 0.01 of cosine", outlines.highest(), 1.05)
    };
    let layers = outlines.layers(Some(metrics.eer_threshold));
    let mut legend = vec![
        Legend::line(Style::Genuine, counted(metrics.pairs.genuine, "genuine pair", "genuine pairs")),
        Legend::line(Style::Impostor, counted(metrics.pairs.impostor, "impostor pair", "impostor pairs")),
    ];
    if metrics.eer_threshold.is_finite() {
        let threshold = Quantity::Cosine.value(metrics.eer_threshold);
        legend.push(Legend::line(Style::Reference, format!("threshold of the equal error rate, {threshold}")));
    }
    let (title, caption) = if tails {
        (
            "Tails of the cosine distributions (logarithmic)",
            [
                "The same two curves on a logarithmic vertical axis, where each grid line is ten times the one below: the tails that cross the threshold become visible.",
                "Each step holds a dozen pairs or more, so steps are wide where pairs are rare. Pairs that share a face are not independent: a bump in a tail may be one face.",
            ],
        )
    } else {
        (
            "Cosines of genuine and impostor pairs",
            [
                "Each curve is the share of its pairs by cosine; the two areas are equal. The further apart the curves, the better the embeddings tell people apart. Pairs at or to the right of the dotted threshold match.",
                "Rare pairs are invisible at this scale, and they decide the error rates below: see the tails.",
            ],
        )
    };
    Exhibit::figure(title, &Chart { x: cosines(&bins), y, layers }, legend, caption, bin_table(&evaluation.histograms))
}

/// The outlines of genuine and impostor pairs.
pub(super) struct Outlines {
    genuine: Vec<(f64, f64)>,
    impostor: Vec<(f64, f64)>,
}

impl Outlines {
    /// As [`outline`], with heights multiplied by `scale`.
    pub fn of(bins: &[Bin], scale: f64) -> Self {
        let scaled =
            |of: fn(&Bin) -> u64| outline(bins, of).into_iter().map(|(x, height)| (x, height * scale)).collect();
        Self { genuine: scaled(|bin| bin.genuine), impostor: scaled(|bin| bin.impostor) }
    }

    fn heights(&self) -> impl Iterator<Item = f64> {
        self.genuine.iter().chain(&self.impostor).map(|point| point.1).filter(|height| *height > 0.0)
    }

    /// The lowest height above 0, at most 0.01.
    pub fn lowest(&self) -> f64 {
        self.heights().fold(0.01, f64::min)
    }

    pub fn highest(&self) -> f64 {
        self.heights().fold(0.0, f64::max)
    }

    /// Both areas, the threshold if any, and both lines.
    pub fn layers(self, threshold: Option<f64>) -> Vec<ChartLayer> {
        let mut layers = vec![
            ChartLayer::Area(Style::Impostor, self.impostor.clone()),
            ChartLayer::Area(Style::Genuine, self.genuine.clone()),
        ];
        layers.extend(threshold.map(|threshold| ChartLayer::Vertical(Style::Reference, threshold)));
        layers.push(ChartLayer::Line(Style::Impostor, self.impostor));
        layers.push(ChartLayer::Line(Style::Genuine, self.genuine));
        layers
    }
}

/// The x axis that spans the bins.
pub(super) fn cosines(bins: &[Bin]) -> ChartAxis {
    let ends = bins.first().zip(bins.last());
    let (lower, upper) = ends.map_or((-1.0, 1.0), |(first, last)| (first.lower, last.upper));
    ChartAxis::linear("cosine similarity", lower, upper)
}

/// The bins from the first to the last that contain this kind of pair.
pub(super) fn occupied(bins: &[Bin], of: impl Fn(&Bin) -> u64) -> &[Bin] {
    let first = bins.iter().position(|bin| of(bin) > 0).unwrap_or(0);
    let end = bins.iter().rposition(|bin| of(bin) > 0).map_or(0, |last| last + 1);
    &bins[first..end]
}

/// Fewest pairs in a drawn bin, so that a single pair makes no spike; fewer where there are few pairs.
const FEWEST_IN_A_BIN: u64 = 12;

/// The stepped outline of one kind of pair: share per 0.01 of cosine. Bins with few pairs are merged with their neighbours:
/// a tail is drawn as wide as it is thin.
pub(super) fn outline(bins: &[Bin], of: impl Fn(&Bin) -> u64) -> Vec<(f64, f64)> {
    let bins = occupied(bins, &of);
    let all: u64 = bins.iter().map(&of).sum();
    let least = FEWEST_IN_A_BIN.min(all.div_ceil(8)).max(1);
    let mut steps: Vec<(f64, f64, u64)> = Vec::new();
    let (mut start, mut pairs) = (None, 0);
    for bin in bins {
        let lower = *start.get_or_insert(bin.lower);
        pairs += of(bin);
        if pairs >= least {
            steps.push((lower, bin.upper, pairs));
            (start, pairs) = (None, 0);
        }
    }
    if let (Some(last), Some(end)) = (steps.last_mut(), bins.last()) {
        (last.1, last.2) = (end.upper, last.2 + pairs);
    }
    let (Some(&(first, ..)), Some(&(_, last, _))) = (steps.first(), steps.last()) else { return Vec::new() };
    let points = steps.iter().flat_map(|&(lower, upper, pairs)| {
        let height = pairs as f64 / all as f64 * 0.01 / (upper - lower);
        [(lower, height), (upper, height)]
    });
    std::iter::once((first, 0.0)).chain(points).chain([(last, 0.0)]).collect()
}

fn bin_table(histograms: &Histograms) -> DataTable {
    let columns = ["cosine from", "#to", "#genuine", "#impostor"];
    let mut table = DataTable::new("Numbers: pairs by cosine", &columns);
    for bin in rebin(histograms, TABLE_ROWS) {
        let edge = |value| Quantity::Cosine.value(value);
        table.row([edge(bin.lower), edge(bin.upper), count(bin.genuine), count(bin.impostor)]);
    }
    table
}

/// One point of a [`Curve`].
#[derive(Debug, Clone, Copy)]
pub(super) struct DetPoint {
    threshold: f64,
    fmr: f64,
    fnmr: f64,
    lower: f64,
    upper: f64,
}

/// The finite points of a curve. A missing interval end is a NaN.
pub(super) fn det_points(curve: &Curve) -> Vec<DetPoint> {
    let bound = |of: &[f64], i: usize| of.get(i).copied().unwrap_or(f64::NAN);
    let points = curve.threshold.iter().zip(&curve.fmr).zip(&curve.fnmr).enumerate();
    points
        .map(|(i, ((&threshold, &fmr), &fnmr))| DetPoint {
            threshold,
            fmr,
            fnmr,
            lower: bound(&curve.fnmr_lower, i),
            upper: bound(&curve.fnmr_upper, i),
        })
        .filter(|point| point.fmr.is_finite() && point.fnmr.is_finite())
        .collect()
}

/// The axes of a DET chart, down to the rates that the pairs can resolve.
pub(super) fn det_axes(genuine: u64, impostor: u64) -> (ChartAxis, ChartAxis) {
    let floor = |pairs: u64| 1.0 / pairs.max(1) as f64;
    (
        ChartAxis::rate("false match rate (FMR)", floor(impostor)),
        ChartAxis::rate("false non-match rate (FNMR)", floor(genuine)),
    )
}

/// The DET line on its axes. A rate of zero, which a logarithmic axis cannot show, is placed on the axis' end.
pub(super) fn det_line(points: &[DetPoint], x: &ChartAxis, y: &ChartAxis) -> Vec<(f64, f64)> {
    visible(points, x, |point| y.at(point.fnmr)).iter().map(|point| (point.fmr, point.fnmr)).collect()
}

/// The points worth drawing: only the last of those on the x axis' lower end, then those that are distinguishable.
fn visible(points: &[DetPoint], x: &ChartAxis, y: impl Fn(&DetPoint) -> f64) -> Vec<DetPoint> {
    let first = points.iter().rposition(|point| point.fmr <= x.lower()).unwrap_or(0);
    let points = &points[first..];
    let places: Vec<_> = points.iter().map(|point| (x.at(point.fmr), y(point))).collect();
    thin(&places, RESOLUTION).into_iter().map(|i| points[i]).collect()
}

/// Detection error trade-off on logarithmic axes.
pub(super) fn det(evaluation: &Evaluation) -> Result<Exhibit, ReportError> {
    let metrics = &evaluation.metrics;
    let (x, y) = det_axes(metrics.pairs.genuine, metrics.pairs.impostor);
    let points = visible(&det_points(&evaluation.curve), &x, |point| y.at(point.fnmr));
    let lowest = x.lower().max(y.lower());
    let eer = metrics.eer.point;
    let mut layers = vec![
        ChartLayer::Band(Style::Value, points.iter().map(|p| (p.fmr, p.lower, p.upper)).collect()),
        ChartLayer::Line(Style::Grid, vec![(lowest, lowest), (1.0, 1.0)]),
        ChartLayer::Line(Style::Value, points.iter().map(|p| (p.fmr, p.fnmr)).collect()),
    ];
    let mut legend = vec![Legend::line(Style::Value, "FMR and FNMR, by threshold")];
    legend.push(Legend::band(Style::Value, interval_at_each_threshold(evaluation)));
    if eer > 0.0 {
        layers.push(ChartLayer::Marks(Style::Alarm, Mark::Ring, vec![(eer, eer)]));
        legend.push(Legend::mark(
            Style::Alarm,
            Mark::Ring,
            format!("equal error rate, {}", point(Quantity::Rate, &metrics.eer)),
        ));
    }
    limit_of_resolution(evaluation, &x, &mut layers, &mut legend);
    let caption = [
        "Lower left is better. Each point is one threshold: choose an FMR on the horizontal axis and read off the FNMR on the vertical axis. Each grid line is a factor of ten; on the pale diagonal both rates are equal.",
        "Logarithmic axes cannot show zero: where no error was seen, the line runs along the edge. Left of the dotted line, a rate rests on fewer than 30 false matches.",
    ];
    Exhibit::figure(
        "Detection error trade-off (DET)",
        &Chart { x, y, layers },
        legend,
        caption,
        curve_table(evaluation),
    )
}

/// True accept rate over FMR, which is on a logarithmic axis.
pub(super) fn roc(evaluation: &Evaluation) -> Result<Exhibit, ReportError> {
    let metrics = &evaluation.metrics;
    let (x, _) = det_axes(metrics.pairs.genuine, metrics.pairs.impostor);
    let all = det_points(&evaluation.curve);
    let on_axis = all.iter().filter(|point| point.fmr >= x.lower());
    let worst = on_axis.map(|point| point.fnmr.max(point.upper)).fold(0.0, f64::max);
    // A good curve would fill only the top tenth of a full axis; a bad one needs the full axis.
    let lower = if worst > 0.5 { 0.0 } else { (10.0 * (1.0 - worst) - 0.5).floor().max(0.0) * 10.0 };
    let y = ChartAxis::linear("true accept rate, %", lower, 100.0);
    let points = visible(&all, &x, |point| y.at(100.0 * (1.0 - point.fnmr)));
    let accepted = |fnmr: f64| 100.0 * (1.0 - fnmr);
    let marks: Vec<_> = metrics
        .operating_points
        .iter()
        .filter_map(|point| Some((point.fmr.as_ref()?.point, 100.0 * point.tar.as_ref()?.point)))
        .filter(|(fmr, _)| *fmr > 0.0)
        .collect();
    let mut layers = vec![
        ChartLayer::Band(Style::Value, points.iter().map(|p| (p.fmr, accepted(p.upper), accepted(p.lower))).collect()),
        ChartLayer::Line(Style::Value, points.iter().map(|p| (p.fmr, accepted(p.fnmr))).collect()),
        ChartLayer::Marks(Style::Alarm, Mark::Cross, marks.clone()),
    ];
    let mut legend = vec![
        Legend::line(Style::Value, "true accept rate, by threshold"),
        Legend::band(Style::Value, interval_at_each_threshold(evaluation)),
    ];
    if !marks.is_empty() {
        legend.push(Legend::mark(Style::Alarm, Mark::Cross, "operating points, as in the table of thresholds"));
    }
    limit_of_resolution(evaluation, &x, &mut layers, &mut legend);
    let caption = [
        "Upper left is better: the share of genuine pairs accepted against the share of impostor pairs accepted at the same threshold. The FMR axis is logarithmic because small rates are the useful ones.",
        "For a good curve, the vertical axis does not start at zero. The band covers the true rate at each threshold separately, not the whole curve at once.",
    ];
    let title = "Receiver operating characteristic (ROC)";
    Exhibit::figure(title, &Chart { x, y, layers }, legend, caption, curve_table(evaluation))
}

fn interval_at_each_threshold(evaluation: &Evaluation) -> String {
    format!("{:.0}% interval at each threshold", evaluation.metrics.eer.level * 100.0)
}

fn limit_of_resolution(evaluation: &Evaluation, x: &ChartAxis, layers: &mut Vec<ChartLayer>, legend: &mut Vec<Legend>) {
    let limit = RULE_OF_30 / evaluation.metrics.pairs.impostor.max(1) as f64;
    if limit < 1.0 && limit > x.lower() {
        layers.insert(0, ChartLayer::Vertical(Style::Reference, limit));
        legend.push(Legend::line(Style::Reference, "30 false matches"));
    }
}

fn curve_table(evaluation: &Evaluation) -> DataTable {
    let columns = ["threshold", "#false match rate", "#false non-match rate", "#lower", "#upper"];
    let mut table = DataTable::new("Numbers: error rates by threshold", &columns);
    let (x, y) = det_axes(evaluation.metrics.pairs.genuine, evaluation.metrics.pairs.impostor);
    let points = det_points(&evaluation.curve);
    let places: Vec<_> = points.iter().map(|point| (x.at(point.fmr), y.at(point.fnmr))).collect();
    let rate = |value: f64| maybe(value, Quantity::Rate);
    for point in thin(&places, 1.0 / 30.0).into_iter().map(|i| points[i]) {
        table.row([
            maybe(point.threshold, Quantity::Cosine),
            rate(point.fmr),
            rate(point.fnmr),
            rate(point.lower),
            rate(point.upper),
        ]);
    }
    table
}

/// An identity's margin: the mean cosine among its faces minus the highest cosine to another identity. `None` without
/// both.
pub(super) fn margin(identity: &IdentitySpread) -> Option<f64> {
    let margin = identity.genuine_mean? - f64::from(identity.impostor_max?);
    margin.is_finite().then_some(margin)
}

/// Each identity's mean cosine within against its highest cosine to another identity.
pub(super) fn identities(identities: &[IdentitySpread]) -> Result<Exhibit, ReportError> {
    let all: Vec<_> = identities
        .iter()
        .filter_map(|identity| Some((identity.genuine_mean?, f64::from(identity.impostor_max?), margin(identity)?)))
        .collect();
    let values = || all.iter().flat_map(|(mean, nearest, _)| [*mean, *nearest]);
    let (lower, upper) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let pad = (upper - lower).max(0.02) * 0.04;
    let x = ChartAxis::linear("mean cosine among an identity's faces", lower - pad, upper + pad);
    let y = ChartAxis::linear("highest cosine to another identity", lower - pad, upper + pad);
    let mut places = BTreeSet::new();
    let mut points = |close: bool| -> Vec<(f64, f64)> {
        let chosen = all.iter().filter(|(_, _, margin)| (*margin < 0.0) == close);
        let place = |value: f64, axis: &ChartAxis| (axis.at(value) * 250.0).round() as u32;
        chosen
            .map(|(mean, nearest, _)| (*mean, *nearest))
            .filter(|(mean, nearest)| places.insert((place(*mean, &x), place(*nearest, &y))))
            .collect()
    };
    // Points that deserve attention come first, so that they are the ones kept where points coincide.
    let close = points(true);
    let apart = points(false);
    let crowded = all.iter().filter(|(_, _, margin)| *margin < 0.0).count() as u64;
    let layers = vec![
        ChartLayer::Line(Style::Reference, vec![(lower - pad, lower - pad), (upper + pad, upper + pad)]),
        ChartLayer::Marks(Style::Value, Mark::Dot, apart),
        ChartLayer::Marks(Style::Alarm, Mark::Cross, close),
    ];
    let legend = vec![
        Legend::mark(
            Style::Value,
            Mark::Dot,
            format!("{} with a positive margin", counted(all.len() as u64 - crowded, "identity", "identities")),
        ),
        Legend::mark(
            Style::Alarm,
            Mark::Cross,
            format!("{} closer to another identity", counted(crowded, "identity", "identities")),
        ),
        Legend::line(Style::Reference, "as close to another identity as to itself"),
    ];
    let mut table = DataTable::new(
        "Numbers: identities by quantile",
        &["quantile", "#mean cosine within", "#highest to another", "#margin"],
    );
    if !all.is_empty() {
        let sorted = |of: fn(&(f64, f64, f64)) -> f64| {
            let mut values: Vec<_> = all.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let columns = [sorted(|v| v.0), sorted(|v| v.1), sorted(|v| v.2)];
        for level in [0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0] {
            let at = |values: &Vec<f64>| {
                Quantity::Cosine.value(values[(level * (values.len() - 1) as f64).round() as usize])
            };
            let [within, highest, spare] = [at(&columns[0]), at(&columns[1]), at(&columns[2])];
            table.row([format!("{:.0}%", level * 100.0), within, highest, spare]);
        }
    }
    let hidden = identities.len() - all.len();
    let limits = format!(
        "Identities with more faces are higher up, and a mislabelled face puts its identity near the top. {}",
        match hidden {
            0 => "Coinciding dots are drawn once.".to_owned(),
            _ => format!(
                "{} without both numbers (such as a single face) not shown.",
                counted(hidden as u64, "identity", "identities")
            ),
        }
    );
    let caption = [
        "One mark per identity. Horizontal: how similar its own faces are. Vertical: how similar the most similar face of another identity is. Crosses are closer to another identity than to themselves.",
        limits.as_str(),
    ];
    Exhibit::figure("Identities: cosines within and to others", &Chart { x, y, layers }, legend, caption, table)
}

/// Consecutive chunks of one session, merged.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    first: u32,
    last: u32,
    session: u32,
    faces: u64,
    seconds: f64,
}

impl Stretch {
    fn speed(&self) -> Option<f64> {
        let speed = self.faces as f64 / self.seconds;
        (self.seconds > 0.0 && speed.is_finite()).then_some(speed)
    }
}

/// Merges neighbouring chunks of one session, `group` at a time.
fn stretches(timeline: &[ChunkTiming], group: usize) -> Vec<Stretch> {
    let group = group.max(1);
    timeline
        .chunk_by(|a, b| a.session == b.session && a.chunk.checked_add(1) == Some(b.chunk))
        .flat_map(|same| same.chunks(group))
        .filter_map(|chunks| {
            let (first, last) = (chunks.first()?, chunks.last()?);
            Some(Stretch {
                first: first.chunk,
                last: last.chunk,
                session: first.session,
                faces: chunks.iter().fold(0, |sum, chunk| sum.saturating_add(chunk.faces)),
                seconds: chunks.iter().map(|chunk| chunk.seconds).sum(),
            })
        })
        .collect()
}

/// Embedding speed by chunk.
pub(super) fn throughput(timeline: &[ChunkTiming]) -> Result<Exhibit, ReportError> {
    let drawn = stretches(timeline, timeline.len().div_ceil(400));
    let fastest = drawn.iter().filter_map(Stretch::speed).fold(0.0, f64::max);
    let ends = drawn.iter().map(|s| s.first).min().zip(drawn.iter().map(|s| s.last).max());
    let (lower, upper) = ends.map_or((0.0, 1.0), |(first, last)| (f64::from(first), f64::from(last) + 1.0));
    let (x, y) = (ChartAxis::whole("chunk", lower, upper), ChartAxis::from_zero("faces per second", fastest, 1.15));
    let sessions: Vec<_> = drawn.chunk_by(|a, b| a.session == b.session).collect();
    let mut layers = Vec::new();
    for (i, session) in sessions.iter().enumerate().filter(|_| sessions.len() > 1) {
        if let (Some(first), Some(last)) = (session.first(), session.last()) {
            let (from, to) = (f64::from(first.first), f64::from(last.last) + 1.0);
            let number = u64::from(first.session) + 1;
            layers.push(ChartLayer::Stripe(from, to, format!("session {number}"), i % 2 == 1));
        }
    }
    for session in &sessions {
        let steps = session.iter().filter_map(|s| Some((s, s.speed()?)));
        let points = steps.flat_map(|(s, speed)| [(f64::from(s.first), speed), (f64::from(s.last) + 1.0, speed)]);
        layers.push(ChartLayer::Line(Style::Value, points.collect()));
    }
    let mut table =
        DataTable::new("Numbers: speed by chunk", &["chunks", "#session", "#faces", "#seconds", "#faces per second"]);
    for stretch in stretches(timeline, timeline.len().div_ceil(TABLE_ROWS)) {
        let name = match (stretch.first, stretch.last) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        };
        let seconds = if stretch.seconds.is_finite() { format!("{:.2}", stretch.seconds) } else { NONE.into() };
        table.row([
            name,
            (u64::from(stretch.session) + 1).to_string(),
            count(stretch.faces),
            seconds,
            or_dash(stretch.speed().map(|speed| format!("{speed:.1}"))),
        ]);
    }
    // With hundreds of short sessions, the figure shows all of them and the table only the first.
    let rows = table.rows.len();
    if rows > 4 * TABLE_ROWS {
        table.rows.truncate(4 * TABLE_ROWS);
        table.note = format!("The first {} of {rows} rows.", 4 * TABLE_ROWS);
    }
    let caption = [
        "Faces embedded per second, chunk by chunk in row order. A level line is a healthy run; a dip is a slow disk, large pictures or a busy machine. Stripes, if any, are sessions: each start or resume of the run.",
        "Wall-clock time: it includes reading, decoding, preprocessing, the network and the commit. The first chunk of a session includes its warm-up. It is the speed of this machine under the load it had, at the accuracy in this report.",
    ];
    Exhibit::figure("Embedding speed over the run", &Chart { x, y, layers }, Vec::new(), caption, table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(chunk: u32, session: u32, seconds: f64) -> ChunkTiming {
        ChunkTiming { chunk, faces: 10, seconds, session }
    }

    #[test]
    fn chunks_merge_within_a_session_only() {
        let timeline = [chunk(0, 0, 1.0), chunk(1, 0, 3.0), chunk(2, 1, 1.0), chunk(5, 1, 0.0)];
        let merged = stretches(&timeline, 10);
        let seen: Vec<_> = merged.iter().map(|s| (s.first, s.last, s.session, s.speed())).collect();
        assert_eq!(seen, [(0, 1, 0, Some(5.0)), (2, 2, 1, Some(10.0)), (5, 5, 1, None)]);
    }

    #[test]
    fn an_outline_encloses_all_pairs() {
        let bins = rebin(&Histograms { genuine: vec![0, 1, 3, 0], impostor: vec![1, 0, 0, 1] }, 4);
        let area: f64 =
            outline(&bins, |bin| bin.genuine).windows(2).map(|w| (w[1].0 - w[0].0) * w[0].1.max(w[1].1)).sum();
        assert!((area - 0.01).abs() < 1e-12, "{area}");
    }

    #[test]
    fn only_the_last_point_without_a_false_match_is_drawn() {
        let curve = Curve {
            threshold: vec![0.9, 0.8, 0.7, 0.6],
            fmr: vec![0.0, 0.0, 0.1, 1.0],
            fnmr: vec![1.0, 0.5, 0.2, 0.0],
            ..Curve::default()
        };
        let (x, y) = det_axes(10, 100);
        assert_eq!(det_line(&det_points(&curve), &x, &y), [(0.0, 0.5), (0.1, 0.2), (1.0, 0.0)]);
    }
}

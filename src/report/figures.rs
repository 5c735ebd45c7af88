//! The figures of a run: what is drawn, how to read it, what it does not show, and its numbers.

use std::collections::BTreeSet;

use super::axis::Axis;
use super::binning::{Bin, rebin, thin};
use super::page::{Block, Legend, Table};
use super::plots::{Chart, Layer, Mark, Role};
use super::words::{NONE, count, counted, maybe, point};
use super::{ChunkTiming, ReportError};
use crate::evaluate::Evaluation;
use crate::numbers::Quantity;
use crate::similarity::{Histograms, IdentitySpread};
use crate::verification::Curve;

/// Bins that a distribution is drawn with.
const DRAWN_BINS: usize = 200;
/// Rows of a folded table of numbers.
const TABLE_ROWS: usize = 60;
/// Two points nearer than this (of an axis' length) are one point for the eye.
const RESOLUTION: f64 = 1.0 / 800.0;
/// Errors that must stand behind a rate before its size means much (Doddington's rule of 30).
const RULE_OF_30: f64 = 30.0;

/// Both distributions on one pair of axes; `tails` makes the y axis logarithmic.
pub(super) fn distributions(evaluation: &Evaluation, tails: bool) -> Result<Block, ReportError> {
    let (metrics, bins) = (&evaluation.metrics, rebin(&evaluation.histograms, DRAWN_BINS));
    let genuine = outline(&bins, |bin| bin.genuine);
    let impostor = outline(&bins, |bin| bin.impostor);
    let heights = || genuine.iter().chain(&impostor).map(|point| point.1).filter(|height| *height > 0.0);
    let (least, most) = (heights().fold(0.01, f64::min), heights().fold(0.0, f64::max));
    let y = if tails {
        Axis::share("share of pairs per 0.01 of cosine", least, most)
    } else {
        Axis::linear("% of pairs per 0.01 of cosine", 0.0, if most > 0.0 { most * 105.0 } else { 1.0 })
    };
    let scale = |points: Vec<(f64, f64)>| -> Vec<_> {
        points.into_iter().map(|(x, height)| (x, if tails { height } else { height * 100.0 })).collect()
    };
    let (genuine, impostor) = (scale(genuine), scale(impostor));
    let layers = vec![
        Layer::Area(Role::Impostor, impostor.clone()),
        Layer::Area(Role::Genuine, genuine.clone()),
        Layer::Vertical(Role::Reference, metrics.eer_threshold),
        Layer::Line(Role::Impostor, impostor),
        Layer::Line(Role::Genuine, genuine),
    ];
    let mut legend = vec![
        Legend::line(Role::Genuine, format!("same identity, {}", counted(metrics.pairs.genuine, "pair", "pairs"))),
        Legend::line(
            Role::Impostor,
            format!("different identities, {}", counted(metrics.pairs.impostor, "pair", "pairs")),
        ),
    ];
    if metrics.eer_threshold.is_finite() {
        let threshold = Quantity::Cosine.value(metrics.eer_threshold);
        legend.push(Legend::line(Role::Reference, format!("threshold of the equal error rate, {threshold}")));
    }
    let words = if tails {
        [
            "The same two curves with a logarithmic height, where each line is ten times the one below it: the tails that cross the threshold become visible.",
            "The lowest steps are single pairs. Pairs that share a face are not independent, so a bump in a tail may be one face.",
        ]
    } else {
        [
            "Each curve is the share of its pairs by cosine; the two areas are equal. The further apart the curves, the better the embeddings tell people apart. At the dotted threshold, pairs to its right are called matches.",
            "Rare pairs are invisible at this height, and rare pairs decide the error rates below: see the tails.",
        ]
    };
    let title =
        if tails { "The tails: cosines on a logarithmic height" } else { "Cosines of same and different identities" };
    Block::figure(title, &Chart { x: cosines(&bins), y, layers }, legend, words, bin_table(&evaluation.histograms))
}

/// The x axis under some bins.
pub(super) fn cosines(bins: &[Bin]) -> Axis {
    let ends = bins.first().zip(bins.last());
    let (lower, upper) = ends.map_or((-1.0, 1.0), |(first, last)| (first.lower, last.upper));
    Axis::linear("cosine similarity", lower, upper)
}

/// The bins between the first and the last that hold this kind of pair.
pub(super) fn occupied(bins: &[Bin], of: impl Fn(&Bin) -> u64) -> &[Bin] {
    let first = bins.iter().position(|bin| of(bin) > 0).unwrap_or(0);
    let end = bins.iter().rposition(|bin| of(bin) > 0).map_or(0, |last| last + 1);
    &bins[first..end]
}

/// The stepped outline of one kind of pair: share per 0.01 of cosine.
pub(super) fn outline(bins: &[Bin], of: impl Fn(&Bin) -> u64) -> Vec<(f64, f64)> {
    let bins = occupied(bins, &of);
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return Vec::new() };
    let all: f64 = bins.iter().map(|bin| of(bin) as f64).sum();
    let steps = bins.iter().flat_map(|bin| {
        let height = of(bin) as f64 / all * 0.01 / (bin.upper - bin.lower);
        [(bin.lower, height), (bin.upper, height)]
    });
    std::iter::once((first.lower, 0.0)).chain(steps).chain([(last.upper, 0.0)]).collect()
}

fn bin_table(histograms: &Histograms) -> Table {
    let columns = ["cosine from", "#to", "#same identity", "#different identities"];
    let mut table = Table::new("Numbers: pairs by cosine", &columns);
    for bin in rebin(histograms, TABLE_ROWS) {
        let edge = |value| Quantity::Cosine.value(value);
        table.row([edge(bin.lower), edge(bin.upper), count(bin.genuine), count(bin.impostor)]);
    }
    table
}

/// One point of a [`Curve`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    threshold: f64,
    fmr: f64,
    fnmr: f64,
    lower: f64,
    upper: f64,
}

/// The points of a curve that are numbers. A missing interval is a NaN.
pub(super) fn rates(curve: &Curve) -> Vec<Rates> {
    let bound = |of: &[f64], i: usize| of.get(i).copied().unwrap_or(f64::NAN);
    let points = curve.threshold.iter().zip(&curve.fmr).zip(&curve.fnmr).enumerate();
    points
        .map(|(i, ((&threshold, &fmr), &fnmr))| Rates {
            threshold,
            fmr,
            fnmr,
            lower: bound(&curve.fnmr_lower, i),
            upper: bound(&curve.fnmr_upper, i),
        })
        .filter(|point| point.fmr.is_finite() && point.fnmr.is_finite())
        .collect()
}

/// The axes of a DET chart: as deep as the pairs can resolve.
pub(super) fn det_axes(genuine: u64, impostor: u64) -> (Axis, Axis) {
    let floor = |pairs: u64| 1.0 / pairs.max(1) as f64;
    (
        Axis::rate("false match rate: strangers taken for one person", floor(impostor)),
        Axis::rate("false non-match rate: one person missed", floor(genuine)),
    )
}

/// The DET line on its axes. A rate of zero has no place on a logarithmic axis: it lies on the axis' end.
pub(super) fn det_line(points: &[Rates], x: &Axis, y: &Axis) -> Vec<(f64, f64)> {
    seen(points, x, |point| y.at(point.fnmr)).iter().map(|point| (point.fmr, point.fnmr)).collect()
}

/// The points worth drawing: of all on the x axis' lower end only the last, then what the eye can tell apart.
fn seen(points: &[Rates], x: &Axis, y: impl Fn(&Rates) -> f64) -> Vec<Rates> {
    let first = points.iter().rposition(|point| point.fmr <= x.lower()).unwrap_or(0);
    let points = &points[first..];
    let places: Vec<_> = points.iter().map(|point| (x.at(point.fmr), y(point))).collect();
    thin(&places, RESOLUTION).into_iter().map(|i| points[i]).collect()
}

/// Detection error trade-off on logarithmic axes.
pub(super) fn det(evaluation: &Evaluation) -> Result<Block, ReportError> {
    let metrics = &evaluation.metrics;
    let (x, y) = det_axes(metrics.pairs.genuine, metrics.pairs.impostor);
    let points = seen(&rates(&evaluation.curve), &x, |point| y.at(point.fnmr));
    let lowest = x.lower().max(y.lower());
    let eer = metrics.eer.point;
    let mut layers = vec![
        Layer::Band(Role::Value, points.iter().map(|p| (p.fmr, p.lower, p.upper)).collect()),
        Layer::Line(Role::Grid, vec![(lowest, lowest), (1.0, 1.0)]),
        Layer::Line(Role::Value, points.iter().map(|p| (p.fmr, p.fnmr)).collect()),
    ];
    let mut legend = vec![Legend::line(Role::Value, "both error rates, by threshold")];
    legend.push(Legend::band(Role::Value, interval(evaluation)));
    if eer > 0.0 {
        layers.push(Layer::Marks(Role::Alarm, Mark::Ring, vec![(eer, eer)]));
        legend.push(Legend::mark(
            Role::Alarm,
            Mark::Ring,
            format!("equal error rate, {}", point(Quantity::Rate, &metrics.eer)),
        ));
    }
    limit_of_resolution(evaluation, &x, &mut layers, &mut legend);
    let words = [
        "Down and left is better. Each point is one threshold: choose how many strangers may pass (across), read how often a person is missed (up). Each grid line is a factor of ten; on the pale diagonal both rates are equal.",
        "A rate of zero has no place here: where no error was seen, the line runs along the lower edge. Left of the dotted line a rate rests on fewer than 30 false matches.",
    ];
    Block::figure(
        "Error rates against each other (DET)",
        &Chart { x, y, layers },
        legend,
        words,
        curve_table(evaluation),
    )
}

/// True accept rate over a logarithmic false match rate.
pub(super) fn roc(evaluation: &Evaluation) -> Result<Block, ReportError> {
    let metrics = &evaluation.metrics;
    let (x, _) = det_axes(metrics.pairs.genuine, metrics.pairs.impostor);
    let all = rates(&evaluation.curve);
    let on_axis = all.iter().filter(|point| point.fmr >= x.lower());
    let worst = on_axis.map(|point| point.fnmr.max(point.upper)).fold(0.0, f64::max);
    // A good curve lies in the top tenth of a full axis; a bad one needs all of it.
    let lower = if worst > 0.5 { 0.0 } else { (10.0 * (1.0 - worst) - 0.5).floor().max(0.0) * 10.0 };
    let y = Axis::linear("true accept rate, %", lower, 100.0);
    let points = seen(&all, &x, |point| y.at(100.0 * (1.0 - point.fnmr)));
    let accepted = |fnmr: f64| 100.0 * (1.0 - fnmr);
    let marks: Vec<_> = metrics
        .operating_points
        .iter()
        .filter_map(|point| Some((point.fmr.as_ref()?.point, 100.0 * point.tar.as_ref()?.point)))
        .filter(|(fmr, _)| *fmr > 0.0)
        .collect();
    let mut layers = vec![
        Layer::Band(Role::Value, points.iter().map(|p| (p.fmr, accepted(p.upper), accepted(p.lower))).collect()),
        Layer::Line(Role::Value, points.iter().map(|p| (p.fmr, accepted(p.fnmr))).collect()),
        Layer::Marks(Role::Alarm, Mark::Cross, marks.clone()),
    ];
    let mut legend = vec![
        Legend::line(Role::Value, "true accept rate, by threshold"),
        Legend::band(Role::Value, interval(evaluation)),
    ];
    if !marks.is_empty() {
        legend.push(Legend::mark(Role::Alarm, Mark::Cross, "operating points of the table below"));
    }
    limit_of_resolution(evaluation, &x, &mut layers, &mut legend);
    let words = [
        "Up and left is better: the share of same-identity pairs that are accepted, by the share of different-identity pairs that are accepted with them. The rate of false matches is logarithmic, because its small values are the useful ones.",
        "The height of the figure starts where the curve does, not at zero, when the curve is good. The band holds the true rate at each threshold taken alone, not the whole curve at once.",
    ];
    let title = "True accepts by false matches (ROC)";
    Block::figure(title, &Chart { x, y, layers }, legend, words, curve_table(evaluation))
}

fn interval(evaluation: &Evaluation) -> String {
    format!("{:.0}% interval at each threshold", evaluation.metrics.eer.level * 100.0)
}

fn limit_of_resolution(evaluation: &Evaluation, x: &Axis, layers: &mut Vec<Layer>, legend: &mut Vec<Legend>) {
    let limit = RULE_OF_30 / evaluation.metrics.pairs.impostor.max(1) as f64;
    if limit < 1.0 && limit > x.lower() {
        layers.insert(0, Layer::Vertical(Role::Reference, limit));
        legend.push(Legend::line(Role::Reference, "30 false matches"));
    }
}

fn curve_table(evaluation: &Evaluation) -> Table {
    let columns = ["threshold", "#false match rate", "#false non-match rate", "#lower", "#upper"];
    let mut table = Table::new("Numbers: error rates by threshold", &columns);
    let (x, y) = det_axes(evaluation.metrics.pairs.genuine, evaluation.metrics.pairs.impostor);
    let points = rates(&evaluation.curve);
    let places: Vec<_> = points.iter().map(|point| (x.at(point.fmr), y.at(point.fnmr))).collect();
    let rate = |value| maybe(Some(value), Quantity::Rate);
    for point in thin(&places, 1.0 / 30.0).into_iter().map(|i| points[i]) {
        table.row([
            maybe(Some(point.threshold), Quantity::Cosine),
            rate(point.fmr),
            rate(point.fnmr),
            rate(point.lower),
            rate(point.upper),
        ]);
    }
    table
}

/// What an identity has to spare: its faces' mean cosine less the nearest stranger's. `None` without both.
pub(super) fn margin(identity: &IdentitySpread) -> Option<f64> {
    let margin = identity.genuine_mean? - f64::from(identity.impostor_max?);
    margin.is_finite().then_some(margin)
}

/// Each identity's cohesion against its nearest stranger.
pub(super) fn identities(identities: &[IdentitySpread]) -> Result<Block, ReportError> {
    let all: Vec<_> = identities
        .iter()
        .filter_map(|identity| Some((identity.genuine_mean?, f64::from(identity.impostor_max?), margin(identity)?)))
        .collect();
    let values = || all.iter().flat_map(|(mean, nearest, _)| [*mean, *nearest]);
    let (lower, upper) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let pad = (upper - lower).max(0.02) * 0.04;
    let x = Axis::linear("mean cosine among an identity's faces", lower - pad, upper + pad);
    let y = Axis::linear("highest cosine to another identity", lower - pad, upper + pad);
    let mut places = BTreeSet::new();
    let mut points = |close: bool| -> Vec<(f64, f64)> {
        let chosen = all.iter().filter(|(_, _, margin)| (*margin < 0.0) == close);
        let place = |value: f64, axis: &Axis| (axis.at(value) * 250.0).round() as u32;
        chosen
            .map(|(mean, nearest, _)| (*mean, *nearest))
            .filter(|(mean, nearest)| places.insert((place(*mean, &x), place(*nearest, &y))))
            .collect()
    };
    // First the ones that deserve a look: they keep their place.
    let close = points(true);
    let apart = points(false);
    let crowded = all.iter().filter(|(_, _, margin)| *margin < 0.0).count() as u64;
    let layers = vec![
        Layer::Line(Role::Reference, vec![(lower - pad, lower - pad), (upper + pad, upper + pad)]),
        Layer::Marks(Role::Value, Mark::Dot, apart),
        Layer::Marks(Role::Alarm, Mark::Cross, close),
    ];
    let legend = vec![
        Legend::mark(
            Role::Value,
            Mark::Dot,
            format!("{} with room to spare", counted(all.len() as u64 - crowded, "identity", "identities")),
        ),
        Legend::mark(
            Role::Alarm,
            Mark::Cross,
            format!("{} closer to a stranger", counted(crowded, "identity", "identities")),
        ),
        Legend::line(Role::Reference, "as close to a stranger as to itself"),
    ];
    let mut table = Table::new(
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
        "The nearest stranger is the highest of many cosines, so identities with more faces lie higher, and a mislabelled face puts its identity near the top. {}",
        match hidden {
            0 => "All identities are shown; dots that fall together are drawn once.".to_owned(),
            _ => format!(
                "{} without both numbers (a single face) not shown.",
                counted(hidden as u64, "identity", "identities")
            ),
        }
    );
    let words = [
        "One mark an identity. Across: how alike its own faces are. Up: how alike the most similar face of anyone else is. Below the dotted line a person is closer to themselves than to any stranger; crosses lie above it.",
        limits.as_str(),
    ];
    Block::figure("Identities: within against without", &Chart { x, y, layers }, legend, words, table)
}

/// Consecutive chunks of one session, taken together.
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

/// Embedding speed along the manifest.
pub(super) fn throughput(timeline: &[ChunkTiming]) -> Result<Block, ReportError> {
    let drawn = stretches(timeline, timeline.len().div_ceil(400));
    let fastest = drawn.iter().filter_map(Stretch::speed).fold(0.0, f64::max);
    let ends = drawn.iter().map(|s| s.first).min().zip(drawn.iter().map(|s| s.last).max());
    let (lower, upper) = ends.map_or((0.0, 1.0), |(first, last)| (f64::from(first), f64::from(last) + 1.0));
    let (x, y) = (
        Axis::whole("chunk", lower, upper),
        Axis::linear("faces per second", 0.0, if fastest > 0.0 { fastest * 1.15 } else { 1.0 }),
    );
    let sessions: Vec<_> = drawn.chunk_by(|a, b| a.session == b.session).collect();
    let mut layers = Vec::new();
    for (i, session) in sessions.iter().enumerate().filter(|_| sessions.len() > 1) {
        if let (Some(first), Some(last)) = (session.first(), session.last()) {
            let (from, to) = (f64::from(first.first), f64::from(last.last) + 1.0);
            let number = u64::from(first.session) + 1;
            layers.push(Layer::Stripe(from, to, format!("session {number}"), i % 2 == 1));
        }
    }
    for session in &sessions {
        let steps = session.iter().filter_map(|s| Some((s, s.speed()?)));
        let points = steps.flat_map(|(s, speed)| [(f64::from(s.first), speed), (f64::from(s.last) + 1.0, speed)]);
        layers.push(Layer::Line(Role::Value, points.collect()));
    }
    let mut table =
        Table::new("Numbers: speed by chunk", &["chunks", "#session", "#faces", "#seconds", "#faces per second"]);
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
            stretch.speed().map_or_else(|| NONE.into(), |speed| format!("{speed:.1}")),
        ]);
    }
    // Hundreds of short sessions: the figure shows them all, the table the beginning.
    let rows = table.rows.len();
    if rows > 4 * TABLE_ROWS {
        table.rows.truncate(4 * TABLE_ROWS);
        table.note = format!("The first {} of {rows} rows.", 4 * TABLE_ROWS);
    }
    let words = [
        "Faces embedded per second, chunk by chunk in row order. A level line is a healthy run; a dip is a slow disk, large pictures or a busy machine. Stripes, where there are any, are sessions: each start or resume of the run.",
        "Wall-clock time: it holds reading, decoding, preprocessing, the network and the commit, not the network alone. The first chunk of a session holds its warm-up. It is the speed of this machine under the load it had, at the accuracy that this report shows.",
    ];
    Block::figure("Embedding speed over the run", &Chart { x, y, layers }, Vec::new(), words, table)
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
        assert_eq!(det_line(&rates(&curve), &x, &y), [(0.0, 0.5), (0.1, 0.2), (1.0, 0.0)]);
    }
}

//! The comparison of several runs: differences in plan and provenance come before the numbers.

use super::axis::ChartAxis;
use super::binning::{Bin, rebin};
use super::figures::{cosines, det_axes, det_line, det_points, occupied, outline};
use super::page::{Banner, DataTable, Exhibit, Legend, Page, Section, TableCell};
use super::plots::{Chart, ChartLayer, Style};
use super::words::{
    GENUINE_AND_IMPOSTOR, count, maybe, or_dash, personal_data, run_number, sentence, value_and_interval,
};
use super::{ReportError, paired, thresholds};
use crate::compare::{Difference, HeadlineMetric, RunComparison, RunSummary, Tone};
use crate::numbers::Quantity::{Cosine, Rate};
use crate::similarity::Histograms;
use crate::verification::Curve;

/// Bins of a drawn distribution.
const DRAWN_BINS: usize = 160;

pub(super) fn page(comparison: &RunComparison) -> Result<Page, ReportError> {
    let mut sections = vec![verdicts(comparison)];
    sections.extend(comparison.gate.as_ref().map(paired::gate));
    if let Some(found) = &comparison.paired {
        sections.extend([
            runs(comparison),
            thresholds::section(comparison, &found.thresholds),
            paired::effects(comparison, found)?,
            differences(comparison),
            distributions(comparison)?,
            errors(comparison)?,
            paired::embeddings(found),
            paired::ranking(comparison, found),
            paired::speed(comparison),
            metrics(comparison),
        ]);
    } else {
        sections.extend([
            runs(comparison),
            differences(comparison),
            metrics(comparison),
            distributions(comparison)?,
            errors(comparison)?,
            paired::speed(comparison),
        ]);
    }
    let faces = comparison.paired.as_ref().is_some_and(paired::lists_faces).then(|| personal_data("ids of faces"));
    Ok(Page {
        kind: "FaceVault run comparison",
        title: comparison.runs.join(" vs "),
        cautions: comparison.left_out_lines().map(|line| sentence(&line)).collect(),
        verdict: banner(comparison),
        sections,
        footer: faces.into_iter().chain(["The same runs render to the same bytes.".into()]).collect(),
        ..Page::default()
    })
}

/// What the comparison comes to.
fn banner(comparison: &RunComparison) -> Banner {
    let Some(verdict) = &comparison.verdict else { return Banner::neutral(sentence(&comparison.headline)) };
    let text = sentence(&verdict.text);
    match verdict.tone {
        Tone::Good => Banner::good(text),
        Tone::Neutral => Banner::neutral(text),
        Tone::Bad => Banner::bad(text),
    }
}

/// What differs, on how much the runs are compared, and what each of several comes to.
fn verdicts(comparison: &RunComparison) -> Section {
    let several = comparison.verdict.iter().flat_map(|verdict| verdict.lines().into_iter().skip(1));
    Section::new("verdict", "In short")
        .texts(several.map(|line| sentence(&line)))
        .text(sentence(&comparison.headline))
        .texts(comparison.basis().iter().map(|line| sentence(line)))
}

/// A run's histograms: of the pairs that all runs share, otherwise of its own pairs.
fn histograms(comparison: &RunComparison, run: usize) -> &Histograms {
    let shared = comparison.paired.as_ref().map(|paired| &paired.histograms[run]);
    shared.unwrap_or(&comparison.summaries[run].evaluation.histograms)
}

/// A run's curve, of the same pairs as [`histograms`].
fn curve(comparison: &RunComparison, run: usize) -> &Curve {
    let shared = comparison.paired.as_ref().map(|paired| &paired.curves[run]);
    shared.unwrap_or(&comparison.summaries[run].evaluation.curve)
}

fn legend(comparison: &RunComparison) -> Vec<Legend> {
    let runs = comparison.runs.iter().enumerate();
    runs.map(|(i, run)| Legend::line(Style::nth(i), format!("{} {run}", run_number(i)))).collect()
}

fn runs(comparison: &RunComparison) -> Section {
    let columns = ["run", "name", "#faces", "#identities", "#genuine pairs", "#impostor pairs"];
    let mut table = DataTable::new("Runs", &columns);
    for (i, run) in comparison.summaries.iter().enumerate() {
        let metrics = &run.evaluation.metrics;
        table.row([
            run_number(i),
            comparison.runs[i].clone(),
            count(metrics.faces.embedded),
            count(metrics.faces.identities),
            count(metrics.pairs.genuine),
            count(metrics.pairs.impostor),
        ]);
    }
    Section::new("runs", "Runs").with(table.stacked())
}

fn differences(comparison: &RunComparison) -> Section {
    let table = |caption: &str, found: &[Difference], parts: bool| {
        let mut table = DataTable::new(caption, if parts { &["key", "kind of difference"] } else { &["key"] });
        for i in 0..comparison.runs.len() {
            table.column(&run_number(i));
        }
        for difference in found {
            let part = parts.then(|| difference.part.name().to_owned());
            table.row(std::iter::once(difference.key.clone()).chain(part).chain(difference.shown()));
        }
        table.stacked()
    };
    let (plan, provenance) = (&comparison.plan, &comparison.provenance);
    Section::new("differences", "Differences")
        .texts(plan.is_empty().then(|| "The plans are identical.".to_owned()))
        .texts(comparison.arithmetic_sentence().map(|text| sentence(&text)))
        .texts(provenance.is_empty().then(|| "Provenance is identical except for times.".to_owned()))
        .with(table("In the plan", plan, true))
        .with(table("In provenance", provenance, false))
}

fn metrics(comparison: &RunComparison) -> Section {
    let mut table = DataTable::new("Metrics", &["metric", "run", "#value", "#minus [1]"]).stacked();
    for row in &comparison.metrics {
        for (i, value) in row.values.iter().enumerate() {
            let shown = match (&value.estimate, row.quantity, value.count) {
                (Some(estimate), Some(kind), _) => TableCell::estimate(kind, estimate),
                (_, _, n) => or_dash(n.map(count)).into(),
            };
            let clear = if value.apart == Some(true) { " *" } else { "" };
            table.row([row.name.as_str().into(), run_number(i).into(), shown, (row.difference(i) + clear).into()]);
        }
    }
    table.note = "pp: percentage points. * the two intervals do not overlap. Overlapping intervals do not show that two runs are equal: with shared faces, they are wider than the interval of the difference.".into();
    if comparison.paired.is_none() {
        return Section::new("metrics", "Metrics").with(table);
    }
    Section::new("metrics", "Metrics of each run on its own")
        .text("As stored by each run, on its own faces and pairs; each interval is for one run alone.")
        .with(table.folded())
}

fn distributions(comparison: &RunComparison) -> Result<Section, ReportError> {
    Ok(Section::new("distributions", "Genuine and impostor pairs")
        .text(GENUINE_AND_IMPOSTOR)
        .with(overlay(comparison, "Cosines of genuine pairs", |bin| bin.genuine)?)
        .with(overlay(comparison, "Cosines of impostor pairs", |bin| bin.impostor)?))
}

/// Genuine or impostor pairs of all runs.
fn overlay(comparison: &RunComparison, title: &str, of: fn(&Bin) -> u64) -> Result<Exhibit, ReportError> {
    let bins: Vec<_> = (0..comparison.runs.len()).map(|run| rebin(histograms(comparison, run), DRAWN_BINS)).collect();
    // The axis spans these pairs alone: the other kind would squeeze it.
    let ends: Vec<Bin> = {
        let all = || bins.iter().flat_map(|bins| occupied(bins, of)).copied();
        let first = all().min_by(|a, b| a.lower.total_cmp(&b.lower));
        first.into_iter().chain(all().max_by(|a, b| a.upper.total_cmp(&b.upper))).collect()
    };
    let outlines: Vec<_> = bins
        .iter()
        .map(|bins| outline(bins, of).into_iter().map(|(x, share)| (x, share * 100.0)).collect::<Vec<_>>())
        .collect();
    let most = outlines.iter().flatten().map(|point| point.1).fold(0.0, f64::max);
    let chart = Chart {
        x: cosines(&ends),
        y: ChartAxis::from_zero("% of pairs per 0.01 of cosine", most, 1.05),
        layers: outlines.into_iter().enumerate().map(|(i, points)| ChartLayer::Line(Style::nth(i), points)).collect(),
    };
    let mut table = DataTable::new("Numbers: share of pairs by cosine", &["cosine from", "#to"]);
    let coarse: Vec<_> = (0..comparison.runs.len()).map(|run| shares(histograms(comparison, run), of)).collect();
    for i in 0..comparison.runs.len() {
        table.column(&format!("#{}", run_number(i)));
    }
    for row in 0..TENTHS {
        if coarse.iter().any(|shares| shares[row] > 0.0) {
            let edge = |i: usize| Cosine.value((i as f64 - 10.0) / 10.0).replace("000", "");
            let cells = [edge(row), edge(row + 1)].into_iter();
            table.row(cells.chain(coarse.iter().map(|shares| Rate.value(shares[row]))));
        }
    }
    let caption = [
        "One line per run; each encloses the same area. A run is better when its genuine pairs lie further right and its impostor pairs are narrower around zero.",
        "Lines that look alike can still differ in their tails, which decide the error rates.",
    ];
    Exhibit::figure(title, &chart, legend(comparison), caption, table.stacked())
}

/// Bins of width 0.1 over [−1, 1].
const TENTHS: usize = 20;

/// Share of pairs in each tenth of cosine.
fn shares(histograms: &Histograms, of: fn(&Bin) -> u64) -> [f64; TENTHS] {
    let mut shares = [0.0; TENTHS];
    let bins = rebin(histograms, usize::MAX);
    let all: f64 = bins.iter().map(|bin| of(bin) as f64).sum();
    for bin in bins.iter().filter(|bin| of(bin) > 0) {
        let middle = f64::midpoint(bin.lower, bin.upper);
        let tenth = ((middle + 1.0) * 10.0).floor().clamp(0.0, (TENTHS - 1) as f64);
        shares[tenth as usize] += of(bin) as f64 / all;
    }
    shares
}

fn errors(comparison: &RunComparison) -> Result<Section, ReportError> {
    let most = |of: fn(&RunSummary) -> u64| comparison.summaries.iter().map(of).max().unwrap_or(1);
    let (x, y) =
        det_axes(most(|run| run.evaluation.metrics.pairs.genuine), most(|run| run.evaluation.metrics.pairs.impostor));
    let mut table =
        DataTable::new("Numbers: equal error rates", &["run", "#threshold", "#equal error rate", "#interval"]);
    for (i, run) in comparison.summaries.iter().enumerate() {
        let metrics = &run.evaluation.metrics;
        let shared = comparison.paired.as_ref().and_then(|paired| {
            let row = paired.metrics.iter().find(|row| row.metric == HeadlineMetric::Eer)?;
            Some((row.values[i].as_ref()?, paired.eer_thresholds[i]))
        });
        let (eer, threshold) = shared.unwrap_or((&metrics.eer, metrics.eer_threshold));
        let [eer, interval] = value_and_interval(Rate, eer);
        table.row([format!("{} {}", run_number(i), run.run_id), maybe(threshold, Cosine), eer, interval]);
    }
    let line = |run: usize| det_line(&det_points(curve(comparison, run)), &x, &y);
    let layers = (0..comparison.runs.len()).map(|run| ChartLayer::Line(Style::nth(run), line(run))).collect();
    let caption = [
        "Lower left is better: at the same false match rate, the lower line misses fewer genuine pairs. Each grid line is a factor of ten.",
        "Interval bands are omitted because they would hide each other; the intervals are in the table of metrics. Where lines cross, different runs are better at different thresholds. The lowest rates rest on a handful of pairs.",
    ];
    let chart = Chart { x, y, layers };
    let figure =
        Exhibit::figure("Detection error trade-off (DET)", &chart, legend(comparison), caption, table.stacked())?;
    Ok(Section::new("errors", "Error rates").with(figure))
}

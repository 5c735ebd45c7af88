//! The page that holds several runs against each other: what differs in what they are comes before the numbers.

use super::ReportError;
use super::axis::Axis;
use super::binning::{Bin, rebin};
use super::figures::{cosines, det_axes, det_line, occupied, outline, rates};
use super::page::{Block, Cell, Legend, Page, Section, Table, Verdict};
use super::paired;
use super::plots::{Chart, Layer, Role};
use super::words::{NONE, count, maybe, point};
use crate::compare::{Difference, HeadlineMetric, RunComparison, RunSummary};
use crate::numbers::Quantity;
use crate::similarity::Histograms;
use crate::verification::Curve;

/// Bins that a distribution is drawn with.
const DRAWN_BINS: usize = 160;

/// The whole page.
pub(super) fn page(comparison: &RunComparison) -> Result<Page, ReportError> {
    let (tone, sign) = if comparison.comparable { ("good", "✓") } else { ("bad", "✗") };
    let mut headline = comparison.headline.chars();
    let text = headline.next().map_or_else(String::new, |first| first.to_uppercase().chain(headline).collect());
    Ok(Page {
        kind: "FaceVault: runs compared".into(),
        title: comparison.runs.join(" vs "),
        description: String::new(),
        cautions: Vec::new(),
        verdict: Verdict { tone, sign, text: text + "." },
        tiles: Vec::new(),
        sections: sections(comparison)?,
        footer: vec!["One file, no script, nothing loaded from elsewhere. The same runs give the same bytes.".into()],
    })
}

fn sections(comparison: &RunComparison) -> Result<Vec<Section>, ReportError> {
    let mut sections = vec![runs(comparison), differences(comparison)];
    sections.extend(comparison.gate.as_ref().map(paired::gate));
    match &comparison.paired {
        None => sections.push(metrics(comparison)),
        Some(found) => sections.push(paired::effects(comparison, found)?),
    }
    sections.extend([distributions(comparison)?, errors(comparison)?]);
    if let Some(found) = &comparison.paired {
        sections.extend([paired::embeddings(comparison, found), paired::ranking(comparison, found)]);
    }
    if comparison.speed.iter().any(Option::is_some) {
        sections.push(paired::speed(comparison));
    }
    if comparison.paired.is_some() {
        sections.push(metrics(comparison));
    }
    Ok(sections)
}

/// A run's histograms: of the pairs that all runs share, or of its own.
fn histograms(comparison: &RunComparison, run: usize) -> &Histograms {
    let shared = comparison.paired.as_ref().map(|paired| &paired.histograms[run]);
    shared.unwrap_or(&comparison.summaries[run].evaluation.histograms)
}

/// A run's curve, of the same pairs.
fn curve(comparison: &RunComparison, run: usize) -> &Curve {
    let shared = comparison.paired.as_ref().map(|paired| &paired.curves[run]);
    shared.unwrap_or(&comparison.summaries[run].evaluation.curve)
}

fn role(run: usize) -> Role {
    Role::Run((run % 30) as u8)
}

fn legend(comparison: &RunComparison) -> Vec<Legend> {
    comparison.runs.iter().enumerate().map(|(i, run)| Legend::line(role(i), format!("[{}] {run}", i + 1))).collect()
}

fn runs(comparison: &RunComparison) -> Section {
    let mut table = Table::new(
        "Runs",
        &["run", "name", "#faces", "#identities", "#same-identity pairs", "#different-identity pairs"],
    );
    for (i, run) in comparison.summaries.iter().enumerate() {
        let metrics = &run.evaluation.metrics;
        table.row([
            format!("[{}]", i + 1),
            run.run_id.clone(),
            count(metrics.faces.embedded),
            count(metrics.faces.identities),
            count(metrics.pairs.genuine),
            count(metrics.pairs.impostor),
        ]);
    }
    Section { id: "runs", title: "The runs".into(), blocks: vec![table.into()], ..Section::default() }
}

fn differences(comparison: &RunComparison) -> Section {
    let table = |caption: &str, found: &[Difference], parts: bool| {
        let mut table = Table::new(caption, if parts { &["key", "differs in"] } else { &["key"] });
        for i in 0..comparison.runs.len() {
            table.column(&format!("[{}]", i + 1), false);
        }
        for difference in found {
            let values = difference.values.iter().map(|value| value.clone().unwrap_or_else(|| NONE.into()));
            let part = parts.then(|| difference.part.name().to_owned());
            table.row(std::iter::once(difference.key.clone()).chain(part).chain(values));
        }
        table
    };
    let mut text = Vec::new();
    if comparison.plan.is_empty() {
        text.push("The plans are the same.".into());
    }
    text.extend(comparison.arithmetic_sentence().map(|sentence| sentence.replacen("the same", "The same", 1) + "."));
    if comparison.provenance.is_empty() {
        text.push("Provenance is the same, times aside.".into());
    }
    Section {
        id: "differences",
        title: "What differs".into(),
        text,
        blocks: vec![
            table("In the plan", &comparison.plan, true).into(),
            table("In provenance", &comparison.provenance, false).into(),
        ],
        ..Section::default()
    }
}

fn metrics(comparison: &RunComparison) -> Section {
    let mut text = Vec::new();
    let mut table = Table::new("Metrics", &["metric"]);
    for i in 0..comparison.runs.len() {
        table.column(&format!("[{}]", i + 1), true);
        if i > 0 {
            table.column("less [1]", true);
        }
    }
    for row in &comparison.metrics {
        let mut cells: Vec<Cell> = vec![row.name.as_str().into()];
        for (i, value) in row.values.iter().enumerate() {
            cells.push(match (&value.estimate, row.quantity, value.count) {
                (Some(estimate), Some(kind), _) => {
                    Cell { note: kind.interval(estimate), ..point(kind, estimate).into() }
                }
                (_, _, Some(n)) => count(n).into(),
                _ => NONE.into(),
            });
            if i > 0 {
                let clear = if value.apart == Some(true) { " *" } else { "" };
                cells.push((row.difference(i) + clear).into());
            }
        }
        table.row(cells);
    }
    if let Some(reason) = &comparison.not_paired {
        text.push(format!("Not on the same pairs: {reason}."));
    }
    table.note = "pp: percentage points. * the two intervals do not overlap. Overlapping intervals do not show that two runs are equal, and with shared faces the intervals are wider than that of the difference.".into();
    let title = if comparison.paired.is_some() {
        table = table.folded();
        text.push(
            "As each run stored them, on its own faces and pairs; the intervals are those of one run alone.".into(),
        );
        "The numbers of each run"
    } else {
        "The numbers"
    };
    Section { id: "metrics", title: title.into(), text, blocks: vec![table.into()], ..Section::default() }
}

fn distributions(comparison: &RunComparison) -> Result<Section, ReportError> {
    Ok(Section {
        id: "distributions",
        title: "Same and different identities".into(),
        blocks: vec![
            overlay(comparison, "Same identity: cosines", |bin| bin.genuine)?,
            overlay(comparison, "Different identities: cosines", |bin| bin.impostor)?,
        ],
        ..Section::default()
    })
}

/// One kind of pair, all runs.
fn overlay(comparison: &RunComparison, title: &str, of: fn(&Bin) -> u64) -> Result<Block, ReportError> {
    let bins: Vec<_> = (0..comparison.runs.len()).map(|run| rebin(histograms(comparison, run), DRAWN_BINS)).collect();
    // The axis spans this kind alone: the other one would squeeze it.
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
        y: Axis::linear("% of pairs per 0.01 of cosine", 0.0, if most > 0.0 { most * 1.05 } else { 1.0 }),
        layers: outlines.into_iter().enumerate().map(|(i, points)| Layer::Line(role(i), points)).collect(),
    };
    let mut table = Table::new("Numbers: share of pairs by cosine", &["cosine from", "#to"]);
    let coarse: Vec<_> = (0..comparison.runs.len()).map(|run| shares(histograms(comparison, run), of)).collect();
    for i in 0..comparison.runs.len() {
        table.column(&format!("[{}]", i + 1), true);
    }
    for row in 0..TENTHS {
        if coarse.iter().any(|shares| shares[row] > 0.0) {
            let edge = |i: usize| Quantity::Cosine.value((i as f64 - 10.0) / 10.0).replace("000", "");
            let cells = [edge(row), edge(row + 1)].into_iter();
            table.row(cells.chain(coarse.iter().map(|shares| Quantity::Rate.value(shares[row]))));
        }
    }
    let words = [
        "One line a run; each encloses the same area. A run is better when its same-identity line lies further right and its different-identity line is narrower around zero.",
        "Lines that look alike can still differ in their tails, which decide the error rates.",
    ];
    Block::figure(title, &chart, legend(comparison), words, table)
}

/// Bins of a tenth over [−1, 1].
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
    let lines: Vec<_> = (0..comparison.runs.len()).map(|run| rates(curve(comparison, run))).collect();
    let mut table = Table::new("Numbers: equal error rates", &["run", "#threshold", "#equal error rate", "#interval"]);
    for (i, run) in comparison.summaries.iter().enumerate() {
        let metrics = &run.evaluation.metrics;
        let shared = comparison.paired.as_ref().and_then(|paired| {
            let row = paired.metrics.iter().find(|row| row.metric == HeadlineMetric::Eer)?;
            Some((row.values[i].as_ref()?, paired.eer_thresholds[i]))
        });
        let (eer, threshold) = shared.unwrap_or((&metrics.eer, metrics.eer_threshold));
        table.row([
            format!("[{}] {}", i + 1, run.run_id),
            maybe(Some(threshold), Quantity::Cosine),
            point(Quantity::Rate, eer),
            Quantity::Rate.interval(eer),
        ]);
    }
    let layers = lines.iter().enumerate().map(|(i, points)| Layer::Line(role(i), det_line(points, &x, &y))).collect();
    let words = [
        "Down and left is better: at the same rate of false matches, the lower line misses fewer people. Each grid line is a factor of ten.",
        "Without bands, which would hide each other: the intervals are in the table of metrics. Lines that cross are better at different thresholds. The lowest rates rest on a handful of pairs.",
    ];
    let figure = Block::figure(
        "Error rates against each other (DET)",
        &Chart { x, y, layers },
        legend(comparison),
        words,
        table,
    )?;
    Ok(Section { id: "errors", title: "Error rates".into(), blocks: vec![figure], ..Section::default() })
}

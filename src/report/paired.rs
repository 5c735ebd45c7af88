//! The sections of a comparison on the same pairs of the same faces: effects, embeddings, ranking; and speed and gate.

use super::ReportError;
use super::axis::ChartAxis;
use super::page::{DataTable, Exhibit, Legend, Section, TableCell};
use super::plots::{Chart, ChartLayer, Mark, Style};
use super::words::{NONE, count, or_dash, run_number};
use crate::compare::{
    Effect, EffectVerdict, Embeddings, FaceAgreement, HeadlineMetric, Paired, PairedMetric, RegressionGate,
    RunComparison, Speed,
};
use crate::numbers::Quantity;
use crate::similarity::PairKind;

/// Runs spread this far to either side of their metric's line in a forest plot; lines are 1 apart.
const SPREAD: f64 = 0.32;

/// Difference of each run to the first, with interval and verdict.
pub(super) fn effects(comparison: &RunComparison, paired: &Paired) -> Result<Section, ReportError> {
    let columns = ["metric", "run", "#value", "#minus [1]", "verdict"];
    let mut table = DataTable::new("Metrics on the same pairs", &columns).stacked();
    for row in paired.rows() {
        let quantity = row.quantity;
        for (run, (value, effect)) in row.values.iter().zip(row.effects).enumerate() {
            let missing = if run == 0 { String::new } else { || NONE.into() };
            let difference = effect.as_ref().map_or_else(missing, |effect| quantity.effect(&effect.difference));
            let verdict = effect.as_ref().map_or_else(missing, |effect| effect.verdict.name().into());
            let bad = effect.as_ref().is_some_and(|effect| effect.verdict == EffectVerdict::Worse);
            let value = TableCell::estimate(quantity, *value);
            table.marked(
                bad,
                [row.name.as_str().into(), run_number(run).into(), value, difference.into(), verdict.into()],
            );
        }
    }
    table.note = "pp: percentage points. The interval of a difference comes from resampling the same people for both runs; for a true accept rate, each replicate chooses its threshold again. Better and worse: the whole interval is on that side. Not resolvable: the interval contains 0, which does not show that the runs are equal. ≤: no error was seen, so the rate is a bound. Means and standard deviations of cosines determine which thresholds fit, not how well people are told apart: they are higher or lower, neither better nor worse.".into();
    let runs = comparison.runs.iter().enumerate().skip(1);
    Ok(Section::new("effects", "Better, worse, or not resolvable")
        .texts(runs.map(|(run, name)| format!("{} {name}: {}.", run_number(run), summary(paired, run))))
        .with_all(forest(comparison, paired, "Error rates against [1]", Quantity::Rate)?)
        .with_all(forest(comparison, paired, "Area under the curve and cosines against [1]", Quantity::Cosine)?)
        .with(table))
}

/// The number of a run's metrics with each verdict.
fn summary(paired: &Paired, run: usize) -> String {
    use EffectVerdict::{Better, Higher, Lower, NotResolvable, Same, Worse};
    let with = |verdict: EffectVerdict| {
        let found = paired.metrics.iter().filter_map(|row| row.effects[run].as_ref());
        (found.filter(|effect| effect.verdict == verdict).count(), verdict.name())
    };
    let counts = [Better, Worse, Higher, Lower, NotResolvable, Same].map(with);
    let words: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, name)| format!("{name} in {n}")).collect();
    if words.is_empty() { "no metric in common".into() } else { words.join(", ") + " of the metrics" }
}

fn short(metric: HeadlineMetric) -> String {
    match metric {
        HeadlineMetric::Eer => "EER".into(),
        HeadlineMetric::Tar(target) => format!("TAR {target:e}"),
        HeadlineMetric::Auc => "AUC".into(),
        HeadlineMetric::DPrime => "d′".into(),
        HeadlineMetric::Mean(PairKind::Genuine) => "mean gen.".into(),
        HeadlineMetric::Std(PairKind::Genuine) => "std gen.".into(),
        HeadlineMetric::Mean(PairKind::Impostor) => "mean imp.".into(),
        HeadlineMetric::Std(PairKind::Impostor) => "std imp.".into(),
    }
}

/// A forest plot: one line per metric, with points and intervals around 0. `None` where no difference has an interval.
fn forest(
    comparison: &RunComparison,
    paired: &Paired,
    title: &str,
    quantity: Quantity,
) -> Result<Option<Exhibit>, ReportError> {
    let drawn = |effect: &Effect| -> Option<[f64; 3]> {
        let scale = if quantity == Quantity::Rate { 100.0 } else { 1.0 };
        let Effect { difference, verdict } = effect;
        let numbers = [difference.lower?, difference.point, difference.upper?].map(|x| x * scale);
        (*verdict != EffectVerdict::Same && numbers.iter().all(|x| x.is_finite())).then_some(numbers)
    };
    let has_any = |row: &&PairedMetric| row.effects.iter().flatten().any(|effect| drawn(effect).is_some());
    let rows: Vec<_> = paired.metrics.iter().filter(|row| row.metric.quantity() == quantity).filter(has_any).collect();
    if rows.is_empty() {
        return Ok(None);
    }
    let others = comparison.runs.len() - 1;
    let (mut low, mut high) = (0.0_f64, 0.0_f64);
    let mut layers = vec![ChartLayer::Vertical(Style::Reference, 0.0)];
    let columns = ["metric", "run", "#difference to [1]", "verdict"];
    let mut table = DataTable::new(format!("Numbers: {}", title.to_lowercase()), &columns);
    for (line, row) in rows.iter().enumerate() {
        for (run, effect) in row.effects.iter().enumerate().filter_map(|(run, e)| Some((run, e.as_ref()?))) {
            table.row([
                row.name.clone(),
                run_number(run),
                quantity.effect(&effect.difference),
                effect.verdict.name().into(),
            ]);
            let Some([lower, point, upper]) = drawn(effect) else { continue };
            (low, high) = (low.min(lower), high.max(upper));
            let within = if others > 1 { (run - 1) as f64 / (others - 1) as f64 * 2.0 - 1.0 } else { 0.0 };
            let y = (rows.len() - line) as f64 - within * SPREAD;
            let style = Style::nth(run);
            let mark = if effect.verdict == EffectVerdict::NotResolvable { Mark::Ring } else { Mark::Dot };
            layers.push(ChartLayer::Line(style, vec![(lower, y), (upper, y)]));
            layers.push(ChartLayer::Marks(style, mark, vec![(point, y)]));
            // Labels of several runs would overlap.
            if others == 1 {
                layers.push(ChartLayer::Label((upper, y), effect.verdict.name().into()));
            }
        }
    }
    let span = high - low;
    // Room for the labels.
    let right = if others == 1 { high + 0.3 * span } else { high + 0.05 * span };
    let mut y = ChartAxis::linear("", 0.4, rows.len() as f64 + 0.6);
    let ticks = rows.iter().enumerate().rev().map(|(line, row)| (y.at((rows.len() - line) as f64), short(row.metric)));
    y.ticks = ticks.collect();
    let mut legend: Vec<_> = comparison
        .runs
        .iter()
        .enumerate()
        .skip(1)
        .map(|(run, name)| {
            Legend::line(Style::nth(run), format!("{} {name}, with its paired interval", run_number(run)))
        })
        .collect();
    legend.push(Legend::mark(Style::Ink, Mark::Dot, "resolved: the interval does not contain 0"));
    legend.push(Legend::mark(Style::Ink, Mark::Ring, "not resolvable"));
    let (axis, direction) = match quantity {
        Quantity::Rate => (
            "difference, percentage points",
            "Lower is better for the equal error rate (EER), higher for true accept rates (TAR).",
        ),
        _ => (
            "difference",
            "Higher is better for the area under the curve (AUC); neither direction is better for means and standard deviations of genuine (gen.) and impostor (imp.) cosines.",
        ),
    };
    let reading = format!(
        "Each mark is a run's difference to [1], the line through it its interval; the vertical line is no difference. A difference whose interval crosses the vertical line may be chance. {direction}"
    );
    let caption = [
        reading.as_str(),
        "Each interval answers one question; among many intervals, some miss by chance. Rates that these pairs cannot resolve have no line; d′ is in the table.",
    ];
    let chart = Chart { x: ChartAxis::linear(axis, low - 0.05 * span, right), y, layers };
    Exhibit::figure(title, &chart, legend, caption, table.stacked()).map(Some)
}

/// How far each face's embedding moved.
pub(super) fn embeddings(paired: &Paired) -> Section {
    let mut table = DataTable::new(
        "Cosine between a face's embeddings in [1] and in another run",
        &["run", "#lowest", "#0.1% below", "#1%", "#5%", "#median", "#mean", "#identical", "#other nearest"],
    );
    let mut worst = DataTable::new("Faces that moved most", &["face", "run", "#cosine"]).folded();
    let mut text = Vec::new();
    let mut sampled = false;
    for (run, found) in paired.embeddings.iter().enumerate() {
        match found {
            None => {}
            Some(Embeddings::NotComparable { reason }) => {
                text.push(format!("{} embeds into another space than [1]: {reason}.", run_number(run)));
            }
            Some(Embeddings::Compared(found)) => {
                let FaceAgreement { faces, identical, min, mean, quantiles, nearest, .. } = &**found;
                let at = |level: f64| {
                    let found = quantiles.iter().find(|quantile| quantile.level == level);
                    or_dash(found.map(|quantile| format!("{:.6}", quantile.cosine)))
                };
                table.row([
                    run_number(run),
                    format!("{min:.6}"),
                    at(0.001),
                    at(0.01),
                    at(0.05),
                    at(0.5),
                    format!("{mean:.6}"),
                    format!("{} of {}", count(*identical), count(*faces)),
                    format!("{} of {}", count(nearest.flipped), count(nearest.asked)),
                ]);
                sampled |= !nearest.all;
                for moved in &found.worst {
                    worst.row([moved.face_id.clone(), run_number(run), format!("{:.6}", moved.cosine)]);
                }
            }
        }
    }
    table.note = format!(
        "A cosine of 1 is the same direction. 0.1% below: that share of the faces is below. Other nearest: the face's nearest neighbour among all other faces here differs from the one in [1]{}; between faces that are almost equally near, that says little.",
        if sampled { ", for a seeded sample of faces" } else { "" }
    );
    Section::new("embeddings", "The same faces").texts(text).with(table.stacked()).with(worst.stacked())
}

/// Whether [`embeddings`] names faces.
pub(super) fn lists_faces(paired: &Paired) -> bool {
    let names = |found: &Embeddings| matches!(found, Embeddings::Compared(found) if !found.worst.is_empty());
    paired.embeddings.iter().flatten().any(names)
}

/// All runs, best first.
pub(super) fn ranking(comparison: &RunComparison, paired: &Paired) -> Section {
    let by = paired.ranking.by;
    let mut table = DataTable::new(format!("By {}", by.name()), &["rank", "run", "#value", "against the next in rank"]);
    for ((mut cells, ranked), at) in paired.ranking.rows().into_iter().zip(&paired.ranking.ranks).zip(1..) {
        cells[0] = at.to_string();
        cells[1] = format!("{} {}", run_number(ranked.run), comparison.runs[ranked.run]);
        table.row(cells);
    }
    Section::new("ranking", "Ranking").with(table.stacked().note(
        "Neighbours whose difference is not resolvable could just as well be in the other order. Use `--by` to rank by another metric.",
    ))
}

/// How fast each run was embedded; empty where no speed is known.
pub(super) fn speed(comparison: &RunComparison) -> Section {
    let section = Section::new("speed", "Speed");
    if comparison.speed.iter().all(Option::is_none) {
        return section;
    }
    let mut table = DataTable::new(
        "Faces per second",
        &[
            "run",
            "#median",
            "#lower quartile",
            "#upper quartile",
            "#chunks",
            "#relative to [1]",
            "not comparable because",
        ],
    );
    for (i, (run, speed)) in comparison.runs.iter().zip(&comparison.speed).enumerate() {
        let name = format!("{} {run}", run_number(i));
        let Some(Speed { median, lower, upper, chunks, ratio, not_comparable }) = speed else {
            let none = || NONE.to_owned();
            table.row([name, none(), none(), none(), "0".into(), none(), String::new()]);
            continue;
        };
        table.row([
            name,
            format!("{median:.1}"),
            format!("{lower:.1}"),
            format!("{upper:.1}"),
            count(*chunks),
            or_dash(ratio.map(|ratio| format!("{ratio:.2}"))),
            not_comparable.clone().unwrap_or_default(),
        ]);
    }
    section.with(table.stacked().note(
        "From reading a chunk to its last forward pass; median and quartiles over the chunks. Runs from different days compare only roughly, because the machine's other load is unknown. `facevault throughput` measures variants side by side.",
    ))
}

/// The result of a gate.
pub(super) fn gate(gate: &RegressionGate) -> Section {
    let mut table = DataTable::new("Findings", &["run", "metric", "finding"]);
    for finding in &gate.regressions {
        table.marked(true, [finding.run.clone(), finding.what.clone(), finding.text.clone()]);
    }
    for finding in &gate.not_judged {
        table.row([finding.run.clone(), finding.what.clone(), format!("not judged: {}", finding.text)]);
    }
    let text = if gate.passed { "Passed: no run is worse than [1] by more than its tolerance." } else { "Failed." };
    Section::new("gate", "Gate").text(text).with(table.stacked())
}

#[cfg(test)]
pub(super) mod tests {
    use crate::compare::paired_tests::{comparison, reference, run};
    use crate::compare::{RegressionGate, Setting, Timing, Tolerances, speeds};
    use crate::report::render_comparison;
    use crate::report::tests::{check, sections};

    pub fn page(others: &[Vec<f32>]) -> String {
        let mut comparison = comparison(&[&[reference()], others].concat());
        let timing = Timing { chunks: vec![(10, 1.0)], settings: vec![Setting::default()] };
        comparison.speed = speeds(&vec![timing; comparison.runs.len()]);
        comparison.gate = Some(RegressionGate::judge(&comparison, Tolerances::default()));
        let html = render_comparison(&comparison).unwrap();
        check(&html);
        assert_eq!(html, render_comparison(&comparison).unwrap());
        html
    }

    pub fn two_runs() -> [Vec<f32>; 2] {
        [run(&[(0.9, 1), (0.6, 2)]), run(&[(0.9, 1), (0.6, 3)])]
    }

    #[test]
    fn a_paired_comparison_shows_what_differs_then_effects_then_the_rest() {
        let html = page(&[run(&[(0.9, 1), (0.6, 2)])]);
        let order = [
            "verdict",
            "gate",
            "runs",
            "thresholds",
            "effects",
            "differences",
            "distributions",
            "errors",
            "embeddings",
            "ranking",
            "speed",
            "metrics",
        ];
        assert_eq!(sections(&html), order);
        assert!(html.contains("Error rates against [1]") && html.contains("Area under the curve and cosines against"));
        // In the figure itself, not only in its table.
        assert!(html.matches(">\nworse\n</text>").count() >= 2, "{}", html.matches("worse").count());
        assert!(html.contains("face-0"), "the faces that moved most are listed");
    }

    #[test]
    fn several_runs_share_a_figure_without_overlapping_labels() {
        let html = page(&two_runs());
        assert!(!html.contains(">\nworse\n</text>") && html.contains("</svg>not resolvable</li>"));
    }

    #[test]
    fn identical_runs_have_no_figure_of_differences() {
        let html = page(&[reference()]);
        assert!(!html.contains("Error rates against [1]"));
        assert!(html.contains("same in 10 of the metrics") && html.contains("Passed: no run is worse"));
    }
}

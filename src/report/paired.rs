//! Sections of a comparison that rest on the same pairs of the same faces: effects, embeddings, ranking, speed.

use super::ReportError;
use super::axis::Axis;
use super::page::{Block, Cell, Legend, Section, Table};
use super::plots::{Chart, Layer, Mark, Role};
use super::words::{NONE, count, point};
use crate::compare::{
    Effect, EffectVerdict, Embeddings, FaceAgreement, HeadlineMetric, Paired, PairedMetric, RegressionGate,
    RunComparison, Speed,
};
use crate::numbers::Quantity;
use crate::similarity::PairKind;

/// Half of what lies between two metrics of a forest plot, of 1, that runs spread over.
const SPREAD: f64 = 0.32;

/// Differences of each run to the first, with intervals and verdicts.
pub(super) fn effects(comparison: &RunComparison, paired: &Paired) -> Result<Section, ReportError> {
    let mut table = Table::new("Metrics on the same pairs", &["metric"]);
    for i in 0..comparison.runs.len() {
        table.column(&format!("[{}]", i + 1), true);
        if i > 0 {
            table.column("less [1]", true);
            table.column("verdict", false);
        }
    }
    for row in paired.metrics.iter().filter(|row| row.values.iter().any(Option::is_some)) {
        let quantity = row.metric.quantity();
        let mut cells: Vec<Cell> = vec![row.name.as_str().into()];
        for (i, value) in row.values.iter().enumerate() {
            cells.push(value.as_ref().map_or_else(
                || NONE.into(),
                |value| Cell { note: quantity.interval(value), ..point(quantity, value).into() },
            ));
            if i > 0 {
                let effect = row.effects[i].as_ref();
                cells.push(effect.map_or_else(|| NONE.into(), |effect| quantity.effect(&effect.difference).into()));
                cells.push(effect.map_or_else(|| NONE.into(), |effect| effect.verdict.name().into()));
            }
        }
        let worse = row.effects.iter().flatten().any(|effect| effect.verdict == EffectVerdict::Worse);
        table.classed(if worse { "bad" } else { "" }, cells);
    }
    table.note = "pp: percentage points. The interval of a difference comes from resampling the same people for both runs; for a true accept rate the threshold is found anew in each replicate. Better and worse: the whole interval is on that side. Not resolvable: it contains 0, which does not show that runs are equal. ≤: no error was seen, so the rate is a bound. Where cosines lie (means, deviations) says which thresholds fit, not how well people are told apart: higher or lower, neither better nor worse.".into();
    let mut blocks = Vec::new();
    blocks.extend(forest(
        comparison,
        paired,
        "Error rates against [1]",
        "difference, percentage points",
        Quantity::Rate,
    )?);
    blocks.extend(forest(
        comparison,
        paired,
        "Area under the curve and cosines against [1]",
        "difference",
        Quantity::Cosine,
    )?);
    blocks.push(table.into());
    let mut text = vec![sentence(&paired.sentence())];
    text.extend(paired.left_out().iter().map(|line| sentence(line)));
    for (run, name) in comparison.runs.iter().enumerate().skip(1) {
        text.push(format!("[{}] {name}: {}.", run + 1, summary(paired, run)));
    }
    Ok(Section { id: "effects", title: "Better, worse, or not resolvable".into(), text, blocks, ..Section::default() })
}

/// First letter large, a full stop at the end.
pub(super) fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| first.to_uppercase().chain(rest).collect::<String>() + ".")
}

/// How many metrics of a run came to which verdict.
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
        HeadlineMetric::Mean(PairKind::Genuine) => "mean same".into(),
        HeadlineMetric::Std(PairKind::Genuine) => "std same".into(),
        HeadlineMetric::Mean(PairKind::Impostor) => "mean diff.".into(),
        HeadlineMetric::Std(PairKind::Impostor) => "std diff.".into(),
    }
}

/// Dots and intervals around 0, a line a metric; none where nothing has an interval that is more than 0.
fn forest(
    comparison: &RunComparison,
    paired: &Paired,
    title: &str,
    axis: &str,
    quantity: Quantity,
) -> Result<Option<Block>, ReportError> {
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
    let mut layers = vec![Layer::Vertical(Role::Reference, 0.0)];
    let mut table =
        Table::new(&format!("Numbers: {}", title.to_lowercase()), &["metric", "run", "#difference to [1]", "verdict"]);
    for (line, row) in rows.iter().enumerate() {
        for (run, effect) in row.effects.iter().enumerate().filter_map(|(run, e)| Some((run, e.as_ref()?))) {
            let name = format!("[{}]", run + 1);
            table.row([row.name.clone(), name, quantity.effect(&effect.difference), effect.verdict.name().into()]);
            let Some([lower, point, upper]) = drawn(effect) else { continue };
            (low, high) = (low.min(lower), high.max(upper));
            let within = if others > 1 { (run - 1) as f64 / (others - 1) as f64 * 2.0 - 1.0 } else { 0.0 };
            let y = (rows.len() - line) as f64 - within * SPREAD;
            let role = Role::Run((run % 30) as u8);
            let mark = if effect.verdict == EffectVerdict::NotResolvable { Mark::Ring } else { Mark::Dot };
            layers.push(Layer::Line(role, vec![(lower, y), (upper, y)]));
            layers.push(Layer::Marks(role, mark, vec![(point, y)]));
            // Words of several runs would cover each other.
            if others == 1 {
                layers.push(Layer::Words((upper, y), effect.verdict.name().into()));
            }
        }
    }
    let span = high - low;
    // Room for the words.
    let right = if others == 1 { high + 0.3 * span } else { high + 0.05 * span };
    let mut y = Axis::linear("", 0.4, rows.len() as f64 + 0.6);
    let ticks = rows.iter().enumerate().rev().map(|(line, row)| (y.at((rows.len() - line) as f64), short(row.metric)));
    y.ticks = ticks.collect();
    let mut legend: Vec<_> = comparison
        .runs
        .iter()
        .enumerate()
        .skip(1)
        .map(|(run, name)| {
            Legend::line(Role::Run((run % 30) as u8), format!("[{}] {name}, with its paired interval", run + 1))
        })
        .collect();
    legend.push(Legend::mark(Role::Ink, Mark::Dot, "resolved: the interval does not contain 0"));
    legend.push(Legend::mark(Role::Ink, Mark::Ring, "not resolvable"));
    let sides = match quantity {
        Quantity::Rate => "Lower is better for the equal error rate (EER), higher for true accept rates (TAR).",
        _ => {
            "Higher is better for the area (AUC); means and deviations of same-identity (same) and different-identity (diff.) cosines have no better side."
        }
    };
    let reading = format!(
        "Each line is the interval of a run's difference to [1], the mark its value; the vertical line is no difference. An interval across it cannot be told from chance. {sides}"
    );
    let words = [
        reading.as_str(),
        "One interval is one question; of many intervals some miss by chance. Rates that these pairs cannot resolve have no line; d′ is in the table.",
    ];
    let chart = Chart { x: Axis::linear(axis, low - 0.05 * span, right), y, layers };
    Block::figure(title, &chart, legend, words, table).map(Some)
}

/// The same faces in one space: how far they moved.
pub(super) fn embeddings(comparison: &RunComparison, paired: &Paired) -> Section {
    let mut table = Table::new(
        "Cosine of a face's embedding in [1] and in another run",
        &[
            "run",
            "#lowest",
            "#0.1% of faces below",
            "#1%",
            "#5%",
            "#median",
            "#mean",
            "#identical",
            "#another nearest face",
        ],
    );
    let mut worst = Table::new("The faces that moved most", &["face", "run", "#cosine"]).folded();
    let mut text = Vec::new();
    let mut sampled = false;
    for (run, found) in paired.embeddings.iter().enumerate() {
        match found {
            None => {}
            Some(Embeddings::NotComparable { reason }) => {
                text.push(format!("[{}] embeds into another space than [1]: {reason}.", run + 1));
            }
            Some(Embeddings::Compared(found)) => {
                let FaceAgreement { faces, identical, min, mean, quantiles, nearest, .. } = &**found;
                let at = |level: f64| {
                    let found = quantiles.iter().find(|quantile| quantile.level == level);
                    found.map_or_else(|| NONE.into(), |quantile| format!("{:.6}", quantile.cosine))
                };
                table.row([
                    format!("[{}] {}", run + 1, comparison.runs[run]),
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
                    worst.row([moved.face_id.clone(), format!("[{}]", run + 1), format!("{:.6}", moved.cosine)]);
                }
            }
        }
    }
    let mut blocks: Vec<Block> = Vec::new();
    if !table.rows.is_empty() {
        table.note = format!(
            "1 is the same direction. Another nearest face: of all other faces here, a different one is most like it than in [1]{}; between faces that are almost equally near that says little.",
            if sampled { ", of a seeded sample of faces" } else { "" }
        );
        blocks.push(table.into());
    }
    if !worst.rows.is_empty() {
        blocks.push(worst.into());
    }
    Section { id: "embeddings", title: "The same faces".into(), text, blocks, ..Section::default() }
}

/// All runs, best first.
pub(super) fn ranking(comparison: &RunComparison, paired: &Paired) -> Section {
    let by = paired.ranking.by;
    let mut table = Table::new(&format!("By {}", by.name()), &["rank", "run", "#value", "against the next in rank"]);
    for ((mut cells, ranked), at) in paired.ranking.rows().into_iter().zip(&paired.ranking.ranks).zip(1..) {
        cells[0] = at.to_string();
        cells[1] = format!("[{}] {}", ranked.run + 1, comparison.runs[ranked.run]);
        table.row(cells);
    }
    table.note =
        "Neighbours whose difference is not resolvable may as well stand the other way round. Another metric: `--by`."
            .into();
    Section { id: "ranking", title: "Ranking".into(), blocks: vec![table.into()], ..Section::default() }
}

/// How fast each run was embedded.
pub(super) fn speed(comparison: &RunComparison) -> Section {
    let mut table = Table::new(
        "Faces a second",
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
        let name = format!("[{}] {run}", i + 1);
        let Some(Speed { median, lower, upper, chunks, ratio, not_comparable }) = speed else {
            table.row([name, NONE.into(), NONE.into(), NONE.into(), "0".into(), NONE.into(), String::new()]);
            continue;
        };
        table.row([
            name,
            format!("{median:.1}"),
            format!("{lower:.1}"),
            format!("{upper:.1}"),
            count(*chunks),
            ratio.map_or_else(|| NONE.into(), |ratio| format!("{ratio:.2}")),
            not_comparable.clone().unwrap_or_default(),
        ]);
    }
    table.note = "Embedding from reading to the last forward pass, chunk by chunk; the median of the chunks. Runs of two days hold only roughly: what else the machine did is unknown. `facevault throughput` measures side by side.".into();
    Section { id: "speed", title: "Speed".into(), blocks: vec![table.into()], ..Section::default() }
}

/// What a gate said.
pub(super) fn gate(gate: &RegressionGate) -> Section {
    let mut table = Table::new("Findings", &["run", "what", "finding"]);
    for finding in &gate.regressions {
        table.classed("bad", [finding.run.clone(), finding.what.clone(), finding.text.clone()]);
    }
    for finding in &gate.not_judged {
        table.row([finding.run.clone(), finding.what.clone(), format!("not judged: {}", finding.text)]);
    }
    let text = if gate.passed { "Passed: no run is worse than [1] by more than tolerated." } else { "Failed." };
    let blocks = if table.rows.is_empty() { Vec::new() } else { vec![table.into()] };
    Section { id: "gate", title: "Gate".into(), text: vec![text.into()], blocks, ..Section::default() }
}

#[cfg(test)]
mod tests {
    use crate::compare::paired_tests::{comparison, reference, run};
    use crate::compare::{RegressionGate, Setting, Timing, Tolerances, speeds};
    use crate::report::render_comparison;
    use crate::report::tests::{check, sections};

    fn page(others: &[Vec<f32>]) -> String {
        let mut comparison = comparison(&[&[reference()], others].concat());
        let timing = Timing { chunks: vec![(10, 1.0)], settings: vec![Setting::default()] };
        comparison.speed = speeds(&vec![timing; comparison.runs.len()]);
        comparison.gate = Some(RegressionGate::judge(&comparison, Tolerances::default()));
        let html = render_comparison(&comparison).unwrap();
        check(&html);
        assert_eq!(html, render_comparison(&comparison).unwrap());
        html
    }

    #[test]
    fn a_paired_comparison_shows_what_differs_then_effects_then_the_rest() {
        let html = page(&[run(&[(0.9, 1), (0.6, 2)])]);
        let order = [
            "runs",
            "differences",
            "gate",
            "effects",
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
        assert!(html.contains("face-0"), "the faces that moved most are named");
    }

    #[test]
    fn several_runs_share_a_figure_without_words_over_each_other() {
        let html = page(&[run(&[(0.9, 1), (0.6, 2)]), run(&[(0.9, 1), (0.6, 3)])]);
        assert!(!html.contains(">\nworse\n</text>") && html.contains("</svg>not resolvable</li>"));
    }

    #[test]
    fn identical_runs_have_no_figure_of_differences() {
        let html = page(&[reference()]);
        assert!(!html.contains("Error rates against [1]"));
        assert!(html.contains("same in 10 of the metrics") && html.contains("Passed: no run is worse"));
    }
}

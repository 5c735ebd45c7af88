//! Formats a comparison for the terminal.

use super::common::ChangedFaces;
use super::{
    ComparisonVerdict, Difference, Effect, EffectVerdict, Embeddings, FaceAgreement, Paired, PairedFaces, PairedPairs,
    PairedRow, PlanPart, RankedRun, Ranking, RunComparison, Speed, Thresholds,
};
use crate::estimate::Estimate;
use crate::numbers::{Quantity, minus};
use crate::text::counted;
use crate::text_table::TextTable;

/// Stands in for a missing value.
const WITHOUT: &str = "–";
/// Characters of a digest, and how many of them are shown.
const DIGEST: usize = 64;
const SHOWN_OF_DIGEST: usize = 12;

impl RunComparison {
    /// The comparison as text for lines of `width` characters: what it comes to, what differs, and the numbers.
    pub fn to_text(&self, width: usize) -> String {
        let mut lines = self.verdict.as_ref().map_or_else(Vec::new, ComparisonVerdict::lines);
        lines.push(self.headline.clone());
        lines.extend(self.basis());
        lines.extend(self.left_out_lines());
        lines.push(String::new());
        lines.extend(self.runs.iter().enumerate().map(|(i, run)| format!("[{}]  {run}", i + 1)));
        for (title, found) in [("plan", &self.plan), ("provenance", &self.provenance)] {
            lines.push(String::new());
            lines.extend(self.difference_lines(title, found, width));
        }
        lines.extend(self.arithmetic_sentence().into_iter().flat_map(|sentence| [String::new(), sentence]));
        match &self.paired {
            Some(paired) => lines.extend(self.paired_lines(paired, width)),
            None => lines.extend(self.stored_lines(width)),
        }
        lines.extend(self.speed_lines());
        if let Some(gate) = &self.gate {
            lines.push(String::new());
            lines.extend(gate.lines());
        }
        lines.join("\n") + "\n"
    }

    /// What the numbers rest on, a line each: faces and pairs, what differs in them, and who is left out.
    pub fn basis(&self) -> Vec<String> {
        let Some(paired) = &self.paired else { return Vec::new() };
        let mut lines = vec![paired.sentence()];
        if self.plan.iter().any(|difference| difference.part == PlanPart::Protocol) {
            lines.push("pairs and intervals in all runs are by the similarity options and seed of [1]".into());
        }
        lines.extend(paired.notes());
        lines
    }

    /// A column per run; where that is too wide, a line for each value with the runs that have it.
    fn difference_lines(&self, title: &str, found: &[Difference], width: usize) -> Vec<String> {
        if found.is_empty() {
            return vec![format!("{title}: no difference")];
        }
        // Every difference in provenance is of one part: the column would say nothing.
        let keys = |part: &str, key: &str| -> Vec<String> {
            let part = (title == "plan").then(|| part.to_owned());
            part.into_iter().chain([key.to_owned()]).collect()
        };
        let head = [keys("differs in", title), self.numbers()].concat();
        let rows = found.iter().map(|found| [keys(found.part.name(), &found.key), found.shown()].concat());
        let table = TextTable::new(head).rows(rows);
        if table.fits(width) {
            return table.lines();
        }
        let below = |found: &Difference| {
            let values = found.by_value().into_iter().map(|(runs, value)| {
                let runs: Vec<String> = runs.iter().map(|run| format!("[{}]", run + 1)).collect();
                [runs.join(" "), shown(value)]
            });
            let values = TextTable::default().rows(values).indented(2);
            [vec![keys(found.part.name(), &found.key).join("  ")], values.lines()].concat()
        };
        let head = keys("differs in", title).join("  ");
        std::iter::once(head).chain(found.iter().flat_map(below)).collect()
    }

    /// The metrics that each run stored.
    fn stored_lines(&self, width: usize) -> Vec<String> {
        let rows = self.metrics.iter().map(|row| {
            let values = (0..self.runs.len()).map(|run| {
                let clear = if row.values[run].apart == Some(true) { " *" } else { "" };
                format!("{}  {}{clear}", row.value(run), row.difference(run)).trim_end().to_owned()
            });
            std::iter::once(row.name.clone()).chain(values)
        });
        let mut lines = vec![String::new()];
        lines.extend(self.table("metric").rows(rows).fitted(width, 1));
        lines.push(String::new());
        lines.push(
            "each run on its own faces and pairs; differences are relative to [1]; * the intervals do not overlap"
                .into(),
        );
        lines
    }

    /// The metrics on the shared pairs, the thresholds, and how faces moved.
    fn paired_lines(&self, paired: &Paired, width: usize) -> Vec<String> {
        let mut lines = vec![String::new()];
        let rows = paired.rows().into_iter().map(|PairedRow { name, quantity, values, effects }| {
            let cell = move |(value, effect): (Option<&Estimate>, &Option<Effect>)| {
                let value = value.map_or_else(|| WITHOUT.into(), |value| quantity.sentence(value));
                let effect = effect.as_ref().map(|effect| format!("  {}", effect.sentence(quantity)));
                value + &effect.unwrap_or_default()
            };
            std::iter::once(name).chain(values.into_iter().zip(effects).map(cell))
        });
        lines.extend(self.table("on the same pairs").rows(rows).fitted(width, 1));
        lines.extend(self.threshold_lines(&paired.thresholds, width));
        let moved = paired
            .embeddings
            .iter()
            .enumerate()
            .filter_map(|(run, found)| Some([format!("[{}]", run + 1), found.as_ref()?.sentence()]));
        let moved = TextTable::default().rows(moved);
        lines.extend([String::new(), "embeddings of the same faces, against [1]".into(), moved.to_string()]);
        if self.runs.len() > 2 {
            let title = format!("by {}", paired.ranking.by.name());
            let table = TextTable::new(["rank", "run", &title, "against the next"]).rows(paired.ranking.rows());
            lines.push(String::new());
            lines.extend(table.fitted(width, 2));
        }
        lines
    }

    /// Each run's thresholds, and what keeping the first one's does.
    fn threshold_lines(&self, thresholds: &Thresholds, width: usize) -> Vec<String> {
        let rows = thresholds.at.iter().map(|at| {
            let values = at.runs.iter().map(|threshold| Quantity::Cosine.sentence(threshold));
            std::iter::once(format!("{:e}", at.target_fmr)).chain(values)
        });
        let mut lines = vec![String::new()];
        lines.extend(self.table("threshold for FMR").rows(rows).fitted(width, 1));
        let kept = thresholds
            .kept
            .iter()
            .flat_map(|kept| (1..self.runs.len()).map(|run| format!("[{}]  {}", run + 1, kept.sentence(run))));
        lines.extend(kept);
        lines
    }

    fn speed_lines(&self) -> Vec<String> {
        if self.speed.iter().all(Option::is_none) {
            return Vec::new();
        }
        let rows = self.speed.iter().enumerate().map(|(run, speed)| {
            let speed = speed.as_ref().map_or_else(|| "no timed chunk".into(), Speed::sentence);
            [format!("[{}]", run + 1), speed]
        });
        let table = TextTable::default().rows(rows);
        vec![String::new(), "faces per second, median over the chunks".into(), table.to_string()]
    }

    /// A table with a column per run.
    fn table(&self, title: &str) -> TextTable {
        TextTable::new([vec![title.to_owned()], self.numbers()].concat())
    }

    /// The runs as columns: `[1]`, `[2]`, ….
    fn numbers(&self) -> Vec<String> {
        (1..=self.runs.len()).map(|number| format!("[{number}]")).collect()
    }
}

impl Paired {
    /// The faces and pairs behind the numbers.
    pub fn sentence(&self) -> String {
        let PairedFaces { common, identities, .. } = self.faces;
        let PairedPairs { mode, genuine, impostor } = self.pairs;
        format!(
            "paired on the {} of {} that all runs share: the same {genuine} genuine and {} in each ({mode})",
            counted(common, "face"),
            counted(identities, "identity"),
            counted(impostor, "impostor pair")
        )
    }

    /// What the shared faces have that is not the same in all runs, which faces are left out, and runs whose stored metrics
    /// cover other faces.
    pub fn notes(&self) -> Vec<String> {
        let PairedFaces { common, changed, left_out, embedded, stored_on_other_faces, .. } = &self.faces;
        let changes = changed.iter().enumerate().skip(1).filter(|(_, changed)| changed.bbox + changed.picture > 0);
        let mut lines: Vec<String> = changes
            .map(|(run, ChangedFaces { picture, bbox })| {
                format!(
                    "[{}]: {bbox} of the {} {} another box or none, {picture} another picture",
                    run + 1,
                    counted(*common, "face"),
                    if *bbox == 1 { "has" } else { "have" }
                )
            })
            .collect();
        if left_out.all() > 0 {
            lines.push(format!("left out of the {} of [1]: {}", counted(embedded[0], "face"), left_out.reasons()));
        }
        if !stored_on_other_faces.is_empty() {
            lines.push(format!("stored metrics cover other faces in {}", stored_on_other_faces.join(", ")));
        }
        lines
    }
}

impl ComparisonVerdict {
    /// What it comes to, then each of several runs.
    pub fn lines(&self) -> Vec<String> {
        let runs: &[_] = if self.runs.len() > 1 { &self.runs } else { &[] };
        std::iter::once(self.text.clone()).chain(runs.iter().map(|run| run.text.clone())).collect()
    }
}

impl Difference {
    /// The values of all runs. A digest by its first digits, as run names have it.
    pub fn shown(&self) -> Vec<String> {
        self.values.iter().map(|value| shown(value.as_deref())).collect()
    }
}

impl Effect {
    /// Difference, interval and verdict.
    pub fn sentence(&self, quantity: Quantity) -> String {
        if self.verdict == EffectVerdict::Same {
            return "same".into();
        }
        format!("{} {}", quantity.effect(&self.difference), self.verdict.name())
    }
}

impl Embeddings {
    /// How far faces moved.
    pub fn sentence(&self) -> String {
        match self {
            Self::NotComparable { reason } => format!("another embedding space: {reason}"),
            Self::Compared(found) => {
                let FaceAgreement { faces, identical, min, mean, nearest, .. } = &**found;
                let which = if nearest.all { "faces" } else { "sampled faces" };
                let [min, mean] = [min, mean].map(|cosine| minus(&format!("{cosine:.6}")));
                format!(
                    "cosine at least {min}, mean {mean}, {identical} of {faces} identical; nearest face changed \
                     for {} of {} {which}",
                    nearest.flipped, nearest.asked
                )
            }
        }
    }
}

impl Speed {
    /// Median, quartiles, and their relation to the reference.
    pub fn sentence(&self) -> String {
        let Self { median, lower, upper, chunks, ratio, not_comparable } = self;
        let against = match (ratio, not_comparable) {
            (Some(ratio), _) => format!("; {ratio:.2} × [1]"),
            (None, Some(reason)) => format!("; {reason}"),
            (None, None) => String::new(),
        };
        format!("{median:.1} (quartiles {lower:.1} to {upper:.1}, n = {chunks}){against}")
    }
}

impl Ranking {
    /// One row per run: rank, run, value, comparison with the next.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let quantity = self.by.quantity();
        let row = |(i, ranked): (usize, &RankedRun)| {
            let value = ranked.value.as_ref().map_or_else(|| "–".into(), |value| quantity.sentence(value));
            let next = ranked.to_next.as_ref().map_or_else(String::new, |effect| effect.sentence(quantity));
            vec![(i + 1).to_string(), format!("[{}]", ranked.run + 1), value, next]
        };
        self.ranks.iter().enumerate().map(row).collect()
    }
}

/// A value on one line.
fn shown(value: Option<&str>) -> String {
    match value {
        None => WITHOUT.into(),
        Some(value) if value.len() == DIGEST && value.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("{}…", &value[..SHOWN_OF_DIGEST])
        }
        Some(value) => value.replace(char::is_control, " "),
    }
}

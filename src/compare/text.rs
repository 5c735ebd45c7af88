//! Formats a comparison for the terminal.

use super::{
    Effect, EffectVerdict, Embeddings, FaceAgreement, HeadlineMetric, Paired, PairedFaces, PairedPairs, RankedRun,
    Ranking, RunComparison, Speed,
};
use crate::text_table::TextTable;

/// Longest value in a table, in characters.
const MAX_VALUE_WIDTH: usize = 30;

impl RunComparison {
    /// The comparison as text for the terminal.
    pub fn to_text(&self) -> String {
        let mut lines = vec![self.headline.clone(), String::new()];
        lines.extend(self.runs.iter().enumerate().map(|(i, run)| format!("[{}]  {run}", i + 1)));
        let numbers = (1..=self.runs.len()).map(|i| format!("[{i}]"));
        for (title, found) in [("plan", &self.plan), ("provenance", &self.provenance)] {
            if found.is_empty() {
                lines.extend([String::new(), format!("{title}: no difference")]);
                continue;
            }
            // Every difference in provenance is of one part: the column would say nothing.
            let with_part = title == "plan";
            let part = with_part.then(|| "differs in".to_owned());
            let head = part.into_iter().chain([title.to_owned()]).chain(numbers.clone());
            let rows = found.iter().map(|difference| {
                let values =
                    difference.values.iter().map(|value| value.as_deref().map_or_else(|| "–".into(), shortened));
                let part = with_part.then(|| difference.part.name().to_owned());
                part.into_iter().chain([difference.key.clone()]).chain(values)
            });
            lines.extend([String::new(), TextTable::new(head).rows(rows).to_string()]);
        }
        lines.extend(self.arithmetic_sentence().into_iter().flat_map(|sentence| [String::new(), sentence]));
        match &self.paired {
            Some(paired) => lines.extend(self.paired_lines(paired)),
            None => lines.extend(self.stored_lines()),
        }
        lines.extend(self.speed_lines());
        if let Some(gate) = &self.gate {
            lines.push(String::new());
            lines.extend(gate.lines());
        }
        lines.join("\n") + "\n"
    }

    /// The metrics that each run stored.
    fn stored_lines(&self) -> Vec<String> {
        let rows = self.metrics.iter().map(|row| {
            let values = (0..self.runs.len()).map(|run| {
                let clear = if row.values[run].apart == Some(true) { " *" } else { "" };
                format!("{}  {}{clear}", row.value(run), row.difference(run)).trim_end().to_owned()
            });
            std::iter::once(row.name.clone()).chain(values)
        });
        let mut lines = vec![String::new(), self.table("metric").rows(rows).to_string(), String::new()];
        lines.extend(self.not_paired.iter().map(|reason| format!("not paired: {reason}")));
        lines.push(
            "each run on its own faces and pairs; differences are relative to [1]; * the intervals do not overlap"
                .into(),
        );
        lines
    }

    /// The metrics on the shared pairs, and how faces moved.
    fn paired_lines(&self, paired: &Paired) -> Vec<String> {
        let mut lines = vec![String::new(), paired.sentence()];
        lines.extend(paired.left_out());
        let metrics = paired.metrics.iter().filter(|row| row.values.iter().any(Option::is_some)).map(|row| {
            let values = (0..self.runs.len()).map(|run| {
                let value = row.values[run].as_ref().map_or_else(|| "–".into(), |v| row.metric.quantity().sentence(v));
                match &row.effects[run] {
                    Some(effect) => format!("{value}  {}", effect.sentence(row.metric)),
                    None => value,
                }
            });
            std::iter::once(row.name.clone()).chain(values)
        });
        lines.extend([String::new(), self.table("metric").rows(metrics).to_string()]);
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
            lines.extend([String::new(), table.to_string()]);
        }
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
        TextTable::new(std::iter::once(title.to_owned()).chain((1..=self.runs.len()).map(|i| format!("[{i}]"))))
    }
}

impl Paired {
    /// The faces and pairs behind the numbers.
    pub fn sentence(&self) -> String {
        let PairedFaces { common, identities, .. } = self.faces;
        let PairedPairs { mode, genuine, impostor } = self.pairs;
        format!(
            "on the {common} faces of {identities} identities that all runs share: the same {genuine} genuine and \
             {impostor} impostor pairs in each ({mode})"
        )
    }

    /// Faces that are left out, and runs whose stored metrics cover other faces.
    pub fn left_out(&self) -> Vec<String> {
        let PairedFaces { missing, differing, ref embedded, ref stored_on_other_faces, .. } = self.faces;
        let mut lines = Vec::new();
        if missing + differing > 0 {
            lines.push(format!(
                "left out of the {} faces of [1]: {missing} not embedded in another run, {differing} with another \
                 identity, image or content there",
                embedded[0]
            ));
        }
        if !stored_on_other_faces.is_empty() {
            lines.push(format!("stored metrics cover other faces in {}", stored_on_other_faces.join(", ")));
        }
        lines
    }
}

impl Effect {
    /// Difference, interval and verdict.
    pub fn sentence(&self, metric: HeadlineMetric) -> String {
        if self.verdict == EffectVerdict::Same {
            return "same".into();
        }
        format!("{} {}", metric.quantity().effect(&self.difference), self.verdict.name())
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
                format!(
                    "cosine at least {min:.6}, mean {mean:.6}, {identical} of {faces} identical; nearest face changed \
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
            (None, Some(reason)) => format!("; {reason} as [1]"),
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
            let next = ranked.to_next.as_ref().map_or_else(String::new, |effect| effect.sentence(self.by));
            vec![(i + 1).to_string(), format!("[{}]", ranked.run + 1), value, next]
        };
        self.ranks.iter().enumerate().map(row).collect()
    }
}

/// Shortens a long value in the middle: the start of a digest and the end of a path identify them.
fn shortened(value: &str) -> String {
    let characters: Vec<char> = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if characters.len() <= MAX_VALUE_WIDTH {
        return characters.into_iter().collect();
    }
    let (head, tail) =
        (&characters[..MAX_VALUE_WIDTH / 2], &characters[characters.len() - (MAX_VALUE_WIDTH / 2 - 1)..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

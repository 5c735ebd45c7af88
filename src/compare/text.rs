//! A comparison as text for a terminal.

use super::{
    Effect, EffectVerdict, Embeddings, FaceAgreement, HeadlineMetric, Paired, PairedFaces, PairedPairs, RankedRun,
    Ranking, RunComparison, Speed,
};

/// Characters of a value in a terminal table.
const WIDTH: usize = 30;

impl RunComparison {
    /// The comparison as text for a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut lines = vec![self.headline.clone(), String::new()];
        lines.extend(self.runs.iter().enumerate().map(|(i, run)| format!("[{}]  {run}", i + 1)));
        let numbers = (1..=self.runs.len()).map(|i| format!("[{i}]"));
        for (title, found) in [("plan", &self.plan), ("provenance", &self.provenance)] {
            if found.is_empty() {
                lines.extend([String::new(), format!("{title}: no difference")]);
                continue;
            }
            let head = ["differs in".to_owned(), title.to_owned()].into_iter().chain(numbers.clone()).collect();
            let rows = found.iter().map(|difference| {
                let values =
                    difference.values.iter().map(|value| value.as_deref().map_or_else(|| "–".into(), shortened));
                [difference.part.name().to_owned(), difference.key.clone()]
                    .into_iter()
                    .chain(values)
                    .collect::<Vec<_>>()
            });
            let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
            // Provenance has no parts worth a column.
            let skip = usize::from(title == "provenance");
            lines.extend([String::new(), aligned(&rows, skip)]);
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
            std::iter::once(row.name.clone()).chain(values).collect()
        });
        let rows: Vec<_> = std::iter::once(self.head("metric")).chain(rows).collect();
        let mut lines = vec![String::new(), aligned(&rows, 0), String::new()];
        lines.extend(self.not_paired.iter().map(|reason| format!("not paired: {reason}")));
        lines
            .push("each run on its own faces and pairs; differences are to [1]; * the intervals do not overlap".into());
        lines
    }

    /// The metrics on the same pairs, and how faces moved.
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
            std::iter::once(row.name.clone()).chain(values).collect()
        });
        let rows: Vec<_> = std::iter::once(self.head("metric")).chain(metrics).collect();
        lines.extend([String::new(), aligned(&rows, 0)]);
        let moved = paired
            .embeddings
            .iter()
            .enumerate()
            .filter_map(|(run, found)| Some(vec![format!("[{}]", run + 1), found.as_ref()?.sentence()]));
        let rows: Vec<_> = moved.collect();
        lines.extend([String::new(), "embeddings of the same faces, against [1]".into(), aligned(&rows, 0)]);
        if self.runs.len() > 2 {
            let title = format!("by {}", paired.ranking.by.name());
            let head = ["rank", "run", &title, "against the next"].map(str::to_owned).to_vec();
            let rows: Vec<_> = std::iter::once(head).chain(paired.ranking.rows()).collect();
            lines.extend([String::new(), aligned(&rows, 0)]);
        }
        lines
    }

    fn speed_lines(&self) -> Vec<String> {
        if self.speed.iter().all(Option::is_none) {
            return Vec::new();
        }
        let rows = self.speed.iter().enumerate().map(|(run, speed)| {
            let speed = speed.as_ref().map_or_else(|| "no timed chunk".into(), Speed::sentence);
            vec![format!("[{}]", run + 1), speed]
        });
        let rows: Vec<_> = rows.collect();
        vec![String::new(), "faces a second, median of the chunks".into(), aligned(&rows, 0)]
    }

    /// A title and the numbers of the runs.
    fn head(&self, title: &str) -> Vec<String> {
        std::iter::once(title.to_owned()).chain((1..=self.runs.len()).map(|i| format!("[{i}]"))).collect()
    }
}

impl Paired {
    /// Which faces and pairs the numbers rest on.
    #[must_use]
    pub fn sentence(&self) -> String {
        let PairedFaces { common, identities, .. } = self.faces;
        let PairedPairs { mode, genuine, impostor } = self.pairs;
        format!(
            "on the {common} faces of {identities} identities that all runs share: the same {genuine} same-identity and \
             {impostor} different-identity pairs in each ({mode})"
        )
    }

    /// Which faces are left out, and whose stored metrics rest on other faces.
    #[must_use]
    pub fn left_out(&self) -> Vec<String> {
        let PairedFaces { missing, differing, ref embedded, ref stored_on_other_faces, .. } = self.faces;
        let mut lines = Vec::new();
        if missing + differing > 0 {
            lines.push(format!(
                "left out of the {} faces of [1]: {missing} that another run has not embedded, {differing} whose \
                 identity, image or content is not the same in all",
                embedded[0]
            ));
        }
        if !stored_on_other_faces.is_empty() {
            lines.push(format!("stored metrics rest on other faces in {}", stored_on_other_faces.join(", ")));
        }
        lines
    }
}

impl Effect {
    /// Difference, interval and verdict.
    #[must_use]
    pub fn sentence(&self, metric: HeadlineMetric) -> String {
        if self.verdict == EffectVerdict::Same {
            return "same".into();
        }
        format!("{} {}", metric.quantity().effect(&self.difference), self.verdict.name())
    }
}

impl Embeddings {
    /// How far faces moved.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::NotComparable { reason } => format!("another space: {reason}"),
            Self::Compared(found) => {
                let FaceAgreement { faces, identical, min, mean, nearest, .. } = &**found;
                let which = if nearest.all { "faces" } else { "sampled faces" };
                format!(
                    "cosine at least {min:.6}, mean {mean:.6}, {identical} of {faces} identical; another nearest face \
                     for {} of {} {which}",
                    nearest.flipped, nearest.asked
                )
            }
        }
    }
}

impl Speed {
    /// Median, quartiles, and how they stand to the reference.
    #[must_use]
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
    /// A row a run: rank, run, value, how it stands to the next.
    #[must_use]
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

/// A long value without its middle: the beginning of a digest and the end of a path tell them apart.
fn shortened(value: &str) -> String {
    let characters: Vec<char> = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if characters.len() <= WIDTH {
        return characters.into_iter().collect();
    }
    let (head, tail) = (&characters[..WIDTH / 2], &characters[characters.len() - (WIDTH / 2 - 1)..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

/// Columns padded to their widest cell, from column `skip` on.
pub(crate) fn aligned(rows: &[Vec<String>], skip: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<_> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).skip(skip).map(|(cell, &width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

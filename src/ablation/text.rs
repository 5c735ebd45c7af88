//! Formats an ablation for the terminal.

use super::{AblationResult, AblationVariant, Change, Shared, verdict};
use crate::compare::{Effect, MetricDirection, PairedPairs};
use crate::config::Design;
use crate::text::counted;
use crate::text_table::TextTable;

impl AblationResult {
    /// The ablation as text for lines of `width` characters.
    pub fn to_text(&self, width: usize) -> String {
        let mut lines = vec![self.headline(), String::new()];
        lines.push(format!("{}; {}", self.better(), self.meaning()));
        lines.extend(self.shared.as_ref().map(Shared::sentence));
        lines.push(String::new());
        if self.design == Design::Grid {
            let rows = self.changes.iter().map(|change| {
                let [difference, verdict] = self.effect(change.effect.as_ref());
                [change.step.clone(), difference, verdict, change.over()]
            });
            let table = TextTable::new(["step", "mean change over the others", "", "of"]).rows(rows);
            lines.extend(table.fitted(width, 1));
            lines.push(String::new());
        }
        let change = if self.design == Design::Steps { "change from the previous" } else { "change from the config" };
        let head = ["", "variant", &self.metric.key, change, "", "faces/s", "run"];
        let rows = self.variants.iter().enumerate().map(|(number, variant)| {
            let value = match (&variant.value, &variant.err) {
                (Some(value), _) => self.metric.quantity.sentence(value),
                (None, Some(_)) => "not measured".into(),
                (None, None) => "–".into(),
            };
            let change = self.change_of(number);
            let [difference, verdict] = self.effect(change.as_ref().and_then(|change| change.effect.as_ref()));
            let run = variant.run.clone().unwrap_or_default();
            [format!("[{number}]"), variant.name.clone(), value, difference, verdict, variant.speed_text(), run]
        });
        lines.extend(TextTable::new(head).rows(rows).fitted(width, 2));
        let missing = self.variants.iter().filter_map(|variant| Some((&variant.name, variant.err.as_ref()?)));
        lines.extend(missing.map(|(name, reason)| format!("not measured: {name}: {reason}")));
        lines.join("\n")
    }

    /// Which direction of the metric is better.
    pub fn better(&self) -> String {
        let which = match self.metric.better {
            MetricDirection::Lower => "lower is better",
            MetricDirection::Higher => "higher is better",
            MetricDirection::Neither => "neither direction is better",
        };
        format!("{}: {which}", self.metric.name)
    }

    /// What a change is relative to.
    pub fn meaning(&self) -> &'static str {
        match self.design {
            Design::Steps => "each step keeps the changes before it, so another order may split the costs differently",
            Design::Each => "each step alone, against the config as it is",
            Design::Grid => "each step is averaged over all combinations of the others",
        }
    }

    /// The change that leads to a variant: from the variant before it, or from the config itself.
    pub fn change_of(&self, variant: usize) -> Option<Change> {
        match self.design {
            Design::Steps => {
                let ends = |change: &&Change| change.pairs.first().is_some_and(|&(_, to)| to == variant);
                self.changes.iter().find(ends).cloned()
            }
            Design::Each | Design::Grid => {
                let AblationVariant { name, to_config, .. } = self.variants.get(variant)?;
                let effect = Some(to_config.clone()?);
                Some(Change { step: name.clone(), pairs: vec![(0, variant)], planned: 1, effect })
            }
        }
    }

    /// Difference with interval, and verdict; empty if there is none.
    fn effect(&self, effect: Option<&Effect>) -> [String; 2] {
        effect.map_or_else(Default::default, |effect| {
            [self.metric.quantity.effect(&effect.difference), verdict(effect).into()]
        })
    }
}

impl Change {
    /// How many of the design's pairs were measured.
    pub fn over(&self) -> String {
        format!("{} of {}", self.pairs.len(), self.planned)
    }
}

impl AblationVariant {
    /// Faces per second; a dash if unknown.
    pub fn speed_text(&self) -> String {
        self.speed.as_ref().map_or_else(|| "–".into(), |speed| format!("{:.1}", speed.median))
    }
}

impl Shared {
    /// The faces and pairs behind the numbers.
    pub fn sentence(&self) -> String {
        let Self { faces, identities, left_out, pairs: PairedPairs { mode, genuine, impostor } } = self;
        let left_out = match left_out {
            0 => String::new(),
            1 => "; 1 face that is not the same in all variants is left out".into(),
            n => format!("; {n} faces that are not the same in all variants are left out"),
        };
        let of = format!("{} of {}", counted(*faces, "face"), counted(*identities, "identity"));
        if *mode == "searches" {
            return format!(
                "on {of}: the same {} for people in the gallery and {impostor} for strangers in each",
                counted(*genuine, "search")
            );
        }
        format!(
            "on {of}: the same {genuine} genuine and {} in each ({mode}){left_out}",
            counted(*impostor, "impostor pair")
        )
    }
}

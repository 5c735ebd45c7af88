//! Which variant is the fastest, as far as its rounds tell. Pure.

use super::statistics::{Quartiles, ratios};
use super::{MeasuredVariant, NetworkSetup, Throughput, VariantResult};
use crate::model::Precision;

/// Fewest rounds whose quartiles show how speed varies.
const FEWEST_ROUNDS: usize = 3;
/// Variants named where several are equally fast.
const NAMED: usize = 3;

impl MeasuredVariant {
    /// Its speed relative to another variant's, round by round, because drift of the machine affects both alike.
    pub fn relative_to(&self, other: &Self) -> Option<Quartiles> {
        Quartiles::of(&ratios(&self.by_round, &other.by_round))
    }
}

impl Throughput {
    /// The fastest variant that passes the accuracy gate, and those that are as fast within noise: the upper quartile of
    /// their ratio to it, round by round, reaches 1. The fastest median comes first; empty if no speed is valid.
    pub fn fastest(&self) -> Vec<(&VariantResult, &MeasuredVariant)> {
        let mut valid: Vec<_> = self.measured().filter(|(_, one)| one.gate.passed).collect();
        valid.sort_by(|(_, a), (_, b)| b.faces_per_second.median.total_cmp(&a.faces_per_second.median));
        let Some(&(_, first)) = valid.first() else { return Vec::new() };
        let mut place = 0;
        valid.retain(|(_, one)| {
            place += 1;
            place == 1 || self.rounds >= FEWEST_ROUNDS && one.relative_to(first).is_some_and(|ratio| ratio.upper >= 1.0)
        });
        valid
    }

    /// The fastest variant in words, or those that cannot be told apart.
    pub fn fastest_text(&self) -> String {
        let fastest = self.fastest();
        let speed = |one: &MeasuredVariant| format!("{:.1} faces per second", one.faces_per_second.median);
        match &fastest[..] {
            [] => "No speed is valid: every variant is struck out or could not be measured.".into(),
            [(cell, one)] => {
                let noise = match self.rounds {
                    rounds if rounds >= FEWEST_ROUNDS => String::new(),
                    1 => " in a single round, which does not show noise".into(),
                    rounds => format!(" in {rounds} rounds, too few to show noise"),
                };
                let cosine = one.agreement.closeness.min_cosine;
                format!("Fastest: {}, {}{noise}, lowest cosine to the reference {cosine:.6}.", cell.name, speed(one))
            }
            several => {
                let named = several.iter().take(NAMED).map(|(cell, one)| format!("{} ({})", cell.name, speed(one)));
                let more = several.len().saturating_sub(NAMED);
                let mut names: Vec<_> = named.chain((more > 0).then(|| format!("{more} more"))).collect();
                let last = names.pop().unwrap_or_default();
                format!("{} and {last} cannot be told apart within noise.", names.join(", "))
            }
        }
    }

    /// A line for each precision that is slower here than f32 beyond noise, on the same device, kernels and threads, each at
    /// its fastest batch size.
    pub fn slower_than_f32(&self) -> Vec<String> {
        let best = self.best_of_each(|a, b| a == b);
        let line = |(cell, one): &(&VariantResult, &MeasuredVariant)| {
            let engine = cell.variant.engine;
            let same = NetworkSetup { precision: Precision::F32, ..engine };
            let (_, f32) = best.iter().find(|(cell, _)| engine != same && cell.variant.engine == same)?;
            let ratio = one.relative_to(f32).filter(|ratio| self.rounds >= FEWEST_ROUNDS && ratio.upper < 1.0)?;
            Some(format!(
                "{} is slower than f32 here: {:.2} times its speed [{:.2}, {:.2}] ({engine}, each at its fastest batch size).",
                engine.precision.name(),
                ratio.median,
                ratio.lower,
                ratio.upper
            ))
        };
        best.iter().filter_map(line).collect()
    }

    /// The measured variants.
    pub fn measured(&self) -> impl Iterator<Item = (&VariantResult, &MeasuredVariant)> {
        self.variants.iter().filter_map(|cell| Some((cell, cell.measured()?)))
    }
}

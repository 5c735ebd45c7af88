//! `protocols:` and `published:`, validated.

use std::collections::BTreeSet;

use super::diagnostics::{Diagnostic, quoted};
use super::types::{FarTarget, Grid, PairsSource, Protocol, Published, Split};
use super::validate::{Context, Kind, KnownMetrics};
use super::wire;
use crate::metrics;

/// More thresholds than these would only cost time: at most they are a millionth of the range apart.
const MOST_THRESHOLDS: f64 = 1e6;

/// Names that are the first part of a metric path already.
const TAKEN: [&str; 4] = ["genuine", "impostor", "upstream", "faces"];

pub(super) fn protocols(wire: Vec<wire::Protocol>, context: &Context<'_>) -> Result<Vec<Protocol>, Diagnostic> {
    let mut names = BTreeSet::new();
    wire.into_iter()
        .enumerate()
        .map(|(index, wire)| {
            let index = index.to_string();
            let at = |key| ["protocols", index.as_str(), key];
            let name = name(wire.name, &at("name"), context)?;
            if !names.insert(name.clone()) {
                let rule = format!("two protocols are called {}", quoted(&name));
                return Err(context.problem(&at("name"), rule));
            }
            let file = |(place, file): (usize, &String)| {
                context.path(&["protocols", index.as_str(), "pairs", &place.to_string()], file, Kind::File)
            };
            let pairs = if wire.pairs.is_empty() {
                PairsSource::Dataset
            } else {
                PairsSource::Files { paths: wire.pairs.iter().enumerate().map(file).collect::<Result<_, _>>()? }
            };
            let split = match (wire.split, wire.folds) {
                (wire::Split::Folds, None) => Split::Folds { count: None },
                (wire::Split::Folds, Some(count)) => {
                    Split::Folds { count: Some(context.within(&at("folds"), count, 2, 1000)?) }
                }
                (wire::Split::TrainTest, None) => Split::TrainTest,
                (wire::Split::TrainTest, Some(_)) => {
                    let rule = "`folds` cuts the list into blocks, which `split: train-test` does not have";
                    return Err(context.problem(&at("folds"), rule).help("remove one of the two"));
                }
            };
            let within = |key, part| ["protocols", index.as_str(), key, part];
            let number = |key, part, value, low, high| context.decimal(&within(key, part), value, low, high);
            let wire::Grid { from, to, step } = wire.thresholds;
            let from = number("thresholds", "from", from, -1e3, 1e3)?;
            let to = number("thresholds", "to", to, from, 1e3)?;
            if to <= from {
                return Err(context.problem(&within("thresholds", "to"), "`to` must be above `from`"));
            }
            let finest = (to - from) / MOST_THRESHOLDS;
            let thresholds = Grid { from, to, step: number("thresholds", "step", step, finest, to - from)? };
            let far = FarTarget {
                target: number("far", "target", wire.far.target, 1e-9, 1.0)?,
                step: number("far", "step", wire.far.step, finest, to - from)?,
            };
            let (distance, subtract_mean) = (wire.distance, wire.subtract_mean);
            let max_left_out = context.within(&at("max_left_out"), wire.max_left_out, 0.0, 1.0)?;
            Ok(Protocol { name, pairs, split, distance, subtract_mean, thresholds, far, max_left_out })
        })
        .collect()
}

fn name(name: String, path: &[&str], context: &Context<'_>) -> Result<String, Diagnostic> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    if !starts || name.len() > 32 || !name.chars().all(plain) {
        let rule = "a protocol's name is the first part of its metrics' paths: lower-case letters, digits, `-` and `_`, \
                    starting with a letter or digit, at most 32 characters";
        return Err(context.problem(path, rule));
    }
    if TAKEN.contains(&name.as_str()) {
        let rule = format!("{} is the first part of other metrics' paths", quoted(&name));
        return Err(context.problem(path, rule).help(format!("for example `{name}-pairs`")));
    }
    Ok(name)
}

pub(super) fn published(
    wire: Vec<wire::Published>,
    known: &KnownMetrics<'_>,
    context: &Context<'_>,
) -> Result<Vec<Published>, Diagnostic> {
    wire.into_iter()
        .enumerate()
        .map(|(index, wire::Published { metric, value, plus_minus, source, differs })| {
            let index = index.to_string();
            let at = |key| ["published", index.as_str(), key];
            if let Some((rule, near, help)) = known.missing(&metric) {
                return Err(context.problem(&at("metric"), rule).maybe_help(near).help(help));
            }
            if !value.is_finite() {
                return Err(context.problem(&at("value"), "a published value must be a finite number"));
            }
            if let Some(spread) = plus_minus.filter(|spread| !(spread.is_finite() && *spread >= 0.0)) {
                return Err(
                    context.problem(&at("plus_minus"), format!("`plus_minus` must be 0 or more, here it is {spread}"))
                );
            }
            if metrics::is_rate(&metric) && !(0.0..=1.0).contains(&value) {
                let rule = format!("{} is a rate from 0 to 1, here it is {value}", quoted(&metric));
                return Err(context.problem(&at("value"), rule).help("99.65% is written 0.9965"));
            }
            if source.trim().is_empty() {
                return Err(context.problem(&at("source"), "say where the value was published"));
            }
            Ok(Published { metric, value, plus_minus, source, differs })
        })
        .collect()
}

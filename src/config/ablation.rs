//! The rules of `ablation`.

use super::diagnostics::{Diagnostic, did_you_mean, listed, quoted};
use super::tree::{Key, Node, Value};
use super::types::{Ablation, Step};
use super::validate::{Context, at_key};
use super::wire;
use crate::metrics::HEADLINES;

/// More runs than this are no ablation that anybody reads.
const MOST_VARIANTS: usize = 64;

/// Characters of a step's name: it stands in a chart.
const LONGEST_NAME: usize = 60;

/// Validates the section. What the steps set is checked where a variant is made.
pub(super) fn validated(wire: wire::Ablation, context: &Context<'_>) -> Result<Ablation, Diagnostic> {
    let wire::Ablation { metric, design, steps } = wire;
    if !HEADLINES.contains(&metric.as_str()) {
        let rule = format!("an ablation cannot tell costs by {}", quoted(&metric));
        return Err(context
            .problem(&["ablation", "metric"], rule)
            .maybe_help(did_you_mean(&metric, HEADLINES))
            .help(format!("it can by {}", listed(&HEADLINES))));
    }
    let variants = design.variants(steps.len());
    if steps.is_empty() || variants > MOST_VARIANTS {
        let rule = match steps.len() {
            0 => "an ablation needs at least one step".to_owned(),
            steps => format!("{steps} steps in the design `{}` are {variants} variants", design.name()),
        };
        return Err(context
            .problem(&["ablation", "steps"], rule)
            .help(format!("at most {MOST_VARIANTS} variants are computed; a grid of n steps has 2ⁿ of them")));
    }
    let mut validated: Vec<Step> = Vec::new();
    for (index, wire) in steps.into_iter().enumerate() {
        let place = index.to_string();
        let name = ["ablation", "steps", &place, "name"];
        let step = step(wire, &place, context)?;
        if validated.iter().any(|earlier| earlier.name == step.name) {
            return Err(context.problem(&name, format!("two steps are called {}", quoted(&step.name))));
        }
        validated.push(step);
    }
    Ok(Ablation { metric, design, steps: validated })
}

fn step(wire: wire::AblationStep, index: &str, context: &Context<'_>) -> Result<Step, Diagnostic> {
    let name = wire.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
        let rule = format!("the name of a step is one line of 1 to {LONGEST_NAME} characters");
        return Err(context.problem(&["ablation", "steps", index, "name"], rule));
    }
    let here = ["ablation", "steps", index, "set"];
    if wire.set.is_empty() {
        return Err(at_key(context, &here, format!("the step {} sets nothing", quoted(name))));
    }
    let set = set(context.tree, &here);
    if let Some((key, _)) = set.iter().find(|(key, _)| key.name.split('.').next() == Some("ablation")) {
        let rule = "a step cannot change the ablation it is a step of".into();
        return Err(at_key(context, &["ablation", "steps", index, "set", &key.name], rule));
    }
    Ok(Step { name: name.to_owned(), set: set.iter().map(as_override).collect() })
}

/// The keys and values that a step sets, in the order in which they are written.
pub(super) fn set<'a>(tree: &'a Node, path: &[&str]) -> &'a [(Key, Node)] {
    match &tree.deepest(path).value {
        Value::Map(entries) => entries,
        _ => &[],
    }
}

/// `key.path=value`, as on the command line.
pub(super) fn as_override((key, node): &(Key, Node)) -> String {
    format!("{}={}", key.name, node.flow())
}

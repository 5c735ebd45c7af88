//! The rules of `ablation` that relate several values.

use super::diagnostics::{Diagnostic, listed, quoted};
use super::overrides;
use super::protocols::Protocols;
use super::tree::{Key, Node, Value};
use super::types::Ablation;
use super::validate::{Context, at_key};
use crate::metrics::{self, HEADLINES};
use crate::spelling::did_you_mean;

/// Nobody reads an ablation of more runs than this.
const MOST_VARIANTS: usize = 64;

/// Validates the section, and takes what its steps set from the tree. That itself is checked when a variant is made.
pub(super) fn validated(
    mut ablation: Ablation,
    protocols: &Protocols,
    context: &Context<'_>,
) -> Result<Ablation, Diagnostic> {
    let Ablation { metric, design, steps } = &mut ablation;
    let accuracies = protocols.pairs.iter().map(|protocol| format!("{}.accuracy", protocol.name));
    let searches = protocols.identification.iter().flat_map(metrics::identification_paths);
    let searches = searches.filter(|metric| !metric.contains(".fnir@"));
    let templates = protocols.templates.iter().flat_map(|protocol| metrics::template_paths(&protocol.name));
    let templates = templates.filter(|metric| metric.contains(".tar@"));
    let of_protocols: Vec<String> = accuracies.chain(searches).chain(templates).collect();
    let known: Vec<&str> = HEADLINES.iter().copied().chain(of_protocols.iter().map(String::as_str)).collect();
    if !known.contains(&metric.as_str()) {
        let rule = format!("`ablation.metric` must be {}, got {}", listed(&known, "or"), quoted(metric));
        return Err(context
            .problem(&["ablation", "metric"], rule)
            .maybe_help(did_you_mean(metric, known.iter().copied())));
    }
    let variants = design.variants(steps.len());
    if variants > MOST_VARIANTS {
        let rule = format!("{} steps in the design `{}` are {variants} variants", steps.len(), design.name());
        return Err(context
            .problem(&["ablation", "steps"], rule)
            .help(format!("at most {MOST_VARIANTS} variants are computed; n steps make 2ⁿ of them in a grid")));
    }
    for index in 0..steps.len() {
        let place = index.to_string();
        let name = steps[index].name.trim().to_owned();
        if steps[..index].iter().any(|earlier| earlier.name == name) {
            let key = ["ablation", "steps", &place, "name"];
            return Err(context.problem(&key, format!("two steps are called {}", quoted(&name))));
        }
        let set = set(context.tree, &["ablation", "steps", &place, "set"]);
        if let Some((key, _)) = set.iter().find(|(key, _)| key.name.split('.').next() == Some("ablation")) {
            let rule = "a step cannot change the ablation that it is a step of".into();
            return Err(at_key(context, &["ablation", "steps", &place, "set", &key.name], rule));
        }
        let overrides: Vec<_> = set.iter().map(as_override).collect();
        for ((key, _), text) in set.iter().zip(&overrides) {
            if overrides::read(text).is_none_or(|(path, _)| path != key.name) {
                let rule = format!("a step sets keys, written as in `--set`, and {} is none", quoted(&key.name));
                return Err(at_key(context, &["ablation", "steps", &place, "set", &key.name], rule)
                    .help("write the keys with single dots between them: `embed.batch_size: 64`"));
            }
        }
        steps[index].name = name;
        steps[index].set = overrides;
    }
    Ok(ablation)
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use insta::assert_snapshot;

    use crate::config::{Design, Loaded, load, load_stored};

    const SMALL: &str = "\
name: small
dataset: {source: synthetic, identities: 3, samples: 2}
weights: {source: embedded, name: demo}
";

    /// A config of these lines, in a folder that is gone when the test ends.
    fn loaded(lines: &str, overrides: &[&str]) -> (tempfile::TempDir, PathBuf, Result<Loaded, String>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.yaml");
        fs::write(&path, format!("{SMALL}{lines}")).unwrap();
        let overrides: Vec<_> = overrides.iter().map(ToString::to_string).collect();
        let found = load(&path, &overrides).map_err(|error| plain(&error.to_string(), &folder));
        (folder, path, found)
    }

    fn plain(text: &str, folder: &tempfile::TempDir) -> String {
        text.replace(&folder.path().display().to_string(), "DIR")
    }

    fn refused(lines: &str) -> String {
        loaded(lines, &[]).2.unwrap_err()
    }

    fn step_refused(set: &str) -> String {
        let (folder, path, found) =
            loaded(&format!("ablation:\n  steps:\n  - name: other\n    set:\n      {set}\n"), &[]);
        plain(&found.unwrap().with_steps(&path, &[0]).unwrap_err().to_string(), &folder)
    }

    #[test]
    fn a_step_changes_what_a_set_would_change() {
        let lines = "\
ablation:
  design: grid
  steps:
    - {name: a, set: {preprocess.mirror: sum, preprocess.crop: {mode: box, margin: 3, unit: output-pixels}}}
    - {name: b, set: {preprocess.mirror: 'none', description: 'null', seed: 7, preprocess.standardise.mean: -0.5}}
";
        let (_folder, path, found) = loaded(lines, &["ablation.design=steps", "similarity.hardest=3"]);
        let found = found.unwrap();
        let asked = found.config.ablation.clone().unwrap();
        assert_eq!((asked.metric.as_str(), asked.design, asked.steps.len()), ("eer", Design::Steps, 2));
        let both = found.with_steps(&path, &[0, 1]).unwrap();
        assert_eq!(
            both.overrides,
            [
                "similarity.hardest=3",
                "preprocess.mirror=sum",
                r#"preprocess.crop={"mode": box, "margin": 3, "unit": output-pixels}"#,
                "preprocess.mirror=none",
                r#"description="null""#,
                "seed=7",
                "preprocess.standardise.mean=-0.5",
            ],
            "later steps win, and overrides of the ablation itself are not part of a variant"
        );
        assert_eq!((both.config.seed, both.config.description.as_str()), (7, "null"));
        // What the run keeps says the same without the ablation.
        let again = load_stored(both.text.as_bytes(), &path, &both.overrides, path.parent().unwrap()).unwrap().config;
        let without = |mut config: crate::config::ExperimentConfig| {
            config.ablation = None;
            config
        };
        assert_eq!(without(again), without(both.config));
        assert_eq!(found.with_steps(&path, &[]).unwrap().overrides, ["similarity.hardest=3"]);
    }

    #[test]
    fn a_wrong_step_is_refused_with_its_place() {
        assert_snapshot!(step_refused("preprocess.miror: sum"), @"
        error: unknown key `miror` in `preprocess`
         --> in step `other`, DIR/c.yaml:8:7
          |
          | preprocess.miror=sum
          |            ^^^^^
          = help: did you mean `mirror`?
          = help: the keys are `profile`, `crop`, `resize`, `channels`, `standardise` and `mirror`
        ");
        for (set, rule) in [
            ("preprocess.mirror: twice", "error: `preprocess.mirror` must be `none`, `sum` or `concat`, got `twice`"),
            ("preprocess.resize.size: 3", "error: `preprocess.resize.size` must be from 32 to 1024, got 3"),
        ] {
            let text = step_refused(set);
            assert!(text.starts_with(rule) && text.contains("in step `other`, DIR/c.yaml:8:7"), "{text}");
        }
    }

    #[test]
    fn a_wrong_section_is_refused() {
        let step = |i: usize| format!("{{name: s{i}, set: {{seed: {i}}}}}");
        let steps = (0..7).map(step).collect::<Vec<_>>().join(", ");
        for (section, rule) in [
            ("metric: err, steps: [{name: a, set: {seed: 1}}]", "error: `ablation.metric` must be `eer`, "),
            ("steps: []", "error: `ablation.steps` must not be empty"),
            ("steps: [{name: a, set: {}}]", "error: `ablation.steps.0.set` must not be empty"),
            (
                "steps: [{name: ' ', set: {seed: 1}}]",
                "error: `ablation.steps.0.name` must be one line of 1 to 60 characters, got ` `",
            ),
            ("steps: [{name: a, set: {seed: 1}}, {name: ' a', set: {seed: 2}}]", "error: two steps are called `a`"),
            (
                "steps: [{name: a, set: {ablation.metric: auc}}]",
                "error: a step cannot change the ablation that it is a step of",
            ),
            (
                "steps: [{name: a, set: {embed..batch_size: 3}}]",
                "error: a step sets keys, written as in `--set`, and `embed..batch_size` is none",
            ),
            (
                "steps: [{name: a, set: {seed=1: 3}}]",
                "error: a step sets keys, written as in `--set`, and `seed=1` is none",
            ),
            (&format!("design: grid, steps: [{steps}]"), "error: 7 steps in the design `grid` are 128 variants"),
        ] {
            let text = refused(&format!("ablation: {{{section}}}"));
            assert!(text.starts_with(rule) && text.contains("--> DIR/c.yaml:4:"), "{text}");
        }
    }
}

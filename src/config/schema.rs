//! The JSON Schema of a config, generated from the sections' types. Editors check configs with it
//! (`configs/schema.json`), and so does this program ([`super::rules`]); the tables of `configs/README.md` come from it too.
//!
//! Besides what JSON Schema has, fields carry
//!
//! - `x-unit`: the unit of a number,
//! - `x-values`: in words, what a value must be,
//! - `x-default`: the default in words, where it is not a plain value,
//! - `x-help`: what to do when a text breaks its pattern,
//! - `x-digits`: significant digits that a number of a run's identity is rounded to.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::Regex;
use serde_json::Value as Json;

use super::wire::Experiment;

/// The schema as data.
pub(super) static SCHEMA: LazyLock<Json> = LazyLock::new(|| schemars::schema_for!(Experiment).to_value());

/// The schema as stored in `configs/schema.json`.
#[must_use]
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&*SCHEMA).unwrap_or_default();
    text.push('\n');
    text
}

/// The pattern that a text must match. Each is compiled once: that takes longer than all else that is done with a config.
pub(super) fn pattern(schema: &'static Json) -> Option<Regex> {
    static COMPILED: LazyLock<Mutex<HashMap<&str, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let pattern = schema["pattern"].as_str()?;
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    compiled.entry(pattern).or_insert_with(|| Regex::new(pattern).ok()).clone()
}

/// What a schema asks for.
pub(super) enum SchemaKind<'a> {
    /// A mapping whose keys depend on what one of them says: that key, and a schema for each of its values.
    Tagged(&'a str, Vec<(&'a str, &'a Json)>),
    /// A mapping with these keys.
    Mapping,
    /// A mapping from any text to values of one kind.
    Map(&'a Json),
    /// A list of values of one kind.
    List(&'a Json),
    /// One of some words, or something else.
    Words(Vec<&'a str>, Option<&'a Json>),
    Text,
    Bool,
    Integer,
    Number,
    Anything,
}

/// Follows references. The flag says whether the value may be left empty.
pub(super) fn resolved(schema: &'static Json) -> (bool, &'static Json) {
    if let Some(reference) = schema["$ref"].as_str() {
        return SCHEMA.pointer(reference.trim_start_matches('#')).map_or((false, schema), resolved);
    }
    let null = |schema: &&Json| schema["type"] == "null";
    match schema["anyOf"].as_array() {
        Some(either) if either.iter().any(|one| null(&one)) => {
            (true, either.iter().find(|one| !null(one)).map_or(schema, |one| resolved(one).1))
        }
        _ => (texts(&schema["type"]).any(|name| name == "null"), schema),
    }
}

/// What a resolved schema asks for.
pub(super) fn kind(schema: &'static Json) -> SchemaKind<'static> {
    let branches: Vec<&Json> = schema["oneOf"].as_array().map_or_else(|| vec![schema], |all| all.iter().collect());
    let tagged: Vec<_> = branches.iter().filter_map(|one| tag(one).map(|(key, name)| (key, (name, *one)))).collect();
    if let (Some((key, _)), true) = (tagged.first(), schema["oneOf"].is_array()) {
        return SchemaKind::Tagged(key, tagged.into_iter().map(|(_, variant)| variant).collect());
    }
    let words: Vec<&str> = branches.iter().flat_map(|one| texts(&one["const"]).chain(texts(&one["enum"]))).collect();
    if !words.is_empty() {
        let wordless = |one: &&Json| one["const"].is_null() && one["enum"].is_null();
        return SchemaKind::Words(words, branches.into_iter().find(wordless));
    }
    match texts(&schema["type"]).find(|name| *name != "null") {
        Some("object") if schema["properties"].is_object() => SchemaKind::Mapping,
        Some("object") => SchemaKind::Map(&schema["additionalProperties"]),
        Some("array") => SchemaKind::List(&schema["items"]),
        Some("string") => SchemaKind::Text,
        Some("boolean") => SchemaKind::Bool,
        Some("integer") => SchemaKind::Integer,
        Some("number") => SchemaKind::Number,
        _ => SchemaKind::Anything,
    }
}

/// The key that says which variant a mapping is, and what it says of this one.
pub(super) fn tag(schema: &Json) -> Option<(&str, &str)> {
    let mut properties = schema["properties"].as_object()?.iter();
    properties.find_map(|(key, value)| Some((key.as_str(), value["const"].as_str()?)))
}

/// What the key that says which variant a mapping is means where it is left out; `None` where it may not be.
pub(super) fn default_tag(tag: &str, variants: &[(&'static str, &'static Json)]) -> Option<&'static str> {
    let optional = |(_, variant): &&(&str, &Json)| texts(&variant["required"]).all(|required| required != tag);
    variants.iter().find(optional).map(|(word, _)| *word)
}

/// A text, or all texts of a list.
pub(super) fn texts(value: &Json) -> impl Iterator<Item = &str> {
    value.as_str().into_iter().chain(value.as_array().into_iter().flatten().filter_map(Json::as_str))
}

/// The range of a number in words: `from 1 to 1024`. `write` writes a number.
pub(super) fn range(schema: &Json, write: impl Fn(f64) -> String) -> Option<String> {
    let limit = |name: &str| schema[name].as_f64().map(&write);
    match (limit("minimum"), limit("exclusiveMinimum"), limit("maximum")) {
        (Some(low), _, Some(high)) => Some(format!("from {low} to {high}")),
        (Some(low), _, None) => Some(format!("at least {low}")),
        (None, Some(low), Some(high)) => Some(format!("above {low} and at most {high}")),
        (None, Some(low), None) => Some(format!("above {low}")),
        (None, None, Some(high)) => Some(format!("at most {high}")),
        (None, None, None) => None,
    }
}

/// A number as people write it.
pub(super) fn shown(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-4 { format!("{value:e}") } else { value.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::key_table;
    use crate::generated::{between_markers, is_current, path};
    use crate::model::Network;

    #[test]
    fn the_committed_schema_is_current() {
        is_current("configs/schema.json", |_| schema());
    }

    #[test]
    fn the_readmes_tables_of_the_schema_are_current() {
        is_current("configs/README.md", |readme| between_markers(readme, "keys", &key_table()));
    }

    #[test]
    fn the_readme_lists_every_metric_and_profile() {
        let readme = std::fs::read_to_string(path("configs/README.md")).unwrap();
        for name in crate::metrics::PATHS.iter().chain(crate::preprocess::PROFILES) {
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }

    #[test]
    fn every_pattern_compiles_and_has_words_and_every_small_integer_a_range() {
        fn walk(schema: &Json, found: &mut usize) {
            if let Some(pattern) = schema.get("pattern").filter(|_| schema["type"] != Json::Null) {
                Regex::new(pattern.as_str().unwrap()).unwrap();
                assert!(schema["x-values"].is_string(), "{schema}");
                *found += 1;
            }
            if schema["format"] == "uint32" {
                assert!(schema["maximum"].is_number(), "serde would refuse more without a place: {schema}");
            }
            match schema {
                Json::Object(entries) => entries.values().for_each(|value| walk(value, found)),
                Json::Array(items) => items.iter().for_each(|value| walk(value, found)),
                _ => {}
            }
        }
        let mut found = 0;
        walk(&SCHEMA, &mut found);
        assert!(found > 10, "{found}");
    }

    #[test]
    fn the_range_of_sizes_is_that_of_the_networks() {
        let sides = |network: Network| network.facts().sides.clone();
        let all = Network::ALL;
        let (low, high) = (all.map(|one| *sides(one).start()), all.map(|one| *sides(one).end()));
        let size = &SCHEMA["$defs"]["ResizeChanges"]["properties"]["size"];
        assert_eq!(size["minimum"].as_u64(), low.iter().min().map(|&side| side.into()));
        assert_eq!(size["maximum"].as_u64(), high.iter().max().map(|&side| side.into()));
    }
}

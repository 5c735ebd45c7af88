//! A config for people to read: a key that was left out says what that means, or is left out here too.

use serde_json::Value as Json;

use super::as_written;
use super::schema::{SCHEMA, SchemaKind, default_tag, kind, resolved};
use super::types::ExperimentConfig;

static UNKNOWN: Json = Json::Null;

/// The config as a file spells it, with its defaults; `threads: null` becomes `threads: all cores`, and a list of plain
/// values one text.
#[must_use]
pub fn in_words(config: &ExperimentConfig) -> Json {
    let mut filled = fill(&as_written(config), &SCHEMA).unwrap_or_default();
    if config.preprocess.profile == "custom" {
        filled["preprocess"]["profile"] = "custom: the parts below".into();
    }
    filled
}

/// `written` is the schema of `value` where it is written, with its own `x-default`.
fn fill(value: &Json, written: &'static Json) -> Option<Json> {
    match value {
        Json::Null => written["x-default"].as_str().map(Json::from),
        Json::Object(entries) if !entries.is_empty() => {
            let below = |name: &str| property(value, resolved(written).1, name);
            let filled: serde_json::Map<_, _> =
                entries.iter().filter_map(|(name, value)| Some((name.clone(), fill(value, below(name))?))).collect();
            (!filled.is_empty()).then_some(Json::Object(filled))
        }
        // `--set` takes such a list as a whole.
        Json::Array(items) if !items.is_empty() && items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let items: Vec<_> =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned)).collect();
            Some(format!("[{}]", items.join(", ")).into())
        }
        Json::Array(items) if !items.is_empty() => {
            let each = if let SchemaKind::List(each) = kind(resolved(written).1) { each } else { &UNKNOWN };
            Some(items.iter().filter_map(|item| fill(item, each)).collect())
        }
        _ => Some(value.clone()),
    }
}

fn property(mapping: &Json, schema: &'static Json, name: &str) -> &'static Json {
    match kind(schema) {
        SchemaKind::Tagged(tag, variants) => {
            let default = default_tag(tag, &variants);
            let word = mapping[tag].as_str().or(default);
            let variant = variants.into_iter().find(|(variant, _)| Some(*variant) == word);
            variant.map_or(&UNKNOWN, |(_, schema)| &schema["properties"][name])
        }
        SchemaKind::Mapping => &schema["properties"][name],
        SchemaKind::Map(each) => each,
        _ => &UNKNOWN,
    }
}

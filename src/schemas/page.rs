//! The generated part of `docs/files.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value as Json;

use super::{PublishedSchema, tables};
use crate::table::Table;

/// Tables, files of JSON, outputs of commands, and the objects that these share.
pub(super) fn page(published: &[PublishedSchema]) -> String {
    let documents: Vec<&PublishedSchema> = published.iter().filter(|document| document.name != "tables").collect();
    let definitions = documents.iter().filter_map(|document| document.schema["$defs"].as_object()).flatten();
    let objects = Objects(definitions.map(|(name, schema)| (name.as_str(), schema)).collect());
    let mut page = "## Tables\n".to_owned();
    page.extend(tables().map(|(name, table)| table_section(&name, table)));
    page.push_str("\n## JSON\n");
    page.extend(documents.iter().map(|document| objects.document(document)));
    page.push_str("\n## Objects\n\nWhat the fields above refer to, in alphabetical order.\n");
    for (name, schema) in objects.0.iter().filter(|(_, schema)| words(schema).is_none()) {
        let _ = write!(page, "\n### {name}\n\n{}\n{}", description(schema), objects.content(schema));
    }
    page
}

fn table_section(name: &str, table: &Table) -> String {
    let mut section =
        format!("\n### `{name}`\n\n{}\n\n| column | type | unit | meaning |\n|---|---|---|---|\n", table.about);
    for column in table.columns() {
        let (kind, unit) = (column.kind.name(), column.unit.unwrap_or_default());
        let _ = writeln!(section, "| `{}` | {kind} | {unit} | {} |", column.name, cell(&column.description()));
    }
    if let Some(others) = table.others {
        let _ = writeln!(section, "\nThen: {others}");
    }
    section
}

/// All objects that have a name.
struct Objects<'a>(BTreeMap<&'a str, &'a Json>);

impl Objects<'_> {
    fn document(&self, document: &PublishedSchema) -> String {
        let PublishedSchema { name, of, schema } = document;
        let (version, what) = (&schema["x-version"], description(schema));
        let file = format!("[`{name}.schema.json`](../schemas/{name}.schema.json)");
        let head = format!("{what} Schema: {file}, version {version}.");
        format!("\n### `{of}`\n\n{}\n{}", head.trim_start(), self.content(schema))
    }

    /// The fields of an object, variant by variant; of anything else, what it is.
    fn content(&self, schema: &Json) -> String {
        let mut text = String::new();
        if schema["properties"].is_object() {
            text.push_str("\n| field | type | meaning |\n|---|---|---|\n");
            self.fields(schema, "", &mut text);
        }
        let variants = schema["oneOf"].as_array();
        for variant in variants.into_iter().flatten() {
            let _ = write!(text, "\n{}\n{}", description(variant), self.content(variant));
        }
        if text.is_empty() && variants.is_none() && words(schema).is_none() {
            let _ = writeln!(text, "\nA {}.", self.kind(schema));
        }
        text
    }

    fn fields(&self, schema: &Json, prefix: &str, text: &mut String) {
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            if property["properties"].is_object() {
                self.fields(property, &format!("{prefix}{name}."), text);
                continue;
            }
            let always = schema["required"].as_array().is_some_and(|names| names.contains(&name.as_str().into()));
            let absent = if always { "" } else { " May be absent." };
            let (kind, meaning) = (self.kind(property), cell(&description(property)));
            let _ = writeln!(text, "| `{prefix}{name}` | {kind} | {meaning}{absent} |");
        }
    }

    /// What a value is, in words.
    fn kind(&self, schema: &Json) -> String {
        if let Some(words) = words(schema) {
            return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        }
        if let Some(reference) = schema["$ref"].as_str() {
            let name = reference.rsplit('/').next().unwrap_or(reference);
            let named = self.0.get(name).filter(|named| words(named).is_some());
            return named.map_or_else(|| format!("[{name}](#{})", name.to_lowercase()), |named| self.kind(named));
        }
        let any = |kinds: &[Json]| kinds.iter().map(|one| self.kind(one)).collect::<Vec<_>>().join(" or ");
        if let Some(either) = schema["anyOf"].as_array() {
            return any(either);
        }
        match &schema["type"] {
            Json::Array(either) => {
                let one = |name: &Json| {
                    let mut one = schema.clone();
                    one["type"] = name.clone();
                    one
                };
                any(&either.iter().map(one).collect::<Vec<_>>())
            }
            Json::String(name) => match (name.as_str(), schema["maxItems"].as_u64()) {
                ("array", Some(count)) => format!("{count} × {}", self.kind(&schema["items"])),
                ("array", None) => format!("list of {}", self.kind(&schema["items"])),
                ("object", _) if schema["additionalProperties"].is_object() => {
                    format!("map from text to {}", self.kind(&schema["additionalProperties"]))
                }
                ("string", _) => "text".into(),
                ("integer", _) => "whole number".into(),
                (name, _) => name.to_owned(),
            },
            _ => "any value".into(),
        }
    }
}

fn description(schema: &Json) -> String {
    schema["description"].as_str().unwrap_or_default().to_owned()
}

/// A text in one cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// The words that a text may be, where these are all it may be.
fn words(schema: &Json) -> Option<Vec<&str>> {
    let branches = schema["oneOf"].as_array().map_or_else(|| vec![schema], |all| all.iter().collect());
    let words: Option<Vec<Vec<&str>>> = branches
        .into_iter()
        .map(|branch| match (&branch["const"], &branch["enum"]) {
            (Json::String(word), _) => Some(vec![word.as_str()]),
            (_, Json::Array(words)) => words.iter().map(Json::as_str).collect(),
            _ => None,
        })
        .collect();
    words.map(|words| words.concat())
}

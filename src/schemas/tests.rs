use super::*;
use crate::generated::{between_markers, is_current, path};

/// What readers of the older schema would notice: a property that is gone, may be missing now, or holds something else.
fn breaks(old: &Json, new: &Json, at: &str, found: &mut Vec<String>) {
    for key in ["properties", "$defs"] {
        for (name, old) in old[key].as_object().into_iter().flatten() {
            match new[key].get(name) {
                Some(new) => breaks(old, new, &format!("{at}.{name}"), found),
                None => found.push(format!("{at}.{name} is gone")),
            }
        }
    }
    for name in old["required"].as_array().into_iter().flatten() {
        if !new["required"].as_array().is_some_and(|names| names.contains(name)) {
            found.push(format!("{at}.{name} may be missing"));
        }
    }
    for key in ["type", "format", "$ref", "const", "x-unit", "anyOf", "additionalProperties"] {
        if without_descriptions(&old[key]) != without_descriptions(&new[key]) {
            found.push(format!("{at}: {key} is {} instead of {}", new[key], old[key]));
        }
    }
    if old["items"].is_object() {
        breaks(&old["items"], &new["items"], &format!("{at}[]"), found);
    }
}

fn without_descriptions(schema: &Json) -> Json {
    match schema {
        Json::Object(entries) => {
            let kept = entries.iter().filter(|(key, value)| !(*key == "description" && value.is_string()));
            Json::Object(kept.map(|(key, value)| (key.clone(), without_descriptions(value))).collect())
        }
        Json::Array(items) => items.iter().map(without_descriptions).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_committed_schemas_are_current_and_break_no_reader_of_their_version() {
    for schema in published() {
        is_current(&format!("schemas/{}.schema.json", schema.name), |committed| {
            let old: Json = serde_json::from_str(committed).unwrap_or_default();
            let mut found = Vec::new();
            if old["x-version"] == schema.schema["x-version"] {
                breaks(&old, &schema.schema, schema.name, &mut found);
            }
            assert!(found.is_empty(), "raise the version of `{}`: {}", schema.of, found.join("; "));
            schema.text()
        });
    }
    let mut expected: Vec<String> = published().iter().map(|schema| format!("{}.schema.json", schema.name)).collect();
    let found = std::fs::read_dir(path("schemas")).unwrap();
    let mut found: Vec<String> = found.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected, "no other file is a schema");
}

#[test]
fn the_page_of_the_schemas_is_current() {
    is_current("docs/files.md", |text| between_markers(text, "files", &page()));
}

#[test]
fn every_column_and_field_is_described_in_plain_words() {
    fn walk(schema: &Json, at: &str, found: &mut Vec<String>) {
        // A variant that is named by its only property is described itself.
        let variant = at.ends_with(".oneOf") && schema["description"].is_string();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            match property["description"].as_str() {
                Some(text) if text.contains("[`") || text.contains("::") => found.push(format!("{at}.{name}: {text}")),
                Some(text) if text.ends_with(['.', ')']) => {}
                Some(text) => found.push(format!("{at}.{name}: no sentence: {text}")),
                None if variant || property["const"].is_string() => {}
                None => found.push(format!("{at}.{name}: no description")),
            }
        }
        match schema {
            Json::Object(entries) => {
                entries.iter().for_each(|(name, value)| walk(value, &format!("{at}.{name}"), found));
            }
            Json::Array(items) => items.iter().for_each(|value| walk(value, at, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for schema in published() {
        walk(&schema.schema, schema.name, &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_name_means_one_object_in_all_schemas() {
    let mut known = std::collections::BTreeMap::new();
    for schema in published() {
        for (name, object) in schema.schema["$defs"].as_object().into_iter().flatten() {
            let first = known.entry(name.clone()).or_insert_with(|| object.clone());
            assert!(first == object, "`{name}` of {}", schema.of);
        }
    }
}

#[test]
fn what_breaks_a_reader_is_found() {
    let old = json!({"properties": {"a": {"type": "integer"}, "b": {"type": "number"}}, "required": ["a", "b"]});
    let broken = |new: Json| {
        let mut found = Vec::new();
        breaks(&old, &new, "x", &mut found);
        found.join("; ")
    };
    let with = |a: &str, required: &[&str]| {
        let properties = json!({"a": {"type": a}, "b": {"type": "number"}, "c": {"type": "string"}});
        json!({"properties": properties, "required": required})
    };
    assert_eq!(broken(with("integer", &["a", "b", "c"])), "", "more may be said");
    assert_eq!(broken(with("string", &["a", "b"])), r#"x.a: type is "string" instead of "integer""#);
    assert_eq!(broken(with("integer", &["a"])), r#"x."b" may be missing"#);
    let either = |text: &str| json!({"properties": {"a": {"anyOf": [{"type": "null", "description": text}]}}});
    let mut found = Vec::new();
    breaks(&either("before"), &either("after"), "x", &mut found);
    assert!(found.is_empty(), "words may change: {found:?}");
    let fewer = json!({"properties": {"a": {"type": "integer"}}, "required": ["a", "b"]});
    assert_eq!(broken(fewer), "x.b is gone");
}

#[test]
fn links_to_code_become_words() {
    assert_eq!(plain("As [`crate::a::B`] says,\nor `None`."), "As `B` says, or `null`.");
}

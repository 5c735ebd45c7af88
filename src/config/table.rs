//! The tables of keys in `configs/README.md`, generated from the schema.

use serde_json::Value as Json;

use super::schema::{SCHEMA, SchemaKind, default_tag, kind, range, resolved, shown, texts};

/// A row, once for all variants in which it says the same.
#[derive(PartialEq)]
struct Row {
    key: String,
    /// Values of the key that says which variant the mapping is.
    variants: Vec<&'static str>,
    meaning: String,
    values: String,
    default: String,
}

/// A heading and a table for each section, as `configs/README.md` shows them.
pub fn key_table() -> String {
    let mut scalars = Vec::new();
    let mut sections = Vec::new();
    for (name, property) in SCHEMA["properties"].as_object().into_iter().flatten() {
        let mut rows = Vec::new();
        add(&mut rows, name, property, is_required(&SCHEMA, name), None);
        if rows.len() == 1 { scalars.append(&mut rows) } else { sections.push((format!("`{name}`"), rows)) }
    }
    sections.insert(0, ("The experiment".to_owned(), scalars));
    sections.iter().map(|(name, rows)| section(name, rows)).collect::<Vec<_>>().join("\n")
}

fn section(name: &str, rows: &[Row]) -> String {
    let head = format!("### {name}\n\n| key | meaning | unit or values | default |\n|---|---|---|---|\n");
    let line = |Row { key, variants, meaning, values, default }: &Row| {
        let of = variants.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let of = if of.is_empty() { of } else { of + ": " };
        format!("| `{key}` | {of}{meaning} | {values} | {default} |\n")
    };
    head + &rows.iter().map(line).collect::<String>()
}

/// Adds the row of a key and those of the keys below it.
fn add(rows: &mut Vec<Row>, key: &str, written: &'static Json, required: bool, variant: Option<&'static str>) {
    let (_, schema) = resolved(written);
    let description = written["description"].as_str().or(schema["description"].as_str()).unwrap_or_default();
    let default = default(written, schema, required);
    push(
        rows,
        Row {
            key: key.into(),
            variants: variant.into_iter().collect(),
            meaning: line(description),
            values: values(written, schema),
            default,
        },
    );
    // The keys of a mapping like another section's stand there.
    if written["x-like"].is_null() {
        below(rows, key, schema, variant);
    }
}

fn below(rows: &mut Vec<Row>, key: &str, schema: &'static Json, variant: Option<&'static str>) {
    match kind(schema) {
        SchemaKind::Tagged(tag, variants) => {
            let each = |(name, schema): &(&str, &Json)| {
                format!("`{name}`: {}", line(schema["description"].as_str().unwrap_or_default()))
            };
            push(
                rows,
                Row {
                    key: format!("{key}.{tag}"),
                    variants: variant.into_iter().collect(),
                    meaning: format!(
                        "Which keys apply.<br>{}",
                        variants.iter().map(each).collect::<Vec<_>>().join("<br>")
                    ),
                    values: variants.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", "),
                    default: default_tag(tag, &variants).map_or_else(|| "required".into(), |word| format!("`{word}`")),
                },
            );
            for (name, schema) in variants {
                mapping(rows, key, schema, Some(name));
            }
        }
        SchemaKind::Mapping => mapping(rows, key, schema, variant),
        SchemaKind::Map(each) => below(rows, &format!("{key}.<metric>"), resolved(each).1, variant),
        SchemaKind::List(each) => below(rows, &format!("{key}[]"), resolved(each).1, variant),
        _ => {}
    }
}

fn mapping(rows: &mut Vec<Row>, key: &str, schema: &'static Json, variant: Option<&'static str>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        // The key that says which variant this is has its row.
        if property["const"].is_null() {
            add(rows, &format!("{key}.{name}"), property, is_required(schema, name), variant);
        }
    }
}

fn push(rows: &mut Vec<Row>, row: Row) {
    let same = |other: &&mut Row| {
        (&other.key, &other.meaning, &other.values, &other.default)
            == (&row.key, &row.meaning, &row.values, &row.default)
    };
    match rows.iter_mut().find(same) {
        Some(other) => other.variants.extend(row.variants),
        None => rows.push(row),
    }
}

fn is_required(schema: &Json, key: &str) -> bool {
    texts(&schema["required"]).any(|name| name == key)
}

/// A description in one line of a table.
fn line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// The unit or the values.
fn values(written: &Json, schema: &'static Json) -> String {
    let extension = |name: &str| written[name].as_str().or(schema[name].as_str());
    if let Some(values) = extension("x-values") {
        return line(values);
    }
    if let Some(section) = written["x-like"].as_str() {
        return format!("mapping, as `{section}`");
    }
    let unit = extension("x-unit");
    let number = |schema: &Json, word: &str| match (numbers(schema), unit) {
        (Some(range), Some(unit)) if unit.starts_with("in ") || unit.starts_with("as ") => {
            format!("{range}, {unit}")
        }
        (Some(range), Some(unit)) => format!("{range} {unit}"),
        (None, Some(unit)) => unit.to_owned(),
        (Some(range), None) => range,
        (None, None) => word.to_owned(),
    };
    match kind(schema) {
        SchemaKind::Tagged(..) | SchemaKind::Mapping => "mapping".into(),
        SchemaKind::Map(each) => match kind(resolved(each).1) {
            SchemaKind::Mapping => "mapping of mappings".into(),
            _ => "mapping".into(),
        },
        SchemaKind::List(each) => match kind(resolved(each).1) {
            SchemaKind::Text => "list of texts".into(),
            _ => "list of mappings".into(),
        },
        SchemaKind::Words(words, other) => {
            let words = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
            other.map_or_else(|| words.clone(), |other| format!("{words}, or {}", number(other, "whole number")))
        }
        SchemaKind::Text => "text".into(),
        SchemaKind::Bool => "`true`, `false`".into(),
        SchemaKind::Integer => number(schema, "whole number"),
        SchemaKind::Number => number(schema, "number"),
        SchemaKind::Anything => "any value".into(),
    }
}

/// `1 to 1,024`; `None` where nothing but a sign is excluded.
fn numbers(schema: &Json) -> Option<String> {
    let range = range(schema, grouped).filter(|range| schema["type"] == "number" || range != "at least 0")?;
    Some(range.strip_prefix("from ").unwrap_or(&range).to_owned())
}

/// The default: a value, or words for it.
fn default(written: &Json, schema: &'static Json, required: bool) -> String {
    if let Some(words) = written["x-default"].as_str() {
        return words.to_owned();
    }
    match &written["default"] {
        _ if required => "required".into(),
        Json::String(text) if text.is_empty() => "empty".into(),
        Json::String(text) => format!("`{text}`"),
        Json::Bool(value) => format!("`{value}`"),
        Json::Number(number) => number.as_f64().map(grouped).unwrap_or_default(),
        Json::Object(_) if matches!(kind(schema), SchemaKind::Mapping) => "as below".into(),
        _ => "none".into(),
    }
}

/// A number with commas between thousands.
fn grouped(value: f64) -> String {
    let text = shown(value);
    let digits = text.trim_start_matches('-');
    if digits.len() < 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return text;
    }
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    format!("{}{grouped}", if text.starts_with('-') { "−" } else { "" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_meaning_values_and_default() {
        let table = key_table();
        for row in [
            "| `embed.chunk_size` | Faces in one chunk, the unit of commit and resume: what an interruption can cost. | 1 to \
             1,048,576 faces | 1,024 |",
            "| `dataset.repo` | `hub-folders`: Dataset repository on the Hub. | `owner/name` | required |",
            "| `report.pictures` | Show the faces of the hardest pairs. Faces are personal data: off unless asked for. | \
             `true`, `false` | `false` |",
            "| `expect.<metric>.min` | Inclusive lower bound. | the metric's unit | no bound |",
            "| `protocols[].thresholds.step` | `pairs`: The distance between two thresholds. | above 0, as a distance | 0.01 |",
        ] {
            assert!(table.contains(row), "{row}");
        }
        assert_eq!(table.matches("\n### ").count() + 1, 13, "one table for each section, and one for the rest");
        for line in table.lines().filter(|line| line.starts_with("| `")) {
            let cells = line.replace("\\|", "");
            assert_eq!(cells.matches(" | ").count(), 3, "{line}");
            assert!(!line.contains("|  |"), "{line}");
        }
    }

    #[test]
    fn thousands_are_grouped() {
        for (value, text) in [(999.0, "999"), (1000.0, "1,000"), (-1e6, "−1,000,000"), (0.5, "0.5"), (1e-9, "1e-9")] {
            assert_eq!(grouped(value), text);
        }
    }
}

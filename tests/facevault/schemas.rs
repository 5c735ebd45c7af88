//! Every file of a run and every `--json` against the schemas in `schemas/`, with an implementation of JSON Schema that
//! shares no code with facevault.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use polars::prelude::*;
use serde_json::{Map, Value, json};

use crate::support::workspace::Workspace;

/// Files of a run that have no schema: the config as given, arrays of numbers, a pickle, and digests.
const OTHERS: [&str; 8] = [
    "config.yaml",
    "face_embeddings.npy",
    "identity_centroids.npy",
    "identity_ids.pkl",
    "SEALED",
    ".lock",
    ".checked",
    ".unsealed",
];

/// Rows of a table that are checked.
const MOST_ROWS: usize = 200;

fn schema(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas").join(format!("{name}.schema.json"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Refuses properties that the schema does not list: readers ignore them, but each must have been described. `variants`
/// are the objects that stand for a part of another object's properties; that one refuses the rest.
fn close(schema: &mut Value, variants: &BTreeSet<String>) {
    if let Value::Object(entries) = schema {
        let lists = entries.get("properties").is_some_and(Value::is_object);
        if lists && !entries.contains_key("additionalProperties") {
            // Not `additionalProperties`: a variant's own properties stand in `oneOf` or `anyOf`.
            entries.insert("unevaluatedProperties".into(), false.into());
        }
        let inside = |key: &str| (lists && matches!(key, "oneOf" | "anyOf")) || variants.contains(key);
        for (_, value) in entries.iter_mut().filter(|(key, _)| !inside(key)) {
            close(value, variants);
        }
    } else if let Value::Array(items) = schema {
        for item in items {
            close(item, variants);
        }
    }
}

/// Names of the objects that are variants of another object with properties of its own.
fn variants(schema: &Value, found: &mut BTreeSet<String>) {
    let branches = ["oneOf", "anyOf"].iter().filter_map(|key| schema.get(key)).filter_map(Value::as_array).flatten();
    if schema.get("properties").is_some_and(Value::is_object) {
        let named = branches.filter_map(|branch| branch["$ref"].as_str()).filter_map(|name| name.rsplit('/').next());
        found.extend(named.map(str::to_owned));
    }
    match schema {
        Value::Object(entries) => entries.values().for_each(|value| variants(value, found)),
        Value::Array(items) => items.iter().for_each(|item| variants(item, found)),
        _ => {}
    }
}

fn validator(mut schema: Value) -> Validator {
    let mut open = BTreeSet::new();
    variants(&schema, &mut open);
    close(&mut schema, &open);
    jsonschema::draft202012::new(&schema).unwrap()
}

#[track_caller]
fn is_valid(validator: &Validator, value: &Value, what: &str) {
    let errors: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{what}: {}", errors.join("\n"));
}

/// Checks what a command printed.
#[track_caller]
pub fn printed(name: &str, value: &Value) {
    is_valid(&validator(schema(name)), value, name);
}

/// Checks every file of a run directory, and names those with a schema.
#[track_caller]
pub fn check_run(run: &Path) -> Vec<String> {
    let mut checked = Vec::new();
    for entry in fs::read_dir(run).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        match name.rsplit_once('.') {
            _ if OTHERS.contains(&name.as_str()) => continue,
            None if name == "face_embeddings" => continue,
            None if name == "chunks" => {
                let sidecars = validator(schema("chunk"));
                for chunk in fs::read_dir(entry.path()).unwrap().map(|chunk| chunk.unwrap().path()) {
                    if chunk.extension().is_some_and(|extension| extension == "json") {
                        is_valid(&sidecars, &read(&chunk), "a chunk");
                    }
                }
            }
            Some((stem, "json")) => is_valid(&validator(schema(stem)), &read(&entry.path()), &name),
            _ => check_table(&entry.path(), &name),
        }
        checked.push(name);
    }
    checked.sort();
    checked
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Checks the rows of a table, each as an object of its columns, against the schema of this name.
#[track_caller]
pub fn check_table(path: &Path, name: &str) {
    let tables = schema("tables");
    let schema = tables["$defs"].get(name).unwrap_or_else(|| panic!("{name} has no schema"));
    let rows =
        if path.extension().is_some_and(|extension| extension == "csv") { csv(path, schema) } else { parquet(path) };
    let validator = validator(schema.clone());
    for row in rows {
        is_valid(&validator, &row, &path.display().to_string());
    }
}

/// The rows; of a table without any, its header is checked alone.
fn csv(path: &Path, schema: &Value) -> Vec<Value> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let header = reader.headers().unwrap().clone();
    for name in schema["required"].as_array().unwrap() {
        assert!(header.iter().any(|column| column == name), "{} has no column {name}", path.display());
    }
    let typed = |column: &str, text: &str| {
        let kind = &schema["properties"][column]["type"];
        let is = |name: &str| kind == name || kind.as_array().is_some_and(|names| names.contains(&name.into()));
        match text {
            "" if is("null") => Value::Null,
            text if is("integer") || is("number") => text.parse().unwrap_or_else(|_| text.into()),
            text => text.into(),
        }
    };
    let row = |record: csv::StringRecord| {
        let cells = header.iter().zip(record.iter()).map(|(column, text)| (column.to_owned(), typed(column, text)));
        Value::Object(cells.collect())
    };
    reader.records().take(MOST_ROWS).map(|record| row(record.unwrap())).collect()
}

fn parquet(path: &Path) -> Vec<Value> {
    let table = ParquetReader::new(fs::File::open(path).unwrap()).finish().unwrap();
    let row = |row: usize| {
        let cell = |column: &Column| (column.name().to_string(), value(column.get(row).unwrap()));
        Value::Object(table.columns().iter().map(cell).collect::<Map<_, _>>())
    };
    (0..table.height().min(MOST_ROWS)).map(row).collect()
}

fn value(cell: AnyValue<'_>) -> Value {
    match cell {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(value) => value.into(),
        AnyValue::String(text) => text.into(),
        AnyValue::StringOwned(text) => text.to_string().into(),
        AnyValue::UInt32(value) => value.into(),
        AnyValue::UInt64(value) => value.into(),
        AnyValue::Int64(value) => value.into(),
        AnyValue::Float32(value) => json!(value),
        AnyValue::Float64(value) => json!(value),
        AnyValue::Array(values, _) => values.iter().map(value).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_file_and_every_json_is_as_its_schema_says() {
    let workspace = Workspace::synthetic(
        6,
        4,
        "protocols: [{name: own, pairs: [pairs.csv], folds: 2}, {name: search, kind: identification, roles: roles.csv}]\n\
         expect: {eer: {max: 1}}\n\
         published: [{metric: eer, value: 0.1, source: nobody}]",
    );
    let lines =
        (0..6).map(|i| format!("1,s5-i{i:04}-000,s5-i{i:04}-001\n0,s5-i{i:04}-000,s5-i{:04}-002\n", (i + 1) % 6));
    fs::write(workspace.path("pairs.csv"), format!("same,a,b\n{}", lines.collect::<String>())).unwrap();
    let roles = (0..6).map(|i| {
        let gallery = if i < 4 { format!("s5-i{i:04}-000,gallery,\n") } else { String::new() };
        format!("{gallery}s5-i{i:04}-001,probe,\ns5-i{i:04}-002,probe,stranger\n")
    });
    let absent = "nobody,gallery,nobody\n";
    fs::write(workspace.path("roles.csv"), format!("face_id,role,identity\n{absent}{}", roles.collect::<String>()))
        .unwrap();
    let done = workspace.json(0, &["experiment", "config.yaml"]);
    printed("experiment", &done);
    printed("metrics", &workspace.json(0, &["evaluate", "small"]));
    printed("verify", &workspace.json(0, &["verify", "small"]));
    printed("lookup", &workspace.json(0, &["lookup", "small", "s5-i0000-000"]));
    printed("runs", &workspace.json(0, &["runs"]));
    printed("runs", &workspace.json(0, &["runs", "--sort", "eer", "--where", "precision=f32"]));
    printed("watch", &workspace.json(0, &["watch", "small", "--once"]));
    printed("check", &workspace.json(0, &["check", "config.yaml"]));
    printed("fetch", &workspace.json(0, &["fetch", "config.yaml"]));
    printed("report", &workspace.json(0, &["report", "small"]));
    printed("reproduce", &workspace.json(0, &["reproduce", "config.yaml"]));
    printed("guide", &workspace.json(0, &["guide"]));
    printed("guide", &workspace.json(0, &["guide", "gate-in-ci"]));
    printed("export", &workspace.json(0, &["export", "small", "--to", "webdataset"]));
    printed("export", &workspace.json(0, &["export", "small", "--to", "mlflow"]));
    printed("embed", &workspace.json(0, &["embed", "small"]));
    let checked = check_run(&workspace.only_run());
    assert_eq!(checked.len(), 25, "{checked:?}");
    printed("evaluate-shard", &workspace.json(0, &["evaluate", "small", "--shard", "0/2"]));
}

#[test]
fn what_is_not_described_is_refused() {
    let row = schema("tables")["$defs"]["failures.csv"].clone();
    let rows = validator(row);
    let sound = json!({"row": 1, "face_id": "a", "kind": "read", "message": "why"});
    is_valid(&rows, &sound, "a failure");
    for (name, value) in [("more", json!(1)), ("kind", json!("other")), ("row", json!("1"))] {
        let mut row = sound.clone();
        row[name] = value;
        assert!(!rows.is_valid(&row), "{row}");
    }
    let metrics = validator(schema("metrics"));
    assert!(!metrics.is_valid(&json!({"schema": 2})), "what is required is missing");
}

//! What a run's files hold and what `--json` prints, as JSON Schema: `schemas/*.schema.json`, and `docs/files.md` for people.
//! Files of JSON are described by the types that are written to them, tables by their declarations (`table`).

#[cfg(test)]
mod fault_page;
mod page;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod unsafe_page;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, schema_for};
use serde_json::{Map, Value as Json, json};

use crate::ablation::{self, AblationResult};
use crate::agreement::PrecisionAgreement;
use crate::breakdown::{self, Breakdown};
use crate::commands::{
    CheckOutput, ComparedShard, DetectOutput, EmbedOutput, ExperimentOutput, FetchOutput, GuideOutput, InitOutput,
    ReportOutput, ReproduceOutput,
};
use crate::compare::RunComparison;
use crate::embed::ChunkRecord;
use crate::export::Exported;
use crate::metrics::{self, Metrics};
use crate::npy::parts::{self, PartIndex};
use crate::people::{self, People};
use crate::plan::RunPlan;
use crate::provenance::Provenance;
use crate::run::{
    Check, Forgotten, Lookup, MissingShards, PAIRS_LEFT_OUT, RunRow, ShardSummary, SharedRun, StoredCalibration,
    WatchedRun,
};
use crate::table::Table;
use crate::throughput::{self, Throughput};
use crate::{dataset, detect, embed, results};

/// Version of the tables' columns. A change that readers notice raises it.
const TABLES_VERSION: u32 = 1;

/// A file of `schemas`.
#[derive(Debug, Clone)]
pub struct PublishedSchema {
    /// Its name without `.schema.json`.
    pub name: &'static str,
    /// What it describes: a file of a run, or a command.
    pub of: &'static str,
    /// The schema.
    pub schema: Json,
}

impl PublishedSchema {
    fn new<T: JsonSchema>(name: &'static str, of: &'static str, version: u32) -> Self {
        let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
        let mut schema = generator.into_root_schema_for::<T>().to_value();
        tidy(&mut schema);
        Self { name, of, schema: headed(of, version, &schema) }
    }

    /// The content of its file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = serde_json::to_string_pretty(&self.schema).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// All schemas: the tables first, then the files of JSON, then what commands print.
#[must_use]
pub fn published() -> Vec<PublishedSchema> {
    vec![
        PublishedSchema { name: "tables", of: "the Parquet and CSV files of a run", schema: table_schemas() },
        PublishedSchema::new::<Metrics>("metrics", "metrics.json", metrics::SCHEMA),
        PublishedSchema::new::<People>("people", "people.json", people::SCHEMA),
        PublishedSchema::new::<Option<Breakdown>>("breakdown", "breakdown.json", breakdown::SCHEMA),
        PublishedSchema::new::<RunPlan>("plan", "plan.json", 2),
        PublishedSchema::new::<Provenance>("provenance", "provenance.json", 1),
        PublishedSchema::new::<PartIndex>("face_embeddings", "face_embeddings.json", parts::SCHEMA),
        PublishedSchema::new::<ChunkRecord>("chunk", "chunks/<number>.json", 1),
        PublishedSchema::new::<StoredCalibration>("calibration", "calibration.json", 1),
        PublishedSchema::new::<PrecisionAgreement>("agreement", "agreement.json", 1),
        PublishedSchema::new::<ExperimentOutput>("experiment", "facevault experiment --json", 1),
        PublishedSchema::new::<EmbedOutput>("embed", "facevault embed --json", 1),
        PublishedSchema::new::<SharedRun>("prepare", "facevault prepare --json", 1),
        PublishedSchema::new::<ShardSummary>("shard", "facevault embed RUN --shard I/N --json", 1),
        PublishedSchema::new::<ComparedShard>("evaluate-shard", "facevault evaluate RUN --shard I/N --json", 1),
        PublishedSchema::new::<MissingShards>("missing", "facevault missing --json", 1),
        PublishedSchema::new::<InitOutput<'static>>("init", "facevault init --json", 1),
        PublishedSchema::new::<CheckOutput>("check", "facevault check --json", 1),
        PublishedSchema::new::<FetchOutput>("fetch", "facevault fetch --json", 1),
        PublishedSchema::new::<DetectOutput>("detect", "facevault detect --json", 1),
        PublishedSchema::new::<ReportOutput>("report", "facevault report --json", 1),
        PublishedSchema::new::<ReproduceOutput>("reproduce", "facevault reproduce --json", 1),
        PublishedSchema::new::<GuideOutput>("guide", "facevault guide --json", 1),
        PublishedSchema::new::<Vec<Check>>("verify", "facevault verify --json", 1),
        PublishedSchema::new::<Lookup>("lookup", "facevault lookup --json", 1),
        PublishedSchema::new::<Forgotten>("forget", "facevault forget --json", 1),
        PublishedSchema::new::<RunComparison>("compare", "facevault compare --json", 1),
        PublishedSchema::new::<AblationResult>("ablate", "facevault ablate --json", ablation::SCHEMA),
        PublishedSchema::new::<Throughput>("throughput", "facevault throughput --json", throughput::SCHEMA),
        PublishedSchema::new::<Vec<RunRow>>("runs", "facevault runs --json", 1),
        PublishedSchema::new::<Exported>("export", "facevault export --json", 2),
        PublishedSchema::new::<WatchedRun>("watch", "facevault watch --json, each line", 1),
    ]
}

/// The generated part of `docs/files.md`.
#[must_use]
pub fn page() -> String {
    page::page(&published())
}

/// The tables of a run, by the step that writes them, and that of `detect`.
fn tables() -> impl Iterator<Item = (String, &'static Table)> {
    let of_run = dataset::TABLES.into_iter().chain(embed::TABLES).chain(results::TABLES).chain([&PAIRS_LEFT_OUT]);
    let named = of_run.map(|table| (table.file.to_owned(), table));
    named.chain([(format!("detections/{}", detect::FAILURES.file), &detect::FAILURES)])
}

fn table_schemas() -> Json {
    let rows: Map<String, Json> = tables().map(|(name, table)| (name, table.schema())).collect();
    let schema = json!({
        "$schema": schema_for!(()).get("$schema"),
        "description": "The rows of a run's tables, each as an object of its columns. `$defs` has one schema per file.",
        "$defs": rows,
    });
    headed("Tables of a run", TABLES_VERSION, &schema)
}

/// A schema with title and version.
fn headed(title: &str, version: u32, schema: &Json) -> Json {
    let mut headed = json!({"$schema": schema["$schema"], "title": title, "x-version": version});
    for (key, value) in schema.as_object().into_iter().flatten() {
        if headed.get(key).is_none() {
            headed[key] = value.clone();
        }
    }
    headed
}

/// Leaves out what concerns configs only, allows properties of later versions, and turns the descriptions from rustdoc
/// into plain Markdown.
fn tidy(schema: &mut Json) {
    match schema {
        Json::Object(entries) => {
            // A map of properties may have any names, but their values are objects.
            let is_schema = ["type", "$ref", "anyOf", "oneOf"];
            if is_schema.iter().any(|key| entries.get(*key).is_some_and(|value| !value.is_object())) {
                for key in ["default", "x-default", "x-help", "x-digits"] {
                    entries.remove(key);
                }
                if entries.get("additionalProperties") == Some(&Json::Bool(false)) {
                    entries.remove("additionalProperties");
                }
            }
            for (key, value) in entries.iter_mut() {
                match value {
                    Json::String(text) if key == "description" => *text = plain(text),
                    Json::Object(_) | Json::Array(_) => tidy(value),
                    _ => {}
                }
            }
        }
        Json::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// A doc comment on one line: without links to code, and with JSON's word for a missing value.
fn plain(text: &str) -> String {
    let text = text.replace('\n', " ").replace("`None`", "`null`");
    let mut plain = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((path, after)) = after.split_once("`]") else { break };
        let name = path.rsplit("::").next().unwrap_or(path);
        plain.extend([before, "`", name, "`"]);
        rest = after;
    }
    plain + rest
}

//! An entry of `protocols` as it is written: what kind it is decides which keys it takes. Without a kind it is `pairs`.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value as Json, json};

use crate::protocol::WrittenProtocol;
use crate::templates::TemplateProtocol;

/// The key that says which kind an entry is.
pub(super) const KIND: &str = "kind";

/// A protocol of one of the kinds.
#[derive(Debug)]
pub(super) enum ProtocolEntry {
    /// Verification over a published list of pairs of faces.
    Pairs(WrittenProtocol),
    /// Verification of templates, sets of faces of one subject (IJB-B, IJB-C).
    Templates(TemplateProtocol),
}

/// The kind that an entry without one is.
const PAIRS: &str = "pairs";

/// Verification of templates.
pub(super) const TEMPLATES: &str = "templates";

impl<'de> Deserialize<'de> for ProtocolEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut entries = Map::deserialize(deserializer)?;
        let kind = entries.remove(KIND);
        match kind.as_ref().and_then(Json::as_str) {
            Some(TEMPLATES) => serde_json::from_value(entries.into()).map(Self::Templates),
            _ => serde_json::from_value(entries.into()).map(Self::Pairs),
        }
        .map_err(D::Error::custom)
    }
}

impl JsonSchema for ProtocolEntry {
    fn schema_name() -> Cow<'static, str> {
        "ProtocolEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let pairs =
            "Verification over a published list of pairs of faces: thresholds from some folds are judged on another.";
        let templates = "Verification of templates, sets of faces of one subject (IJB-B, IJB-C); for `source: ijb`.";
        let variants = [
            of_kind(PAIRS, false, pairs, WrittenProtocol::json_schema(generator)),
            of_kind(TEMPLATES, true, templates, TemplateProtocol::json_schema(generator)),
        ];
        let mut schema = Schema::default();
        schema.insert("oneOf".into(), variants.into_iter().map(Schema::to_value).collect());
        schema
    }
}

/// The schema of a kind's keys with the key that names the kind.
fn of_kind(kind: &str, required: bool, description: &str, mut schema: Schema) -> Schema {
    schema.insert("description".into(), description.into());
    if let Some(Json::Object(properties)) = schema.get_mut("properties") {
        properties.insert(KIND.into(), json!({"type": "string", "const": kind}));
    }
    if let (Some(Json::Array(keys)), true) = (schema.get_mut("required"), required) {
        keys.push(KIND.into());
    }
    schema
}

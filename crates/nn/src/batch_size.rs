//! `embed.batch_size`: a number, or the word `auto`.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

/// Faces in one forward pass. It can change no number, only the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// As many as suit the device.
    Auto,
    /// This many, 1 to [`Self::MOST`].
    Faces(usize),
}

impl BatchSize {
    /// The largest that a config may ask for.
    pub const MOST: usize = 65_536;

    /// The number, where `auto` stands for `auto`.
    #[must_use]
    pub fn or(self, auto: usize) -> usize {
        match self {
            Self::Auto => auto,
            Self::Faces(faces) => faces,
        }
    }
}

impl Serialize for BatchSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Faces(faces) => serializer.serialize_u64(*faces as u64),
        }
    }
}

impl<'de> Deserialize<'de> for BatchSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl Visitor<'_> for Either {
            type Value = BatchSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`auto` or a whole number, 1 or more")
            }

            fn visit_u64<E: de::Error>(self, faces: u64) -> Result<BatchSize, E> {
                Ok(BatchSize::Faces(usize::try_from(faces).unwrap_or(usize::MAX)))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<BatchSize, E> {
                match text {
                    "auto" => Ok(BatchSize::Auto),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for BatchSize {
    fn schema_name() -> Cow<'static, str> {
        "BatchSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of faces, or `auto`.",
            "oneOf": [
                { "description": "As many as suit the device.", "type": "string", "const": "auto" },
                { "description": "This many.", "type": "integer", "minimum": 1, "maximum": Self::MOST },
            ],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stays_a_number_and_auto_a_word() {
        for (size, text) in [(BatchSize::Auto, "\"auto\""), (BatchSize::Faces(7), "7")] {
            assert_eq!(serde_json::to_string(&size).unwrap(), text);
            assert_eq!(serde_json::from_str::<BatchSize>(text).unwrap(), size);
        }
        assert_eq!([BatchSize::Auto.or(32), BatchSize::Faces(7).or(32)], [32, 7]);
        for text in ["\"many\"", "-1", "1.5", "null"] {
            let error = serde_json::from_str::<BatchSize>(text).unwrap_err().to_string();
            assert!(error.contains("expected `auto` or a whole number"), "{error}");
        }
    }
}

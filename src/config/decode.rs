//! The tree → wire types, by serde. The deserializer is ours so that every error keeps the place it belongs to.
//!
//! An enum whose serde name is one of [`TAGS`] is written as a mapping, and the key of that name says which variant it
//! is: `dataset: {source: folders, root: faces}`. (serde's own `tag = "source"` copies the mapping into a buffer first,
//! and with that loses every place inside it.)

use std::fmt;

use serde::de::{
    self, Deserialize, DeserializeSeed, EnumAccess, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::diagnostics::{Diagnostic, Source, did_you_mean, listed, quoted};
use super::tree::{Key, Node, Place, Value};

/// Keys that say which variant of an enum a mapping is.
const TAGS: [&str; 2] = ["source", "mode"];

/// Reads a wire type off the tree.
pub(super) fn decode<'de, T: Deserialize<'de>>(tree: &'de Node, sources: &[Source]) -> Result<T, Diagnostic> {
    T::deserialize(tree).map_err(|error| error.at(tree.place).explain(tree, sources))
}

/// What serde found wrong, where.
#[derive(Debug)]
pub(super) struct DecodeError {
    fault: Fault,
    place: Option<Place>,
    /// Keys from the innermost mapping outwards.
    path: Vec<String>,
}

#[derive(Debug)]
enum Fault {
    UnknownKey { key: String, expected: &'static [&'static str] },
    MissingKey(&'static str),
    Mismatch { expected: String },
    UnknownVariant { variant: String, expected: &'static [&'static str] },
    Other(String),
}

impl DecodeError {
    fn new(fault: Fault) -> Self {
        Self { fault, place: None, path: Vec::new() }
    }

    /// Sets the place, unless a nearer one is set.
    fn at(mut self, place: Place) -> Self {
        self.place.get_or_insert(place);
        self
    }

    /// Sets the place of a wrong value. A missing key has no place inside its mapping: the mapping's own key is told.
    fn at_value(self, place: Place) -> Self {
        if matches!(self.fault, Fault::MissingKey(_)) { self } else { self.at(place) }
    }

    fn within(mut self, key: &str) -> Self {
        self.path.push(key.to_owned());
        self
    }

    fn explain(mut self, tree: &Node, sources: &[Source]) -> Diagnostic {
        self.path.reverse();
        let path = self.path.join(".");
        let place = self.place.unwrap_or_default();
        let here = if path.is_empty() { "the config".to_owned() } else { format!("`{path}`") };
        let keys: Vec<_> = self.path.iter().map(String::as_str).collect();
        let node = tree.deepest(&keys);
        let tag = TAGS.iter().find_map(|tag| match node.get(tag) {
            Some((_, Node { value: Value::Text(text), place })) => {
                Some((format!(" with `{tag}: {text}`"), place.source))
            }
            _ => None,
        });
        let (variant, tag_source) = tag.unwrap_or((String::new(), place.source));
        let diagnostic = match self.fault {
            Fault::UnknownKey { key, expected } => {
                Diagnostic::new(format!("{} is not a key of {here}{variant}", quoted(&key)))
                    .maybe_help(did_you_mean(&key, expected.iter().copied()))
                    .help(match expected {
                        [] => format!("{here}{variant} has no other keys"),
                        _ => format!("the keys of {here}{variant} are {}", listed(expected)),
                    })
                    .maybe_help(
                        (tag_source > place.source)
                            .then(|| format!("to change its kind replace the whole mapping: `--set '{path}={{…}}'`")),
                    )
            }
            Fault::MissingKey(key) => Diagnostic::new(format!("{here}{variant} needs the key `{key}`"))
                .help("configs/README.md lists every key with its unit and default"),
            Fault::Mismatch { expected } => {
                let found = node.value.describe();
                let expected = in_words(&expected, &node.value);
                let help = match &node.value {
                    Value::Unsigned(_) | Value::Negative(_) | Value::Float(_) | Value::Bool(_)
                        if expected == "a text" =>
                    {
                        Some("put it in quotes to make it a text".to_owned())
                    }
                    Value::Text(text) if expected.contains("number") && text.trim().parse::<f64>().is_ok() => {
                        Some("write it without quotes to make it a number".to_owned())
                    }
                    _ => None,
                };
                Diagnostic::new(format!("{here} must be {expected}, here it is {found}")).maybe_help(help)
            }
            Fault::UnknownVariant { variant, expected } => {
                Diagnostic::new(format!("{here} cannot be {}", quoted(&variant)))
                    .maybe_help(did_you_mean(&variant, expected.iter().copied()))
                    .help(format!("{here} is one of {}", listed(expected)))
            }
            Fault::Other(message) => Diagnostic::new(format!("{here}: {message}")),
        };
        match sources.get(place.source) {
            Some(source) => diagnostic.at(source, Some(place)),
            None => diagnostic,
        }
    }
}

/// serde's names of what it expected, in the words of this project.
fn in_words(expected: &str, found: &Value) -> String {
    match expected {
        "u32" if matches!(found, Value::Unsigned(_)) => format!("a whole number up to {}", u32::MAX),
        "u32" | "u64" | "usize" => "a whole number, 0 or more".into(),
        "f32" | "f64" => "a number".into(),
        "a boolean" => "`true` or `false`".into(),
        "a string" => "a text".into(),
        "a sequence" => "a list".into(),
        "a map" => "a mapping".into(),
        other if other.starts_with("struct ") => "a mapping".into(),
        other => other.into(),
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.fault)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Fault::Other(message.to_string()))
    }

    fn invalid_type(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Fault::Mismatch { expected: expected.to_string() })
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Fault::Mismatch { expected: expected.to_string() })
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Fault::UnknownKey { key: field.to_owned(), expected })
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Fault::UnknownVariant { variant: variant.to_owned(), expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Fault::MissingKey(field))
    }
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Negative(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            Value::Map(entries) => visitor.visit_map(Entries { rest: entries, tag: None, value: None }),
        }
        .map_err(|error| error.at_value(self.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// serde would also take a list for a struct, its fields in order: nobody means that in a config.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.value {
            Value::List(_) => Err(DecodeError::invalid_type(Unexpected::Seq, &"a mapping").at(self.place)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        if !TAGS.contains(&name) {
            return match &self.value {
                Value::Text(text) => visitor
                    .visit_enum(text.as_str().into_deserializer())
                    .map_err(|error: DecodeError| error.at(self.place)),
                _ => Err(DecodeError::new(Fault::Mismatch { expected: "a text".into() }).at(self.place)),
            };
        }
        let Value::Map(entries) = &self.value else {
            let expected = format!("a mapping with the key `{name}`");
            return Err(DecodeError::new(Fault::Mismatch { expected }).at(self.place));
        };
        match self.get(name) {
            Some((key, variant)) => visitor.visit_enum(Tagged { entries, tag: key, variant }),
            None => Err(DecodeError::missing_field(name)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map identifier ignored_any
    }
}

/// A list's items in order.
struct Items<'de> {
    items: std::slice::Iter<'de, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        seed.deserialize(item).map(Some).map_err(|error| error.at(item.place).within(&index.to_string()))
    }
}

/// A mapping's entries in order, without the one that names an enum's variant.
struct Entries<'de> {
    rest: &'de [(Key, Node)],
    tag: Option<&'de Key>,
    value: Option<(&'de Key, &'de Node)>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let Some(((key, node), rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        if self.tag.is_some_and(|tag| tag.name == key.name) {
            return self.next_key_seed(seed);
        }
        self.value = Some((key, node));
        seed.deserialize(key.name.as_str().into_deserializer())
            .map(Some)
            .map_err(|error: DecodeError| error.at(key.place))
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        let Some((key, node)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(node).map_err(|error| {
            let place = if matches!(error.fault, Fault::MissingKey(_)) { key.place } else { node.place };
            error.at(place).within(&key.name)
        })
    }
}

/// An enum written as a mapping.
struct Tagged<'de> {
    entries: &'de [(Key, Node)],
    tag: &'de Key,
    variant: &'de Node,
}

impl<'de> EnumAccess<'de> for Tagged<'de> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), DecodeError> {
        let Value::Text(name) = &self.variant.value else {
            let fault = Fault::Mismatch { expected: "a text".into() };
            return Err(DecodeError::new(fault).at(self.variant.place).within(&self.tag.name));
        };
        let value = seed
            .deserialize(name.as_str().into_deserializer())
            .map_err(|error: DecodeError| error.at(self.variant.place).within(&self.tag.name))?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for Tagged<'de> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        match self.entries.iter().find(|(key, _)| key.name != self.tag.name) {
            Some((key, _)) => Err(DecodeError::unknown_field(&key.name, &[]).at(key.place)),
            None => Ok(()),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, DecodeError> {
        Err(de::Error::custom("a variant of a tagged enum has named fields"))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, DecodeError> {
        Err(de::Error::custom("a variant of a tagged enum has named fields"))
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_map(Entries { rest: self.entries, tag: Some(self.tag), value: None })
    }
}

//! YAML as a tree in which every key and value knows where it was written: in the config file, or in the `--set` that
//! replaced it. All checks are made on this tree, so that each of them can point at the place.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use super::diagnostics::{Diagnostic, Source, quoted};
use super::place::Place;

/// Limit on the nodes of a config: hundreds of times what any config needs, and too few for an alias bomb.
const MAX_NODES: usize = 20_000;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub value: Value,
    pub place: Place,
}

/// What YAML can hold.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    Negative(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub name: String,
    pub place: Place,
}

impl Node {
    /// The value under a key, when this is a mapping that has it.
    pub fn get(&self, name: &str) -> Option<(&Key, &Self)> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|(key, _)| key.name == name).map(|(key, node)| (key, node)),
            _ => None,
        }
    }

    /// The node under a path of keys and list indices, or the deepest node on the way to it.
    pub fn deepest(&self, path: &[&str]) -> &Self {
        let Some((first, rest)) = path.split_first() else { return self };
        let child = match &self.value {
            Value::List(items) => first.parse::<usize>().ok().and_then(|index| items.get(index)),
            _ => self.get(first).map(|(_, node)| node),
        };
        child.map_or(self, |child| child.deepest(rest))
    }
}

impl Node {
    /// The value in one line of YAML.
    pub fn flow(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        match &self.value {
            Value::Null => "null".into(),
            Value::Bool(value) => value.to_string(),
            Value::Unsigned(value) => value.to_string(),
            Value::Negative(value) => value.to_string(),
            Value::Float(value) => format!("{value:?}"),
            Value::Text(text) => {
                let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
                let word = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(plain);
                // Words that YAML takes for something else than a text.
                let taken = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
                if word && !taken.contains(&text.to_lowercase().as_str()) { text.clone() } else { quoted(text) }
            }
            Value::List(items) => format!("[{}]", items.iter().map(Self::flow).collect::<Vec<_>>().join(", ")),
            Value::Map(entries) => {
                let entry = |(key, node): &(Key, Self)| format!("{}: {}", quoted(&key.name), node.flow());
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

impl Node {
    /// Whether nothing is written.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The value without its places.
    pub fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Unsigned(value) => (*value).into(),
            Value::Negative(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Map(entries) => entries.iter().map(|(key, node)| (key.name.clone(), node.json())).collect(),
        }
    }
}

impl Value {
    /// What this is, for "must be a number, got …".
    pub fn describe(&self) -> String {
        match self {
            Self::Null => "nothing".into(),
            Self::Bool(value) => format!("`{value}`"),
            Self::Unsigned(value) => format!("the number {value}"),
            Self::Negative(value) => format!("the number {value}"),
            // With its point, or a float such as 1e9 would be refused as the whole number that it looks like.
            Self::Float(value) => format!("the number {value:?}"),
            Self::Text(text) => format!("the text {}", quoted(text)),
            Self::List(_) => "a list".into(),
            Self::Map(_) => "a mapping".into(),
        }
    }
}

/// Parses one document.
///
/// `offset` is the number of characters before the text in its source's first line (an override's key and `=`).
pub(super) fn parse(text: &str, source: &Source, offset: usize) -> Result<Node, Diagnostic> {
    let options = serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_nodes: MAX_NODES,
            max_events: 4 * MAX_NODES,
            max_depth: 16,
        },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: MAX_NODES },
        strict_booleans: true,
        with_snippet: false,
    };
    let located: Located = serde_yaml::from_str_with_options(text, options).map_err(|error| {
        let (said, place) = (explain(&error), error.location().map(|location| source.place(&location, offset)));
        // The parser may point at what stands before the tab.
        match tab(text, source).filter(|_| said.contains("tab")) {
            Some(place) => {
                Diagnostic::new(format!("line {} is indented with a tab, which YAML does not allow", place.line))
                    .at(source, Some(place))
                    .help("indent with spaces")
            }
            None => Diagnostic::new(said).at(source, place),
        }
    })?;
    Ok(located.resolve(source, offset))
}

/// The first tab that a line is indented with.
fn tab(text: &str, source: &Source) -> Option<Place> {
    let indent = |line: &str| line[..line.len() - line.trim_start().len()].chars().position(|c| c == '\t');
    let (line, at) = text.lines().enumerate().find_map(|(line, text)| Some((line, indent(text)?)))?;
    Some(Place { source: source.index(), line: line + 1, column: at + 1, width: 1 })
}

/// A parser's error in one sentence of this project.
fn explain(error: &serde_yaml::Error) -> String {
    use serde_yaml::Error as E;
    match error {
        E::DuplicateMappingKey { key: Some(key), .. } => format!("the key {} is given twice", quoted(key)),
        E::DuplicateMappingKey { key: None, .. } => "a key is given twice".into(),
        E::MultipleDocuments { .. } => "a config is one YAML document, but a second one starts here".into(),
        E::AliasReplayLimitExceeded { .. } | E::AliasExpansionLimitExceeded { .. } | E::Budget { .. } => {
            format!("the YAML is too large or too deeply nested for a config (limit: {MAX_NODES} values, 16 levels)")
        }
        E::NonFiniteFloat { value, .. } => {
            format!("{} is not a finite number; if it is a text, put it in quotes", quoted(value))
        }
        E::AliasError { error, .. } => explain(error),
        other => {
            let text = other.without_snippet().to_string();
            // The parser repeats line and column in its sentence; the arrow below says them already.
            let text = text.split(" at line ").next().unwrap_or(&text).trim_end_matches([',', ':', ' ']);
            format!("not valid YAML: {text}")
        }
    }
}

/// [`Node`] before its places are translated to their source.
struct Located {
    value: Spanned<Raw>,
}

enum Raw {
    Scalar(Value),
    List(Vec<Located>),
    Map(Vec<(Spanned<String>, Located)>),
}

impl Located {
    fn resolve(self, source: &Source, offset: usize) -> Node {
        let place = source.place(&self.value.referenced, offset);
        let value = match self.value.value {
            Raw::Scalar(value) => value,
            Raw::List(items) => Value::List(items.into_iter().map(|item| item.resolve(source, offset)).collect()),
            Raw::Map(entries) => Value::Map(
                entries
                    .into_iter()
                    .map(|(key, node)| {
                        let place = source.place(&key.referenced, offset);
                        (Key { name: key.value, place }, node.resolve(source, offset))
                    })
                    .collect(),
            ),
        };
        Node { value, place }
    }
}

impl<'de> Deserialize<'de> for Located {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(|value| Self { value })
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Unsigned(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(u64::try_from(value).map_or(Value::Negative(value), Value::Unsigned)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

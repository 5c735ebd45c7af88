//! The rules that concern one value: the tree is read along the JSON schema, and the first broken rule is reported where
//! it was broken. What comes out is plain JSON that serde makes the sections of.

use serde_json::{Map, Value as Json};

use super::diagnostics::{Diagnostic, Source, listed, quoted};
use super::place::Place;
use super::schema::{SCHEMA, SchemaKind, default_tag, kind, pattern, range, resolved, shown, tag, texts};
use super::tree::{Key, Node, Value};
use crate::spelling::did_you_mean;

/// Checks a config and takes the places off. Keys whose value is left empty are left out.
pub(super) fn read(tree: &Node, sources: &[Source]) -> Result<Json, Diagnostic> {
    Reader { sources, path: Vec::new() }.value(tree, &SCHEMA, tree.place)
}

/// A number with few enough digits that every JSON reader gives it the same bits.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value)
}

struct Reader<'a> {
    sources: &'a [Source],
    /// Keys and indices on the way to the value.
    path: Vec<String>,
}

impl Reader<'_> {
    /// A value, whose key was written at `key`.
    fn value(&mut self, node: &Node, schema: &'static Json, key: Place) -> Result<Json, Diagnostic> {
        let (optional, schema) = resolved(schema);
        if optional && node.value == Value::Null {
            return Ok(Json::Null);
        }
        match (kind(schema), &node.value) {
            (SchemaKind::Tagged(tag, variants), Value::Map(entries)) => {
                let words: Vec<&str> = variants.iter().map(|(word, _)| *word).collect();
                let word = match (node.get(tag), default_tag(tag, &variants)) {
                    (Some((name, variant)), _) => self.below(&name.name, |reader| reader.word(variant, &words))?,
                    (None, Some(word)) => word,
                    (None, None) => return Err(self.missing(node, schema, tag, key)),
                };
                let chosen = variants.iter().find(|(other, _)| *other == word).map_or(schema, |(_, chosen)| *chosen);
                let mut read = self.mapping(node, entries, chosen, key).map_err(|problem| {
                    // A key of another variant, and no word on which variant this is.
                    let stray = |(key, _): &&(Key, Node)| chosen["properties"].get(&key.name).is_none();
                    let known = |name: &str| variants.iter().find(|(_, one)| one["properties"].get(name).is_some());
                    let other = entries.iter().find(stray).and_then(|(key, _)| Some((&key.name, known(&key.name)?.0)));
                    problem.maybe_help(other.map(|(key, word)| format!("`{key}` is a key of `{tag}: {word}`")))
                })?;
                read[tag] = word.into();
                Ok(read)
            }
            (SchemaKind::Mapping, Value::Map(entries)) => self.mapping(node, entries, schema, key),
            (SchemaKind::Map(schema_of_each), Value::Map(entries)) => {
                self.long_enough(node, entries.len(), &schema["minProperties"])?;
                let each = |(key, node): &(Key, Node)| {
                    let value = self.below(&key.name, |reader| reader.value(node, schema_of_each, key.place))?;
                    Ok((key.name.clone(), value))
                };
                entries.iter().map(each).collect::<Result<Map<_, _>, _>>().map(Json::from)
            }
            (SchemaKind::List(schema_of_each), Value::List(items)) => {
                self.long_enough(node, items.len(), &schema["minItems"])?;
                let each = |(index, item): (usize, &Node)| {
                    self.below(&index.to_string(), |reader| reader.value(item, schema_of_each, item.place))
                };
                items.iter().enumerate().map(each).collect::<Result<Vec<_>, _>>().map(Json::from)
            }
            (SchemaKind::Words(words, None), Value::Text(_)) => self.word(node, &words).map(Json::from),
            (SchemaKind::Words(words, Some(_)), Value::Text(text)) if words.contains(&text.as_str()) => {
                Ok(text.as_str().into())
            }
            (SchemaKind::Words(_, Some(other)), Value::Unsigned(_) | Value::Negative(_)) => {
                self.value(node, other, key)
            }
            (SchemaKind::Text, Value::Text(text)) => self.text(node, text, schema),
            (SchemaKind::Bool, Value::Bool(_)) | (SchemaKind::Anything, _) => Ok(node.json()),
            (SchemaKind::Integer | SchemaKind::Number, Value::Unsigned(_) | Value::Negative(_))
            | (SchemaKind::Number, Value::Float(_)) => self.number(node, schema),
            _ => Err(self.mismatch(node, schema)),
        }
    }

    /// Reads what is under a key or an index.
    fn below<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> Result<T, Diagnostic>) -> Result<T, Diagnostic> {
        self.path.push(name.to_owned());
        let value = read(self)?;
        self.path.pop();
        Ok(value)
    }

    fn mapping(
        &mut self,
        node: &Node,
        entries: &[(Key, Node)],
        schema: &'static Json,
        place: Place,
    ) -> Result<Json, Diagnostic> {
        let mut map = Map::new();
        for (key, value) in entries {
            let Some(rules) = schema["properties"].get(&key.name) else {
                return Err(self.unknown(node, schema, key));
            };
            // A section is empty once all of its lines are comments. An empty value is more often a variable that is not set.
            let section =
                || matches!(kind(resolved(rules).1), SchemaKind::Mapping | SchemaKind::Map(_) | SchemaKind::List(_));
            if value.is_null() && texts(&schema["required"]).all(|required| required != key.name) && section() {
                continue;
            }
            let value = self.below(&key.name, |reader| reader.value(value, rules, key.place))?;
            if !value.is_null() {
                map.insert(key.name.clone(), value);
            }
        }
        match texts(&schema["required"]).find(|required| node.get(required).is_none()) {
            Some(required) => Err(self.missing(node, schema, required, place)),
            None => Ok(map.into()),
        }
    }

    fn word<'w>(&self, node: &Node, words: &[&'w str]) -> Result<&'w str, Diagnostic> {
        let Value::Text(text) = &node.value else {
            return Err(self.refused(node, &listed(words, "or"), &node.value.describe()));
        };
        words.iter().find(|word| *word == text).copied().ok_or_else(|| {
            self.refused(node, &listed(words, "or"), &quoted(text))
                .maybe_help(did_you_mean(text, words.iter().copied()))
        })
    }

    fn text(&self, node: &Node, text: &str, schema: &'static Json) -> Result<Json, Diagnostic> {
        self.long_enough(node, text.len(), &schema["minLength"])?;
        let Some(pattern) = pattern(schema).filter(|pattern| !pattern.is_match(text)) else { return Ok(text.into()) };
        // Of a path, the length is not what is wrong.
        let bounded = pattern.as_str().contains('{');
        let length = text.chars().count();
        let length = if bounded && length > 20 { format!(" ({length} characters)") } else { String::new() };
        // A name like the one that was given.
        let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
        let name: String = text.to_lowercase().chars().map(plain).collect();
        let name = name.trim_start_matches(['-', '_', '.']);
        let named = pattern.as_str().starts_with("^[a-z0-9]") && pattern.is_match(name);
        let found = if text.is_empty() { "an empty text".to_owned() } else { quoted(text) + &length };
        Err(self
            .refused(node, schema["x-values"].as_str().unwrap_or("another text"), &found)
            .maybe_help(named.then(|| format!("for example `{name}`")))
            .maybe_help(schema["x-help"].as_str().map(str::to_owned)))
    }

    fn number(&self, node: &Node, schema: &Json) -> Result<Json, Diagnostic> {
        let json = node.json();
        let value = json.as_f64().unwrap_or(f64::NAN);
        let limit = |name: &str| schema[name].as_f64();
        // Written so that NaN is outside.
        let fits = limit("minimum").is_none_or(|low| value >= low)
            && limit("exclusiveMinimum").is_none_or(|low| value > low)
            && limit("maximum").is_none_or(|high| value <= high)
            && value.is_finite();
        if !fits {
            let range = range(schema, shown).unwrap_or_else(|| "a finite number".into());
            let found = if matches!(node.value, Value::Float(_)) { shown(value) } else { node.flow() };
            return Err(self.refused(node, &range, &found));
        }
        Ok(schema["x-digits"].as_u64().map_or(json, |digits| rounded(value, digits as usize).into()))
    }

    fn long_enough(&self, node: &Node, length: usize, least: &Json) -> Result<(), Diagnostic> {
        match least.as_u64() {
            Some(least) if least > 1 && (length as u64) != least => {
                Err(self.problem(node.place, format!("{} must have {least} values, got {length}", self.here())))
            }
            Some(least) if (length as u64) < least => {
                Err(self.problem(node.place, format!("{} must not be empty", self.here())))
            }
            _ => Ok(()),
        }
    }

    fn mismatch(&self, node: &Node, schema: &'static Json) -> Diagnostic {
        let expected = expected(schema);
        let help = match &node.value {
            Value::Unsigned(_) | Value::Negative(_) | Value::Float(_) | Value::Bool(_) if expected == "a text" => {
                Some("put it in quotes to make it a text".to_owned())
            }
            Value::Text(text) if expected.contains("number") && text.trim().parse::<f64>().is_ok() => {
                Some("write it without quotes to make it a number".to_owned())
            }
            _ => None,
        };
        let is_whole = |written: &str| written.trim_start_matches(['-', '+']).bytes().all(|byte| byte.is_ascii_digit());
        let (found, help) = match self.written(node) {
            // One that 64 bits hold is no mismatch.
            Some(written) if expected.contains("whole number") && is_whole(&written) => {
                (format!("the number {written}"), Some(format!("the largest whole number is {}", u64::MAX)))
            }
            Some(written) if expected == "a text" => (format!("the number {written}"), help),
            _ => (node.value.describe(), help),
        };
        self.refused(node, &expected, &found).maybe_help(help)
    }

    /// A number as it is written: a digest of digits alone is read as one, and rounded.
    fn written(&self, node: &Node) -> Option<String> {
        let is_number = matches!(node.value, Value::Unsigned(_) | Value::Negative(_) | Value::Float(_));
        let Place { source, line, column, width } = node.place;
        let source = self.sources.iter().find(|one| is_number && one.index() == source)?;
        let line = source.text().lines().nth(line.checked_sub(1)?)?;
        let written: String = line.chars().skip(column.checked_sub(1)?).take(width).collect();
        (!written.trim().is_empty()).then(|| written.trim().to_owned())
    }

    fn unknown(&self, node: &Node, schema: &Json, key: &Key) -> Diagnostic {
        let tag = tag(schema).map_or("", |(tag, _)| tag);
        let properties = schema["properties"].as_object().into_iter().flatten();
        let known: Vec<&str> = properties.map(|(name, _)| name.as_str()).filter(|name| *name != tag).collect();
        let place = self.place(node, schema);
        let is_set_later = node.get(tag).is_some_and(|(_, tag)| tag.place.source > key.place.source);
        let path = self.path.join(".");
        self.problem(key.place, format!("unknown key {}{place}", quoted(&key.name)))
            .maybe_help(did_you_mean(&key.name, known.iter().copied()))
            .help(match known[..] {
                [] => "it takes no other keys".into(),
                [only] => format!("the only key is `{only}`"),
                _ => format!("the keys are {}", listed(&known, "and")),
            })
            .maybe_help(
                is_set_later
                    .then(|| format!("to change `{path}.{tag}`, replace the whole mapping: `--set '{path}={{…}}'`")),
            )
    }

    fn missing(&self, node: &Node, schema: &Json, required: &str, place: Place) -> Diagnostic {
        self.problem(place, format!("missing key `{required}`{}", self.place(node, schema)))
            .help("`facevault guide config-keys` lists every key with its unit and default")
    }

    /// In which mapping, for the end of a sentence.
    fn place(&self, node: &Node, schema: &Json) -> String {
        let variant = tag(schema).filter(|(tag, _)| node.get(tag).is_some());
        match (&self.path[..], variant) {
            ([], _) => String::new(),
            (_, Some((tag, name))) => format!(" in {} with `{tag}: {name}`", self.here()),
            (_, None) => format!(" in {}", self.here()),
        }
    }

    fn here(&self) -> String {
        if self.path.is_empty() { "the config".into() } else { format!("`{}`", self.path.join(".")) }
    }

    fn refused(&self, node: &Node, expected: &str, found: &str) -> Diagnostic {
        self.problem(node.place, format!("{} must be {expected}, got {found}", self.here()))
    }

    fn problem(&self, place: Place, rule: String) -> Diagnostic {
        Diagnostic::new(rule).at_one_of(self.sources, place)
    }
}

/// What a schema asks for, in words.
fn expected(schema: &'static Json) -> String {
    match kind(schema) {
        SchemaKind::Tagged(tag, _) => format!("a mapping with the key `{tag}`"),
        SchemaKind::Mapping | SchemaKind::Map(_) => "a mapping".into(),
        SchemaKind::List(_) => "a list".into(),
        SchemaKind::Words(words, None) => listed(&words, "or"),
        SchemaKind::Words(words, Some(other)) => format!("{} or {}", listed(&words, "or"), expected(other)),
        SchemaKind::Text => "a text".into(),
        SchemaKind::Bool => "`true` or `false`".into(),
        SchemaKind::Integer => "a whole number".into(),
        SchemaKind::Number => "a number".into(),
        SchemaKind::Anything => "a value".into(),
    }
}

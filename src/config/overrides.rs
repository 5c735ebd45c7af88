//! `--set key.path=value`: puts a value, itself YAML, into the config's tree before anything is validated.

use super::diagnostics::{Diagnostic, Source, quoted};
use super::place::Place;
use super::tree::{self, Key, Node, Value};
use crate::metrics;

/// Applies one override. A value replaces the whole node at its path; missing mappings on the way are created.
pub(super) fn apply(tree: &mut Node, source: &Source) -> Result<(), Diagnostic> {
    let (keys, value_at) = split(source)?;
    let text = source.text();
    let value = tree::parse(&text[value_at..], source, text[..value_at].chars().count())?;
    put(tree, &keys, 0, value, source)
}

/// The dotted key and the value of an override that has been applied before; `None` for another text.
pub(super) fn read(text: &str) -> Option<(String, serde_json::Value)> {
    let source = Source::set(1, text.to_owned());
    let (_, value_at) = split(&source).ok()?;
    let value = tree::parse(&text[value_at..], &source, 0).ok()?;
    Some((text[..value_at - 1].to_owned(), value.json()))
}

/// The keys of the path, and where the value starts in the text, bytes.
///
/// Names of metrics may contain dots and an `=` (`expect.tar@fmr=1e-3.min=0.9`): each is one key.
fn split(source: &Source) -> Result<(Vec<Key>, usize), Diagnostic> {
    let text = source.text();
    let metric = text.strip_prefix("expect.").and_then(|rest| {
        let named = |path: &&&str| rest.strip_prefix(**path).is_some_and(|rest| rest.starts_with(['.', '=']));
        metrics::PATHS.iter().filter(named).max_by_key(|path| path.len())
    });
    let whole = metric.map_or(0, |path| "expect.".len() + path.len());
    let Some(equals) = text[whole..].find('=').map(|at| whole + at) else {
        return Err(Diagnostic::new("an override has the form `key.path=value`, but this one has no `=`")
            .at(source, Some(place(source, 0, text.len())))
            .help("for example `--set embed.batch_size=64`"));
    };
    let mut keys = Vec::new();
    let mut add = |from: usize, to: usize| {
        keys.push(Key { name: text[from..to].to_owned(), place: place(source, from, to) });
    };
    let mut start = 0;
    if let Some(path) = metric {
        add(0, "expect".len());
        add("expect.".len(), "expect.".len() + path.len());
        start = whole + 1;
    }
    if start <= equals {
        for part in text[start..equals].split('.') {
            add(start, start + part.len());
            start += part.len() + 1;
        }
    }
    match keys.iter().find(|key| key.name.trim() != key.name || key.name.is_empty()) {
        Some(wrong) => Err(Diagnostic::new("the key path of an override has an empty or padded part")
            .at(source, Some(wrong.place))
            .help("write the keys with single dots between them: `embed.batch_size=64`")),
        None => Ok((keys, equals + 1)),
    }
}

/// A range of bytes of the override as a place.
fn place(source: &Source, from: usize, to: usize) -> Place {
    let text = source.text();
    Place {
        source: source.index(),
        line: 1,
        column: text[..from].chars().count() + 1,
        width: text[from..to].chars().count().max(1),
    }
}

fn put(node: &mut Node, keys: &[Key], depth: usize, value: Node, source: &Source) -> Result<(), Diagnostic> {
    let Some(key) = keys.get(depth) else {
        *node = value;
        return Ok(());
    };
    if node.value == Value::Null {
        if let Some(list) = keys[..depth].last().filter(|_| key.name.parse::<usize>().is_ok()) {
            return Err(Diagnostic::new(format!(
                "`{}` is not in the config, and has no item {}",
                path(&keys[..depth]),
                quoted(&key.name)
            ))
            .at(source, Some(list.place))
            .help(format!("give the whole list: `--set '{}=[…]'`", path(&keys[..depth]))));
        }
        *node = Node { value: Value::Map(Vec::new()), place: key.place };
    }
    match &mut node.value {
        Value::Map(entries) => {
            let at = entries.iter().position(|(there, _)| there.name == key.name).unwrap_or_else(|| {
                entries.push((key.clone(), Node { value: Value::Null, place: key.place }));
                entries.len() - 1
            });
            // From here on the key is this override's: problems with it point at the command line.
            if depth + 1 == keys.len() {
                entries[at].0 = key.clone();
            }
            put(&mut entries[at].1, keys, depth + 1, value, source)
        }
        Value::List(items) => {
            let length = items.len();
            match key.name.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                Some(item) => put(item, keys, depth + 1, value, source),
                None => Err(Diagnostic::new(format!(
                    "`{}` is a list of length {length}: {} is not an index of it",
                    path(&keys[..depth]),
                    quoted(&key.name)
                ))
                .at(source, Some(key.place))
                .help("indices start at 0; `[…]` replaces the whole list")),
            }
        }
        other => Err(Diagnostic::new(format!(
            "`{}` is {} and has no key {}",
            path(&keys[..depth]),
            other.describe(),
            quoted(&key.name)
        ))
        .at(source, Some(key.place))),
    }
}

fn path(keys: &[Key]) -> String {
    keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(".")
}

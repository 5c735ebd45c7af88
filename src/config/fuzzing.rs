//! Configs and overrides.

use std::path::Path;

use serde_json::Value as Json;

use super::{as_written, load_stored};

const SMALL: &str =
    "name: small\ndataset: {source: synthetic, identities: 3, samples: 2}\nweights: {source: embedded, name: demo}\n";

/// A config that is accepted is accepted again as `check` prints it, and is the same but for the secrets of URLs.
fn understood(text: &[u8], overrides: &[String]) {
    let (path, folder) = (Path::new("/configs/config.yaml"), Path::new("/work"));
    let config = match load_stored(text, path, overrides, folder) {
        Ok(loaded) => loaded.config,
        Err(error) => return drop(error.to_string()),
    };
    let written = without_nulls(as_written(&config)).to_string();
    match load_stored(written.as_bytes(), path, &[], folder) {
        Ok(again) if written.contains("://") => assert_eq!(as_written(&again.config), as_written(&config), "{written}"),
        Ok(again) => assert_eq!(again.config, config, "{written}"),
        Err(error) => panic!("{error}\n{written}"),
    }
}

/// Without the keys that were left out and have no value.
fn without_nulls(value: Json) -> Json {
    match value {
        Json::Object(entries) => {
            let there = entries.into_iter().filter(|(_, value)| !value.is_null());
            // What an ablation sets may be null.
            there.map(|(key, value)| if key == "set" { (key, value) } else { (key, without_nulls(value)) }).collect()
        }
        Json::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// A config file.
pub(crate) fn config(data: &[u8]) {
    understood(data, &[]);
}

/// `--set` arguments, one a line.
pub(crate) fn overrides(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    understood(SMALL.as_bytes(), &text.lines().map(str::to_owned).collect::<Vec<_>>());
}

//! The JSON Schema that editors check configs with, generated from the wire types: `configs/schema.json`.

use super::wire::Experiment;

/// The schema as stored in `configs/schema.json`.
#[must_use]
pub fn schema() -> String {
    let mut text = serde_json::to_string_pretty(&schemars::schema_for!(Experiment)).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    fn configs(name: &str) -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("configs").join(name)
    }

    #[test]
    fn the_committed_schema_is_current() {
        let path = configs("schema.json");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            std::fs::write(&path, schema()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == schema(), "run `UPDATE_SCHEMA=1 cargo test --lib schema` and commit configs/schema.json");
    }

    /// Every key that the schema has anywhere, with the dotted path of the objects around it.
    fn keys(node: &Value, root: &Value, path: &str, found: &mut BTreeSet<String>) {
        if let Some(reference) = node["$ref"].as_str() {
            keys(root.pointer(reference.trim_start_matches('#')).unwrap(), root, path, found);
        }
        for (name, child) in node["properties"].as_object().into_iter().flatten() {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            keys(child, root, &path, found);
            found.insert(path);
        }
        for list in ["oneOf", "anyOf", "allOf"] {
            for child in node[list].as_array().into_iter().flatten() {
                keys(child, root, path, found);
            }
        }
        if node["items"].is_object() {
            keys(&node["items"], root, &format!("{path}[]"), found);
        }
        if node["additionalProperties"].is_object() {
            keys(&node["additionalProperties"], root, &format!("{path}.<metric>"), found);
        }
    }

    #[test]
    fn the_readme_has_a_row_with_unit_and_default_for_every_key() {
        let root: Value = serde_json::from_str(&schema()).unwrap();
        let mut found = BTreeSet::new();
        keys(&root, &root, "", &mut found);
        assert!(found.contains("dataset.rewrite[].from") && found.contains("expect.<metric>.min"), "{found:?}");
        let readme = std::fs::read_to_string(configs("README.md")).unwrap();
        for key in found {
            let row = readme.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
            let cells =
                row.map_or(0, |row| row.split(" | ").filter(|cell| !cell.trim_matches(['|', ' ']).is_empty()).count());
            assert_eq!(cells, 4, "configs/README.md needs a row `| `{key}` | meaning | unit or values | default |`");
        }
    }

    #[test]
    fn the_readme_lists_every_metric_and_profile() {
        let readme = std::fs::read_to_string(configs("README.md")).unwrap();
        for name in crate::metrics::PATHS.iter().chain(crate::preprocess::PROFILES) {
            assert!(readme.contains(&format!("`{name}`")), "{name}");
        }
    }
}

//! A dataset in a few words, for a table of runs.

use std::path::Path;

use serde_json::Value;

/// Kind and place of a dataset, from its config as a run recorded it: `folders photos`, `synthetic 30×20`.
pub fn short_name(source: &Value) -> String {
    let kind = source["source"].as_str().unwrap_or("unknown");
    let place = match (&source["identities"], &source["samples"]) {
        (Value::Number(identities), Value::Number(samples)) => Some(format!("{identities}×{samples}")),
        _ => place(source),
    };
    place.map_or_else(|| kind.to_owned(), |place| format!("{kind} {place}"))
}

/// Repository on the Hub, or the end of a path.
fn place(source: &Value) -> Option<String> {
    let Value::Object(entries) = source else { return None };
    let here = entries.iter().find_map(|(key, value)| match (key.as_str(), value.as_str()?) {
        ("repo", repo) => Some(repo.to_owned()),
        ("root" | "path" | "matrix", path) => Some(last(Path::new(path))),
        // Phase 1's tables have one name: the folder tells them apart.
        ("csv", path) => Some(last(Path::new(path).parent()?)),
        _ => None,
    });
    // A container is written one or two levels down; tables next to the pictures are texts.
    here.or_else(|| entries.values().find_map(place))
}

fn last(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::short_name;

    #[test]
    fn a_dataset_is_named_by_its_kind_and_place() {
        let archive = json!({"local": {"path": "/data/faces.tar", "sha256": null}});
        for (source, name) in [
            (json!({"source": "synthetic", "seed": 1, "identities": 30, "samples": 20}), "synthetic 30×20"),
            (json!({"source": "folders", "pairs": "pairs.txt", "root": "/data/photos"}), "folders photos"),
            (json!({"source": "phase1", "csv": "/data/celebs/face_metadata.csv", "root": ""}), "phase1 celebs"),
            (json!({"source": "hub-folders", "folder": "", "repo": "a/b", "revision": "main"}), "hub-folders a/b"),
            (json!({"source": "archive", "archive": archive}), "archive faces.tar"),
            (json!({"source": "parquet", "shards": {"hub": {"files": ["x"], "repo": "a/b"}}}), "parquet a/b"),
            (
                json!({"source": "embeddings", "faces": "/data/a/faces.csv", "matrix": "/data/a/rows.npy"}),
                "embeddings rows.npy",
            ),
            (json!(null), "unknown"),
        ] {
            assert_eq!(short_name(&source), name);
        }
    }
}

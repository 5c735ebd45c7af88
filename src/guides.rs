//! The guides that the binary carries, for users who have nothing else: `facevault guide`.

mod folded;

use schemars::JsonSchema;
use serde::Serialize;

/// A page of the documentation.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub struct Guide {
    /// Its name on the command line.
    pub name: &'static str,
    /// Markdown.
    pub text: &'static str,
}

/// Adds a page of `docs/guides` under the name of its file.
macro_rules! guide {
    ($name:literal) => {
        Guide { name: $name, text: include_str!(concat!("../docs/guides/", $name, ".md")) }
    };
}

/// All of them, in the order of the list. A new page is a file in `docs/guides`, a line here and one in `docs/SUMMARY.md`.
pub const GUIDES: &[Guide] = &[
    guide!("read-a-report"),
    guide!("find-your-threshold"),
    guide!("clean-your-labels"),
    guide!("detector-and-crop"),
    guide!("bring-an-onnx-network"),
    guide!("move-to-another-model"),
    guide!("gate-in-ci"),
    guide!("add-faces"),
    guide!("hand-over-embeddings"),
    guide!("evaluate-a-benchmark"),
    guide!("evaluate-embeddings"),
    guide!("search-a-gallery"),
    guide!("forget-a-person"),
    guide!("cluster"),
    Guide { name: "datasets", text: include_str!("../docs/datasets.md") },
    Guide { name: "detection", text: include_str!("../docs/detection.md") },
    Guide { name: "onnx", text: include_str!("../docs/onnx.md") },
    Guide { name: "engine", text: include_str!("../docs/engine.md") },
    Guide { name: "config-keys", text: include_str!("../configs/README.md") },
    Guide { name: "files", text: include_str!("../docs/files.md") },
];

impl Guide {
    pub fn find(name: &str) -> Option<&'static Self> {
        GUIDES.iter().find(|guide| guide.name == name)
    }

    /// Its text for a terminal of so many characters in a line.
    pub fn folded(&self, width: usize) -> String {
        folded::folded(self.text, width)
    }

    /// Its first heading.
    pub fn title(&self) -> &'static str {
        self.text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// A page that a message names is none that only the checkout has.
    #[test]
    fn messages_name_guides_that_are_carried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut named = 0;
        for file in
            ["src/init/error.rs", "src/init/yaml.rs", "crates/graph/src/onnx/error.rs", "crates/engine/src/error.rs"]
        {
            let text = std::fs::read_to_string(root.join(file)).unwrap();
            assert!(!text.contains("docs/"), "{file}");
            for name in text.split("`facevault guide ").skip(1).map(|after| after.split('`').next().unwrap()) {
                named += 1;
                assert!(Guide::find(name).is_some(), "{file}: {name}");
            }
        }
        assert!(named > 8, "{named}");
    }

    #[test]
    fn every_page_of_the_folder_is_carried_and_in_the_book() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).unwrap();
        let carried: BTreeSet<_> = GUIDES.iter().map(|guide| guide.name.to_owned()).collect();
        assert_eq!(carried.len(), GUIDES.len());
        for entry in std::fs::read_dir(docs.join("guides")).unwrap() {
            let file = entry.unwrap().file_name().into_string().unwrap();
            let name = file.strip_suffix(".md").expect("a page");
            assert!(carried.contains(name), "{name} is missing in GUIDES");
            assert!(summary.contains(&format!("(guides/{file})")), "{name} is missing in SUMMARY.md");
        }
        for guide in GUIDES {
            assert!(guide.text.starts_with("# "), "{} has no heading", guide.name);
        }
    }
}

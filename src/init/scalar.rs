//! Texts as YAML.

/// A text as YAML: as it is where that is certainly read back as the same text, else in quotes.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        || ["./", "../"].iter().any(|start| text.starts_with(start));
    // Words that YAML, in one version or another, reads as something else.
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    if starts && !word && text.chars().all(plain) {
        return text.to_owned();
    }
    // JSON's texts are YAML's.
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn every_text_is_read_back_as_itself() {
        for text in [
            "faces",
            "../a b",
            "2026",
            "no",
            "1e5",
            "{identity}_{n}.*",
            "a: b",
            "é",
            "#x",
            "\"",
            "~",
            "./faces/x-1.csv",
            "",
        ] {
            let written = format!("key: {} # a comment\n", scalar(text));
            let read: serde_json::Value = serde_yaml::from_str(&written).unwrap();
            assert_eq!(read["key"], text, "{written}");
        }
        assert_eq!(scalar("./faces/x-1.csv"), "./faces/x-1.csv");
    }
}

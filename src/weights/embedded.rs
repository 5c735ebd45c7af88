//! Weights inside the binary.

use super::WeightsError;

/// Names and bytes. `just train-demo` creates the file.
const ALL: &[(&str, &[u8])] = &[("demo", include_bytes!("../../assets/demo.safetensors"))];

/// Their names.
pub(super) fn names() -> Vec<&'static str> {
    ALL.iter().map(|(name, _)| *name).collect()
}

/// The bytes of embedded weights.
pub(super) fn find(name: &str) -> Result<&'static [u8], WeightsError> {
    ALL.iter().find(|(other, _)| *other == name).map(|(_, bytes)| *bytes).ok_or_else(|| WeightsError::NotEmbedded {
        name: name.to_owned(),
        known: ALL.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        insta::assert_snapshot!(find("dmeo").unwrap_err(), @"unknown embedded weights `dmeo`; available: `demo`");
    }
}

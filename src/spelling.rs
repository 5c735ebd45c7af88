//! "did you mean …?": the one rule for which existing name a misspelt one stands for.

/// The candidate nearest to a word, if it is near enough to have been meant. Case, `-`, `_` and spaces do not count.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_lowercase().replace(['-', '_', ' '], "");
    if word.len() > 100 {
        return None;
    }
    let word = plain(word);
    candidates
        .into_iter()
        .map(|candidate| (candidate, strsim::damerau_levenshtein(&word, &plain(candidate))))
        // One wrong letter in three says nothing (`gpu` does not mean `cpu`), one in four does.
        .filter(|(candidate, distance)| *distance <= candidate.len().max(word.len()).saturating_sub(1) / 3)
        .min_by_key(|(_, distance)| *distance)
        .map(|(candidate, _)| candidate)
}

/// "did you mean `…`?", when one of the candidates is near.
#[must_use]
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|near| format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_near_was_meant() {
        for (word, near) in [
            ("embeded", Some("embed")),
            ("batchsize", Some("batch_size")),
            ("Batch-Size", Some("batch_size")),
            ("gpu", None),
            ("", None),
            (&*"x".repeat(101), None),
        ] {
            assert_eq!(nearest(word, ["embed", "batch_size", "cpu"]), near, "{word}");
        }
        assert_eq!(did_you_mean("emebd", ["embed"]).as_deref(), Some("did you mean `embed`?"));
    }
}

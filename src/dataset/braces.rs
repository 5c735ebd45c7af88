//! Patterns of shards, as WebDataset writes them: `shards-{000000..000009}.tar`, `{train,val}.tar`.

/// Most files that a pattern stands for.
const MOST: usize = 100_000;

/// What a pattern stands for, in order; a text without braces stands for itself. The error says what is wrong.
pub(crate) fn expand(pattern: &str) -> Result<Vec<String>, String> {
    let mut texts = vec![String::new()];
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((inside, behind)) = after.split_once('}').filter(|(inside, _)| !inside.contains('{')) else {
            return Err("its braces do not match; they are not nested".into());
        };
        let choices = choices(inside)?;
        if choices.len().saturating_mul(texts.len()) > MOST {
            return Err(format!("it stands for more than {MOST} files"));
        }
        texts =
            texts.iter().flat_map(|text| choices.iter().map(move |choice| format!("{text}{before}{choice}"))).collect();
        rest = behind;
    }
    if rest.contains('}') {
        return Err("its braces do not match".into());
    }
    Ok(texts.into_iter().map(|text| text + rest).collect())
}

fn choices(inside: &str) -> Result<Vec<String>, String> {
    let Some((first, last)) = inside.split_once("..") else {
        return if inside.contains(',') {
            Ok(inside.split(',').map(str::to_owned).collect())
        } else {
            Err(format!("`{{{inside}}}` is neither a range, such as `{{000..009}}`, nor a choice, such as `{{a,b}}`"))
        };
    };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse::<usize>().ok()).flatten()
    };
    let (Some(from), Some(to)) = (number(first), number(last)) else {
        return Err(format!("`{{{inside}}}` is no range of numbers, such as `{{000..009}}`"));
    };
    if from > to || to - from >= MOST {
        return Err(format!("`{{{inside}}}` must go from a number to a larger one, over at most {MOST} files"));
    }
    // As bash has it: a zero before either fills all up to the longer one.
    let is_filled = [first, last].into_iter().any(|number| number.len() > 1 && number.starts_with('0'));
    let width = if is_filled { first.len().max(last.len()) } else { 0 };
    Ok((from..=to).map(|number| format!("{number:0width$}")).collect())
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn ranges_and_choices_stand_for_files() {
        let expanded = |pattern| expand(pattern).unwrap().join(" ");
        assert_eq!(expanded("a/s-{008..011}.tar"), "a/s-008.tar a/s-009.tar a/s-010.tar a/s-011.tar");
        assert_eq!(expanded("{9..11}"), "9 10 11");
        assert_eq!(expand("{00..100}").unwrap()[..2], ["000", "001"]);
        assert_eq!((expanded("{0..2}"), expanded("{9..010}")), ("0 1 2".to_owned(), "009 010".to_owned()));
        assert_eq!(expanded("{train,val}/{0..1}.tar"), "train/0.tar train/1.tar val/0.tar val/1.tar");
        assert_eq!(expanded("plain.tar"), "plain.tar");
    }

    /// Fault (config): a pattern of shards that stands for a billion files, runs backwards, or has half a brace → refused
    /// with the reason
    #[test]
    fn what_is_no_pattern_is_refused() {
        let errors =
            ["{0..999999999}", "{0..99999}-{0..99999}", "{9..0}", "{a}", "{a..c}", "{0..1", "0}", "{{0..1}}", "{..}"];
        let errors: Vec<String> = errors.map(|pattern| expand(pattern).unwrap_err()).into();
        insta::assert_snapshot!(errors.join("\n"), @r"
        `{0..999999999}` must go from a number to a larger one, over at most 100000 files
        it stands for more than 100000 files
        `{9..0}` must go from a number to a larger one, over at most 100000 files
        `{a}` is neither a range, such as `{000..009}`, nor a choice, such as `{a,b}`
        `{a..c}` is no range of numbers, such as `{000..009}`
        its braces do not match; they are not nested
        its braces do not match
        its braces do not match; they are not nested
        `{..}` is no range of numbers, such as `{000..009}`
        ");
    }
}

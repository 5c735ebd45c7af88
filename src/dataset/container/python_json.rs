//! JSON as Python writes it, which is no JSON in two places: `NaN` and `Infinity` stand for what JSON has no number for, and
//! whole numbers have any number of digits, as that of `uuid.int` has.

use std::borrow::Cow;

use serde_json::{Result, Value};

/// Reads a value: `NaN` and `Infinity` as null, and a whole number of more than 64 bits as the text of its digits, because
/// rounded it would be that of others, too.
pub(super) fn read(text: &str) -> Result<Value> {
    serde_json::from_str(&plain(text))
}

fn plain(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let (mut done, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while at < bytes.len() {
        let start = at;
        if bytes[at] == b'"' {
            at = end_of_text(bytes, at);
            continue;
        }
        let in_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        at += bytes[at..].iter().take_while(|byte| in_word(byte)).count();
        if at == start {
            at += 1;
            continue;
        }
        let word = &text[start..at];
        let replaced = match word {
            "NaN" | "Infinity" | "-Infinity" => "null".to_owned(),
            word if is_too_long(word) => format!("\"{word}\""),
            _ => continue,
        };
        out += &text[done..start];
        out += &replaced;
        done = at;
    }
    if done == 0 { Cow::Borrowed(text) } else { Cow::Owned(out + &text[done..]) }
}

/// The byte behind the text that begins here.
fn end_of_text(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    bytes.len().min(at + 1)
}

/// Whether a word is a whole number that neither 64 bits nor 63 and a sign hold.
fn is_too_long(word: &str) -> bool {
    let digits = word.strip_prefix('-').unwrap_or(word);
    let is_whole = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    is_whole && !digits.is_empty() && word.parse::<u64>().is_err() && word.parse::<i64>().is_err()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_python_writes_is_read() {
        let same = |python: &str, json: &str| {
            assert_eq!(read(python).unwrap(), serde_json::from_str::<Value>(json).unwrap(), "{python}");
        };
        same("[NaN, Infinity,-Infinity]", "[null, null, null]");
        same(r#"{"NaN": "a NaN \\\" Infinity", "é": NaN}"#, r#"{"NaN": "a NaN \\\" Infinity", "é": null}"#);
        same("18446744073709551615", "18446744073709551615");
        same("-9223372036854775808", "-9223372036854775808");
        same("[18446744073709551616,-9223372036854775809]", r#"["18446744073709551616", "-9223372036854775809"]"#);
        same("12345678901234567890123.5e3", "12345678901234567890123.5e3");
        for broken in ["nan", "[NaN", "\"a", "00000000000000000000000001", "{NaN: 1}", "\"\\"] {
            assert!(read(broken).is_err(), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn json_stays_what_it_is(text in r#"[{}\[\]",:0-9eEa-zN\\ .é-]{0,40}"#) {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                let digits = |value: &str| value.bytes().filter(u8::is_ascii_digit).count();
                if digits(&text) < 19 {
                    prop_assert_eq!(read(&text).unwrap(), value);
                }
            }
        }
    }
}

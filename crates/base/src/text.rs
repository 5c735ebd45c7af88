//! Input in messages. A name, a key or a value that somebody else wrote may hold megabytes, or characters that drive a
//! terminal: what is quoted is cut, and what cannot be seen is shown as an escape.

use std::borrow::Cow;
use std::fmt::Display;
use std::fmt::Write as _;

/// Characters of a quoted text that are shown.
pub const QUOTED: usize = 200;

/// Bytes of a whole message that are shown; some errors list hundreds of lines.
pub const MESSAGE: usize = 64 << 10;

/// Bytes of an error's text that files, pages and JSON keep.
pub const REASON: usize = 4 << 10;

/// Whether a character moves the cursor, changes the state of a terminal, or reorders the text around it: C0, DEL, C1, the
/// marks of bidirectional text, and the line breaks of Unicode.
#[must_use]
pub fn drives_a_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A text to quote within a line: its first [`QUOTED`] characters on one line, with its length if that is not all.
#[must_use]
pub fn quoted(text: &str) -> Cow<'_, str> {
    quoted_to(text, QUOTED)
}

/// [`quoted`] with another number of characters.
#[must_use]
pub fn quoted_to(text: &str, most: usize) -> Cow<'_, str> {
    let Some((end, _)) = text.char_indices().nth(most) else { return escaped(text, |_| false) };
    // Counting the characters of a huge text would take as long as printing it.
    Cow::Owned(format!("{}… ({} bytes)", escaped(&text[..end], |_| false), text.len()))
}

/// A message for a terminal: lines and tabs stay, the secrets of URLs are covered, and of more than [`MESSAGE`] bytes the
/// middle is left out, since the remedy is at the end.
#[must_use]
pub fn message(text: &str) -> Cow<'_, str> {
    bounded(text, MESSAGE)
}

/// The text of an error as files, pages and JSON keep it: [`message`] of at most [`REASON`] bytes.
#[must_use]
pub fn reason(error: &(impl ToString + ?Sized)) -> String {
    bounded(&error.to_string(), REASON).into_owned()
}

fn bounded(text: &str, most: usize) -> Cow<'_, str> {
    let seen = |text| match masked(text) {
        Cow::Borrowed(text) => whole(text),
        Cow::Owned(text) => Cow::Owned(whole(&text).into_owned()),
    };
    if text.len() <= most {
        return seen(text);
    }
    let head = text.floor_char_boundary(most / 4 * 3);
    let tail = text.ceil_char_boundary(text.len() - most / 4);
    let (first, last) = (seen(&text[..head]), seen(&text[tail..]));
    Cow::Owned(format!("{first}… ({} bytes are left out) …{last}", tail - head))
}

/// A result for a terminal or a file, whole: lines and tabs stay.
#[must_use]
pub fn whole(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'))
}

/// What stands for a user name and a password in messages and documentation.
const PLACEHOLDER: &str = "user:password";

/// A text in which the secrets of URLs are covered by as many `*`: a user name and password, and queries, which hold keys
/// and signatures. What follows a URL stays in its place.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    let mut done = 0;
    while let Some(start) = text[done..].find("://").map(|at| done + at + 3) {
        let ends = |c: char| {
            c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '|' | '}' | '…')
        };
        let end = text[start..].find(ends).map_or(text.len(), |at| start + at);
        // Punctuation after a URL belongs to the sentence, or to the list that it is in.
        let url = text[start..end].trim_end_matches([',', ';', ':', '.', ')', ']']);
        let place = &url[..url.find(['/', '?', '#']).unwrap_or(url.len())];
        // What stands for credentials in a remedy is none.
        let credentials = place.rfind('@').filter(|at| place[..*at] != *PLACEHOLDER).unwrap_or(0);
        let query = url.find('?').map_or(url.len(), |at| at + 1);
        out.push_str(&text[done..start]);
        for (at, c) in url.char_indices() {
            out.push(if at < credentials || at >= query { '*' } else { c });
        }
        done = start + url.len();
    }
    if done == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    if out == text { Cow::Borrowed(text) } else { Cow::Owned(out) }
}

/// Escapes what drives a terminal, except what is `kept`, as JSON does: it stays valid JSON with the same meaning.
fn escaped(text: &str, kept: impl Fn(char) -> bool) -> Cow<'_, str> {
    let hidden = |c: char| drives_a_terminal(c) && !kept(c);
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' if hidden(c) => out.push_str("\\n"),
            '\t' if hidden(c) => out.push_str("\\t"),
            '\r' if hidden(c) => out.push_str("\\r"),
            _ if hidden(c) => drop(write!(out, "\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A number and its noun: `1 face`, `2 faces`, `0 identities`. `one` is the noun for one.
#[must_use]
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(number: N, one: &str) -> String {
    let many = || match one {
        "person" => "people".to_owned(),
        one if one.ends_with('y') => format!("{}ies", &one[..one.len() - 1]),
        one if one.ends_with(['x', 's']) || one.ends_with("ch") => format!("{one}es"),
        one => format!("{one}s"),
    };
    if number == N::from(1) { format!("{number} {one}") } else { format!("{number} {}", many()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let counted =
            ["face", "identity", "person", "box", "batch", "pass"].map(|noun| [0u64, 1, 2].map(|n| counted(n, noun)));
        assert_eq!(counted[0], ["0 faces", "1 face", "2 faces"]);
        assert_eq!(counted[1], ["0 identities", "1 identity", "2 identities"]);
        assert_eq!(counted[2][1..], ["1 person", "2 people"]);
        assert_eq!(counted[3..].iter().map(|of| &of[2][..]).collect::<Vec<_>>(), ["2 boxes", "2 batches", "2 passes"]);
    }

    /// Fault (texts): a quoted name with terminal escapes, line breaks or bidirectional overrides → shown as escapes, on one line
    #[test]
    fn what_drives_a_terminal_is_shown_as_an_escape() {
        assert_eq!(quoted("plain é 面 👩‍🚀"), "plain é 面 👩‍🚀");
        assert_eq!(quoted("a\x1b[2J\nb\t\r\0"), "a\\u001b[2J\\nb\\t\\r\\u0000");
        assert_eq!(quoted("\u{7f}\u{9b}31m\u{202e}x\u{2066}\u{2028}"), "\\u007f\\u009b31m\\u202ex\\u2066\\u2028");
        assert_eq!(message("error: x\n  | \x1b]0;t\x07\tend\r\n"), "error: x\n  | \\u001b]0;t\\u0007\tend\\r\n");
    }

    /// Fault (texts): a quoted name of 100 MB → cut, with its length
    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(quoted(&"é".repeat(QUOTED)), "é".repeat(QUOTED));
        assert_eq!(quoted(&"é".repeat(QUOTED + 1)), format!("{}… (402 bytes)", "é".repeat(QUOTED)));
        assert_eq!(quoted_to("\x1b\x1b\x1b", 2), "\\u001b\\u001b… (3 bytes)");
        let long = format!("error: {}; do this", "é\x1b".repeat(1 << 20));
        let cut = message(&long);
        assert!(cut.len() < 4 * MESSAGE && cut.starts_with("error: é\\u001b") && cut.ends_with("; do this"));
        assert!(cut.contains(" bytes are left out) …"));
        assert!(reason(&long).len() < 4 * REASON && reason(&long).ends_with("; do this"));
        assert_eq!(reason("a\n  b\x1b see http://h/x?key"), "a\n  b\\u001b see http://h/x?***");
    }

    /// Fault (texts): a message or a config that contains a URL with a password or a signed query → both are covered
    #[test]
    fn the_secrets_of_urls_are_covered() {
        for (text, expected) in [
            ("no url: a//b?c=d", "no url: a//b?c=d"),
            ("https://hub/a?", "https://hub/a?"),
            ("set P=http://user:password@host:port", "set P=http://user:password@host:port"),
            ("http://user:password1@h http://user:password@x@h", "http://**************@h http://***************@h"),
            ("see https://me:secret@hub:80/a, or b", "see https://*********@hub:80/a, or b"),
            ("{url: https://hub/w.pt?key=s,3, sha: x}", "{url: https://hub/w.pt?*******, sha: x}"),
            ("url=\"http://h/w?a=b@c\" http://h2/?x", "url=\"http://h/w?*****\" http://h2/?*"),
            ("(https://h/a?b=1).", "(https://h/a?***)."),
            ("https://h/a@b https://é@h?é", "https://h/a@b https://*@h?*"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
    }

    #[test]
    fn json_stays_json_of_the_same_meaning() {
        let value = serde_json::json!({"a\u{9b}": "b\u{202e}\u{7f}\x1b\n\"\\"});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = whole(&text);
        assert!(!shown.contains(|c: char| drives_a_terminal(c) && c != '\n'), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}

//! A pattern of paths, such as `{identity}/*/{n}.jpg`: which part of a picture's path is what.

use regex::{Regex, escape};

/// What `{…}` may be called.
const NAME: &str = "lower-case letters, digits and `_`, starting with a letter";

/// A pattern that has been read.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    regex: Regex,
    /// Its placeholders, in order.
    names: Vec<String>,
    words: String,
}

/// A piece of a pattern.
enum Piece {
    Text(String),
    Placeholder(String),
    /// `*`: any text within a name.
    Any,
    /// `**/`: any folders, or none.
    Folders,
}

impl Pattern {
    /// Reads a pattern; the error says what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let pieces = pieces(text)?;
        let (mut regex, mut names, mut words) = (String::from("^"), Vec::<String>::new(), Vec::new());
        let mut open = false;
        for piece in pieces {
            let takes = matches!(piece, Piece::Placeholder(_) | Piece::Any);
            if takes && open {
                return Err("two parts that take any text stand side by side, so nothing says where one ends".into());
            }
            open = takes;
            match piece {
                Piece::Text(text) => {
                    regex += &escape(&text);
                    words.push(format!("`{text}`"));
                }
                Piece::Placeholder(name) => {
                    if names.contains(&name) {
                        return Err(format!("`{{{name}}}` occurs twice"));
                    }
                    // Greedy: `{identity}_{n}` ends the identity at the last `_`.
                    regex.extend(["(?P<", &name, ">[^/]+)"]);
                    words.push(format!("<{name}>"));
                    names.push(name);
                }
                Piece::Any => {
                    regex += "[^/]*";
                    words.push("any text".into());
                }
                Piece::Folders => {
                    regex += "(?:[^/]+/)*";
                    words.push("any folders".into());
                }
            }
        }
        if !names.iter().any(|name| name == "identity") {
            return Err("it has no `{identity}`, so nobody would be known".into());
        }
        let regex = Regex::new(&(regex + "$")).map_err(|error| error.to_string())?;
        Ok(Self { regex, names, words: words.join(", ") })
    }

    /// The placeholders, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What it asks for, in words.
    pub fn words(&self) -> &str {
        &self.words
    }

    /// The values of the placeholders in a path; `None` if it does not fit.
    pub fn values<'a>(&self, path: &'a str) -> Option<Vec<&'a str>> {
        let found = self.regex.captures(path)?;
        self.names.iter().map(|name| found.name(name).map(|value| value.as_str())).collect()
    }
}

fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        return Err("it must be a path below `dataset.root`".into());
    }
    if text.split('/').any(|part| part.is_empty() || part == ".") && !text.is_empty() {
        return Err("no path has an empty part or `.` between its slashes; leave it out".into());
    }
    let (mut pieces, mut literal, mut rest) = (Vec::new(), String::new(), text);
    while let Some(next) = rest.chars().next() {
        let piece = if let Some(behind) = rest.strip_prefix("**") {
            let begins_part = literal.is_empty() && pieces.is_empty() || literal.ends_with('/');
            let Some(behind) = behind.strip_prefix('/').filter(|_| begins_part) else {
                return Err("`**` stands for whole folders: write it as `**/`".into());
            };
            rest = behind;
            Piece::Folders
        } else if next == '*' {
            rest = &rest[1..];
            Piece::Any
        } else if next == '{' {
            let Some((name, behind)) = rest[1..].split_once('}') else {
                return Err("a `{` is not closed".into());
            };
            let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(valid) {
                return Err(format!("`{{{name}}}` is no name: use {NAME}"));
            }
            rest = behind;
            Piece::Placeholder(name.to_owned())
        } else if next == '}' {
            return Err("a `}` has no `{`".into());
        } else {
            literal.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        if !literal.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut literal)));
        }
        pieces.push(piece);
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pattern: &str, path: &str) -> Option<String> {
        Some(Pattern::read(pattern).unwrap().values(path)?.join("|"))
    }

    #[test]
    fn each_part_is_found_where_it_stands() {
        for (pattern, path, expected) in [
            ("{identity}_{n}.jpg", "Ada_B_0001.jpg", Some("Ada_B|0001")),
            ("{identity}_{n}.jpg", "Ada_1.JPG", None),
            ("{identity}_{n}.*", "Ada_1.JPG", Some("Ada|1")),
            ("{identity}_{n}.jpg", "x/Ada_1.jpg", None),
            ("**/{identity}_{n}.jpg", "x/y/Ada_1.jpg", Some("Ada|1")),
            ("**/{identity}_{n}.jpg", "Ada_1.jpg", Some("Ada|1")),
            ("{identity}/**/*", "Ada/x/y/1.png", Some("Ada")),
            ("{split}/{identity}/{session}/*", "train/Ada/s1/7.png", Some("train|Ada|s1")),
            ("*/{identity}/*", "a/b/c/d", None),
            ("a.b/{identity}/*", "axb/Ada/1", None),
            ("{identity}/é{n}", "Ada/é2", Some("Ada|2")),
            ("{identity}/*", "/1", None),
        ] {
            assert_eq!(values(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused_with_the_rule() {
        let said: Vec<_> = [
            "",
            "*.jpg",
            "{identity}{n}.jpg",
            "{identity}*.jpg",
            "{identity}/{identity}.jpg",
            "{identity/x",
            "x}/{identity}",
            "{Identity}/x",
            "{}/x",
            "/{identity}/x",
            "../{identity}/x",
            "./{identity}/x",
            "{identity}//x",
            "{identity}/",
            "{identity}/**x",
            "a**/{identity}",
        ]
        .into_iter()
        .map(|pattern| format!("{pattern}: {}", Pattern::read(pattern).unwrap_err()))
        .collect();
        insta::assert_snapshot!(said.join("\n"), @r"
        : it has no `{identity}`, so nobody would be known
        *.jpg: it has no `{identity}`, so nobody would be known
        {identity}{n}.jpg: two parts that take any text stand side by side, so nothing says where one ends
        {identity}*.jpg: two parts that take any text stand side by side, so nothing says where one ends
        {identity}/{identity}.jpg: `{identity}` occurs twice
        {identity/x: a `{` is not closed
        x}/{identity}: a `}` has no `{`
        {Identity}/x: `{Identity}` is no name: use lower-case letters, digits and `_`, starting with a letter
        {}/x: `{}` is no name: use lower-case letters, digits and `_`, starting with a letter
        /{identity}/x: it must be a path below `dataset.root`
        ../{identity}/x: it must be a path below `dataset.root`
        ./{identity}/x: no path has an empty part or `.` between its slashes; leave it out
        {identity}//x: no path has an empty part or `.` between its slashes; leave it out
        {identity}/: no path has an empty part or `.` between its slashes; leave it out
        {identity}/**x: `**` stands for whole folders: write it as `**/`
        a**/{identity}: `**` stands for whole folders: write it as `**/`
        ");
    }
}

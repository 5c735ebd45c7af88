//! URLs: their parts, where a reference in a header leads to, and what of them may be shown.

use std::fmt::Write as _;

/// A URL with its scheme in lowercase, as it is compared everywhere (RFC 3986, 3.1: `HTTPS://` is the same).
pub(super) fn with_plain_scheme(url: &str) -> String {
    match scheme(url) {
        Some((scheme, rest)) => format!("{}:{rest}", scheme.to_ascii_lowercase()),
        None => url.to_owned(),
    }
}

/// `scheme://host:port` of a URL.
pub(super) fn origin(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    url[start..].find(['/', '?', '#']).map_or(url, |at| &url[..start + at])
}

/// Host and port of a URL.
pub(super) fn host(url: &str) -> &str {
    let origin = origin(url);
    let place = origin.split_once("://").map_or(origin, |(_, place)| place);
    place.rsplit_once('@').map_or(place, |(_, host)| host)
}

/// A URL without its query and fragment, where keys and signatures are.
pub(super) fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// What of a URL may be shown: neither a user name and password, nor a query.
pub(super) fn public(url: &str) -> String {
    without_credentials(without_query(url)).0
}

/// A URL without its user name and password, and these as `user:password`.
pub(super) fn without_credentials(url: &str) -> (String, Option<String>) {
    let origin = origin(url);
    let start = origin.find("://").map_or(0, |at| at + 3);
    // A password with a `/` of its own ends the origin early: what seems to be the port is then no number.
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    let whole = origin[start..].contains('@') || origin[start..].rsplit_once(':').is_none_or(|(_, port)| is_port(port));
    let place = if whole || origin.ends_with(']') { &origin[start..] } else { &url[start..] };
    match place.rfind('@') {
        Some(at) => {
            let (credentials, rest) = (&url[start..start + at], &url[start + at + 1..]);
            (format!("{}{rest}", &url[..start]), Some(decoded(credentials)))
        }
        None => (url.to_owned(), None),
    }
}

/// Resolves the URL of a `Location` or `Link` header (RFC 3986, 5.2).
pub(super) fn join(base: &str, reference: &str) -> String {
    // A fragment is never sent.
    let reference = reference.split('#').next().unwrap_or(reference);
    let path = without_query(base);
    let joined = if scheme(reference).is_some() {
        return with_plain_scheme(reference);
    } else if reference.starts_with("//") {
        return format!("{}:{reference}", base.split_once("://").map_or("https", |(scheme, _)| scheme));
    } else if reference.is_empty() {
        return base.split('#').next().unwrap_or(base).to_owned();
    } else if reference.starts_with('/') {
        format!("{}{reference}", origin(base))
    } else if reference.starts_with('?') {
        format!("{path}{reference}")
    } else {
        let folder = path.rfind('/').filter(|&at| at >= origin(base).len()).map_or(path, |at| &path[..at]);
        format!("{folder}/{reference}")
    };
    without_dots(&joined)
}

/// The scheme of an absolute URL, and what follows its colon. A colon in a path or query begins no scheme.
fn scheme(reference: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = reference.split_once(':')?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    (begins && scheme.bytes().all(allowed)).then_some((scheme, rest))
}

/// A URL without `.` and `..` in its path.
fn without_dots(url: &str) -> String {
    let (path, origin) = (without_query(url), origin(url));
    let (folders, query) = (&path[origin.len()..], &url[path.len()..]);
    if !folders.split('/').any(|part| matches!(part, "." | "..")) {
        return url.to_owned();
    }
    let mut kept = Vec::new();
    for part in folders.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    if folders.ends_with("/.") || folders.ends_with("/..") {
        kept.push("");
    }
    format!("{origin}/{}{query}", kept.join("/"))
}

/// Percent-encodes a path; `/` is kept.
pub(super) fn escape(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Decodes `%40`.
fn decoded(text: &str) -> String {
    let hex = |at: usize| u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(&byte) = text.as_bytes().get(at) {
        let escaped = hex(at).filter(|_| byte == b'%');
        out.push(escaped.unwrap_or(byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fault (hub): a `Location` with `://` in its query, or with `.` and `..` → resolved like in browsers, on the same server
    #[test]
    fn urls_are_resolved_like_in_browsers() {
        let base = "http://hub:80/a/b?c=/d";
        for (reference, expected) in [
            ("https://cdn/x", "https://cdn/x"),
            ("HTTPS://cdn/x#part", "https://cdn/x"),
            ("//cdn/x", "http://cdn/x"),
            ("/x?y", "http://hub:80/x?y"),
            ("x", "http://hub:80/a/x"),
            ("/file?next=https://other/x", "http://hub:80/file?next=https://other/x"),
            ("file?next=https://other", "http://hub:80/a/file?next=https://other"),
            ("?next=https://other", "http://hub:80/a/b?next=https://other"),
            ("/https://other", "http://hub:80/https://other"),
            ("./1:2://x", "http://hub:80/a/1:2://x"),
            ("../x/./y/..", "http://hub:80/x/"),
            ("/../../x", "http://hub:80/x"),
            ("#part", "http://hub:80/a/b?c=/d"),
        ] {
            assert_eq!(join(base, reference), expected, "{reference}");
        }
        assert_eq!(join("http://hub", "x"), "http://hub/x");
    }

    #[test]
    fn an_origin_ends_where_the_path_begins() {
        assert_eq!(origin("http://hub:80/a"), "http://hub:80");
        assert_eq!(origin("http://hub?a"), "http://hub");
        assert_eq!(host("https://hub/a"), "hub");
        assert_eq!(host("https://me:secret@hub:80/a"), "hub:80");
        assert_ne!(origin("http://hub.evil/a"), origin("http://hub/a"));
    }

    #[test]
    fn credentials_are_taken_out_of_a_url() {
        let parted = |url: &str| without_credentials(url);
        assert_eq!(parted("https://hub/a@b"), ("https://hub/a@b".into(), None));
        let credentials = Some("me:p@ss%".to_owned());
        assert_eq!(parted("https://me:p%40ss%25@hub:80/a"), ("https://hub:80/a".into(), credentials.clone()));
        assert_eq!(parted("https://me:p@ss%@hub"), ("https://hub".into(), credentials), "as curl reads it");
        assert_eq!(parted("https://me:p/w@hub/a"), ("https://hub/a".into(), Some("me:p/w".into())));
        assert_eq!(parted("https://hub:80/a@b"), ("https://hub:80/a@b".into(), None));
        assert_eq!(parted("https://[::1]/a@b"), ("https://[::1]/a@b".into(), None));
        assert_eq!(parted("https://hf_token@hub"), ("https://hub".into(), Some("hf_token".into())));
    }

    #[test]
    fn paths_are_escaped() {
        assert_eq!(escape("a b/ü#?.png"), "a%20b/%C3%BC%23%3F.png");
    }
}

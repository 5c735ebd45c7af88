//! Hub settings from the environment variables of Python's `huggingface_hub`.

use std::cell::OnceCell;
use std::env::VarError;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::address::{with_plain_scheme, without_credentials};
use super::proxy::Proxies;
use super::roots::Roots;
use super::{HubError, Limits};

/// A secret, redacted in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Access to the Hub, its cache, and timeouts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubSettings {
    /// URL without a trailing `/`, and without a user name and password.
    pub endpoint: String,
    /// `user:password` of the endpoint's URL; sent to the endpoint only, instead of the token.
    pub credentials: Option<Token>,
    /// Sent to the endpoint only.
    pub token: Option<Token>,
    /// The variable or file with a token that no header can contain: no request is sent to the endpoint without it.
    pub odd_token: Option<String>,
    /// A variable that is not UTF-8: without it, another cache would be used than the one that is meant.
    pub unreadable: Option<String>,
    /// Folder of the cache, which contains `models--owner--name`.
    pub cache: PathBuf,
    /// Never use the network.
    pub offline: bool,
    /// Maximum attempts at a request with transient failures; at least 1.
    pub attempts: u32,
    /// Pause before the second attempt; doubles with each further one.
    pub backoff: Duration,
    /// Longest pause that is accepted from a server.
    pub max_wait: Duration,
    /// Timeout of name resolution, connecting, and each read.
    pub read_timeout: Duration,
    /// What is taken from a server.
    pub limits: Limits,
    /// Proxies.
    pub proxies: Proxies,
    /// Trusted root certificates.
    pub roots: Roots,
}

impl HubSettings {
    /// Reads `HF_ENDPOINT`, `HF_TOKEN` (or the file `HF_TOKEN_PATH`, by default `$HF_HOME/token`), `HF_HUB_CACHE`,
    /// `HF_HOME` and `HF_HUB_OFFLINE` (or `TRANSFORMERS_OFFLINE`); [`Proxies`] and [`Roots`] document the variables for
    /// proxies and certificates.
    pub(crate) fn from_env() -> Self {
        let unreadable = OnceCell::new();
        let settings = Self::from_lookup(|name| match std::env::var(name) {
            Ok(value) => Some(value),
            // The home folder is found without it.
            Err(VarError::NotUnicode(_)) if name != "HOME" => {
                unreadable.get_or_init(|| name.to_owned());
                None
            }
            Err(_) => None,
        });
        Self { unreadable: unreadable.into_inner(), ..settings }
    }

    /// `Self::from_env` with the environment as a function.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| lookup(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let own_home = || get("HOME").map(PathBuf::from).or_else(std::env::home_dir);
        let path = |name: &str| get(name).map(|path| expanded(&path, own_home, get));
        let home = path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME")
                .or_else(|| own_home().map(|home| home.join(".cache")))
                .unwrap_or_else(|| ".cache".into())
                .join("huggingface")
        });
        let by_variable = || {
            ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]
                .into_iter()
                .find_map(|name| Some((one_line(&get(name)?)?, name.into())))
        };
        let by_file = || {
            let file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
            let text = one_line(&String::from_utf8_lossy(&std::fs::read(&file).ok()?))?;
            Some((text, file.display().to_string()))
        };
        let (token, odd_token) = match by_variable().or_else(by_file) {
            Some((text, _)) if text.bytes().all(|byte| byte.is_ascii_graphic()) => (Some(Token(text)), None),
            Some((_, place)) => (None, Some(place)),
            None => (None, None),
        };
        let endpoint = get("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let (endpoint, credentials) = without_credentials(&with_plain_scheme(&endpoint));
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let offline =
            get("HF_HUB_OFFLINE").or_else(|| get("TRANSFORMERS_OFFLINE")).map(|value| value.to_ascii_uppercase());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            credentials: credentials.map(Token),
            token,
            odd_token,
            unreadable: None,
            cache: cache.unwrap_or_else(|| home.join("hub")),
            offline: matches!(offline.as_deref(), Some("1" | "ON" | "YES" | "TRUE")),
            attempts: 5,
            backoff: Duration::from_secs(1),
            // The Hub counts in windows of five minutes.
            max_wait: Duration::from_mins(10),
            read_timeout: Duration::from_secs(30),
            limits: Limits::default(),
            proxies: Proxies::from_lookup(get),
            roots: Roots::from_lookup(get),
        }
    }

    /// Refuses to work with another cache than the one that is meant.
    pub(super) fn require_readable(&self) -> Result<(), HubError> {
        self.unreadable.clone().map_or(Ok(()), |variable| Err(HubError::NotUtf8 { variable }))
    }
}

/// A token without the line breaks and spaces around it, and the line breaks within, as Python reads it.
fn one_line(token: &str) -> Option<String> {
    let token = token.replace(['\r', '\n'], "").trim().to_owned();
    (!token.is_empty()).then_some(token)
}

/// A path with its `~`, and then its `$NAME` and `${NAME}`, replaced as Python replaces them; an unknown name stays.
fn expanded(path: &str, home: impl Fn() -> Option<PathBuf>, get: impl Fn(&str) -> Option<String>) -> PathBuf {
    let own = path.strip_prefix('~').filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let own = own.and_then(|rest| Some(format!("{}{rest}", home()?.to_str()?.trim_end_matches('/'))));
    let text = own.unwrap_or_else(|| path.to_owned());
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('$') {
        out += before;
        let length = |text: &str| text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        let (name, behind) = match after.strip_prefix('{').and_then(|inside| inside.split_once('}')) {
            Some((name, behind)) => (name, behind),
            None => after.split_at(length(after)),
        };
        match get(name).filter(|_| !name.is_empty()) {
            Some(value) => out += &value,
            None => out += &rest[before.len()..rest.len() - behind.len()],
        }
        rest = behind;
    }
    PathBuf::from(out + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(environment: &[(&str, &str)]) -> HubSettings {
        HubSettings::from_lookup(|name| {
            environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        let cache = |environment: &[(&str, &str)]| settings(environment).cache.display().to_string();
        assert_eq!(cache(&[("HOME", "/h")]), "/h/.cache/huggingface/hub");
        assert_eq!(cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), "/x/huggingface/hub");
        assert_eq!(cache(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/f")]), "/f/hub");
        assert_eq!(cache(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]), "/c");
        // `~` and variables, as Python replaces them: the shell does not, in quotes or in a file of settings.
        let of = |name, value| cache(&[("HOME", "/h"), ("USER", "me"), (name, value)]);
        assert_eq!(of("HF_HOME", "~/x"), "/h/x/hub");
        assert_eq!(of("HF_HOME", "~"), "/h/hub");
        assert_eq!(of("HF_HUB_CACHE", "/scratch/$USER/${USER}s/$GONE/${GONE}$"), "/scratch/me/mes/$GONE/${GONE}$");
        assert_eq!(of("HUGGINGFACE_HUB_CACHE", "$HOME/c"), "/h/c");
        assert_eq!(of("XDG_CACHE_HOME", "~/c"), "/h/c/huggingface/hub");
        assert_eq!(of("HF_HOME", "a~/$"), "a~/$/hub");
    }

    /// Fault (hub): the settings printed for debugging → neither token nor password is in them
    #[test]
    fn the_token_comes_from_the_environment_or_the_file_and_is_never_printed() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().display().to_string();
        assert_eq!(settings(&[("HF_HOME", &folder)]).token, None);
        std::fs::write(home.path().join("token"), "hf_file\n").unwrap();
        assert_eq!(settings(&[("HF_HOME", &folder)]).token, Some(Token("hf_file".into())));
        let both = settings(&[("HF_HOME", &folder), ("HF_TOKEN", "hf_secret")]);
        assert_eq!(both.token, Some(Token("hf_secret".into())));
        assert!(!format!("{both:?}").contains("secret"));
    }

    /// Fault (hub): a token with a typographic quote or a space in it → nothing is sent; the error names the variable or the file
    #[test]
    fn a_token_is_one_word_in_ascii() {
        let by = |token: &str| {
            let found = settings(&[("HF_HOME", "/nowhere"), ("HF_TOKEN", token)]);
            (found.token.map(|Token(text)| text), found.odd_token)
        };
        assert_eq!(by(" hf_a\r\nb\n"), (Some("hf_ab".into()), None), "as Python reads it");
        for odd in ["“hf_a”", "hf_a b", "hf_\u{200b}a", "hf_\ta"] {
            assert_eq!(by(odd), (None, Some("HF_TOKEN".into())), "{odd}");
        }
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("token");
        std::fs::write(&file, b"hf_\xff").unwrap();
        let found = settings(&[("HF_HOME", &home.path().display().to_string())]);
        assert_eq!((found.token, found.odd_token), (None, Some(file.display().to_string())));
    }

    #[test]
    fn offline_and_endpoint() {
        assert!(settings(&[("TRANSFORMERS_OFFLINE", "1")]).offline);
        assert!(!settings(&[("TRANSFORMERS_OFFLINE", "1"), ("HF_HUB_OFFLINE", "0")]).offline);
        assert!(settings(&[("HF_HUB_OFFLINE", "true")]).offline);
        assert!(!settings(&[("HF_HUB_OFFLINE", "0")]).offline);
        assert_eq!(settings(&[("HF_ENDPOINT", "http://mirror/")]).endpoint, "http://mirror");
        assert_eq!(settings(&[("HF_ENDPOINT", "HTTP://mirror")]).endpoint, "http://mirror");
        let private = settings(&[("HF_ENDPOINT", "https://me:secret@mirror/hf/")]);
        assert_eq!(private.endpoint, "https://mirror/hf");
        assert_eq!(private.credentials, Some(Token("me:secret".into())));
        assert!(!format!("{private:?}").contains("secret"));
    }
}

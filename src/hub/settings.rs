//! Hub settings from the environment variables of Python's `huggingface_hub`.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Limits;
use super::address::{with_plain_scheme, without_credentials};
use super::proxy::Proxies;
use super::roots::Roots;

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
    /// `HF_HOME` and `HF_HUB_OFFLINE`; [`Proxies`] and [`Roots`] document the variables for proxies and certificates.
    pub(crate) fn from_env() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// `Self::from_env` with the environment as a function.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| lookup(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let path = |name: &str| get(name).map(PathBuf::from);
        let home = path("HF_HOME").unwrap_or_else(|| {
            path("XDG_CACHE_HOME")
                .or_else(|| path("HOME").or_else(std::env::home_dir).map(|home| home.join(".cache")))
                .unwrap_or_else(|| ".cache".into())
                .join("huggingface")
        });
        let token = get("HF_TOKEN").or_else(|| get("HUGGING_FACE_HUB_TOKEN")).or_else(|| {
            let file = path("HF_TOKEN_PATH").unwrap_or_else(|| home.join("token"));
            std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
        });
        let endpoint = get("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into());
        let (endpoint, credentials) = without_credentials(&with_plain_scheme(&endpoint));
        let cache = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE"));
        let offline = get("HF_HUB_OFFLINE").map(|value| value.to_ascii_uppercase());
        Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            credentials: credentials.map(Token),
            token: token.map(Token),
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

    #[test]
    fn offline_and_endpoint() {
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

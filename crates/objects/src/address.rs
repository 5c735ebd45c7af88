//! `s3://bucket/prefix`, and what it stands for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use crate::ObjectError;

/// The schemes of object stores.
const S3: [&str; 2] = ["s3", "s3a"];
const GOOGLE: [&str; 1] = ["gs"];
const AZURE: [&str; 5] = ["az", "azure", "adl", "abfs", "abfss"];

/// Whether a text is the address of a folder in an object store rather than a path.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme);
    scheme.is_some_and(|scheme| S3.iter().chain(&GOOGLE).chain(&AZURE).any(|known| scheme == *known))
}

/// Whether a text begins as an address does, of a store that is known here or not: `http://host/x`, `S3://b`, `s3:/b`. A
/// drive of Windows has one letter.
#[must_use]
pub fn has_scheme(text: &str) -> bool {
    let scheme = text.split_once(":/").map_or("", |(scheme, _)| scheme);
    let letters = |c: char| c.is_ascii_alphanumeric() || "+.-".contains(c);
    scheme.len() > 1 && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(letters)
}

/// A folder of an object store: `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    url: Url,
    prefix: Path,
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    /// [`ObjectError::Address`] with what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ObjectError> {
        let wrong = |rule: String| ObjectError::Address { address: without_credentials(text), rule };
        if !is_address(text) {
            return Err(wrong("expected `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`".into()));
        }
        let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
        // Whatever is an address ends in a log.
        if url.password().is_some() || (!url.username().is_empty() && !url.scheme().starts_with("abfs")) {
            return Err(wrong("it has a user or a password: credentials belong into the environment".into()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it has a `?` or `#`: settings belong into the environment".into()));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("it names no bucket".into()));
        }
        let prefix = Path::from_url_path(url.path()).map_err(|error| wrong(error.to_string()))?;
        let mut url = url;
        let trimmed = url.path().trim_end_matches('/').to_owned();
        url.set_path(&trimmed);
        Ok(Self { url, prefix })
    }

    /// A folder in it.
    ///
    /// # Errors
    /// [`ObjectError::Address`] for a name that cannot be a part of a key.
    pub fn join(&self, name: &str) -> Result<Self, ObjectError> {
        Self::parse(&format!("{}/{name}", self.url))
    }

    /// The folder it is in, and its name there; `None` for a whole bucket.
    #[must_use]
    pub fn split(&self) -> Option<(Self, String)> {
        let name = self.prefix.filename()?;
        let mut url = self.url.clone();
        url.path_segments_mut().ok()?.pop();
        Some((Self::parse(url.as_str()).ok()?, name.to_owned()))
    }

    /// The bucket or container.
    #[must_use]
    pub fn bucket(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Its key in the bucket.
    #[must_use]
    pub fn path(&self) -> &str {
        self.prefix.as_ref()
    }

    /// The last part: of the prefix, or the bucket.
    #[must_use]
    pub fn name(&self) -> String {
        self.prefix.filename().or(self.url.host_str()).unwrap_or_default().to_owned()
    }

    pub(crate) fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Connects to the store, with the credentials and settings of the usual variables.
    pub(crate) fn store(&self) -> Result<Arc<dyn ObjectStore>, ObjectError> {
        let failed = |error: object_store::Error| ObjectError::new("open", self.to_string(), &error);
        let scheme = self.url.scheme();
        let url = self.url.as_str();
        if S3.contains(&scheme) {
            let builder = AmazonS3Builder::from_env().with_url(url).with_retry(retries());
            // Who sets an address without TLS means it.
            let plain = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
                .iter()
                .find_map(|name| std::env::var(name).ok())
                .is_some_and(|endpoint| endpoint.starts_with("http://"));
            let builder = if plain { builder.with_allow_http(true) } else { builder };
            // Buckets of 2024 and later cannot be elsewhere without one.
            let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
            let builder = if region.is_none() { builder.with_region("us-east-1") } else { builder };
            return builder.build().map(|store| Arc::new(store) as _).map_err(failed);
        }
        if GOOGLE.contains(&scheme) {
            let builder = GoogleCloudStorageBuilder::from_env().with_url(url).with_retry(retries());
            return builder.build().map(|store| Arc::new(store) as _).map_err(failed);
        }
        let builder = MicrosoftAzureBuilder::from_env().with_url(url).with_retry(retries());
        let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint).unwrap_or_default();
        let plain = endpoint.starts_with("http://");
        let builder =
            if plain { builder.with_client_options(ClientOptions::new().with_allow_http(true)) } else { builder };
        builder.build().map(|store| Arc::new(store) as _).map_err(failed)
    }
}

/// What is tried again, and how long: a store that asks for patience (503) gets more than a minute.
fn retries() -> RetryConfig {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(100), max_backoff: Duration::from_secs(10), base: 2.0 };
    RetryConfig { backoff, max_retries: 10, retry_timeout: Duration::from_secs(100) }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url.as_str())
    }
}

/// An address as it may be shown, whatever somebody wrote into it.
fn without_credentials(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = text.split_once("://") else { return text.into() };
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{}", path.map_or_else(String::new, |path| format!("/{path}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_paths() {
        for address in ["s3://faces/lfw", "gs://b", "az://c/d", "abfss://c@account.dfs.core.windows.net/d"] {
            assert!(is_address(address), "{address}");
        }
        for path in ["experiments", "/data/s3:/x", "C://x", "https://host/x", "s3:/faces", ""] {
            assert!(!is_address(path), "{path}");
        }
        for mistyped in ["s3://b/x", "http://x/y", "gcs://b/x", "S3://b/x", "s3:/b/x", "git+ssh://x", "a.b:/c"] {
            assert!(has_scheme(mistyped), "{mistyped}");
        }
        for path in
            ["experiments", "/data/s3:/x", "./s3://b", "C:/x", "C://x", "C:\\x", "1a:/x", "a b:/x", "a:b/c", ":/x", ""]
        {
            assert!(!has_scheme(path), "{path}");
        }
    }

    #[test]
    fn an_address_has_a_name_and_folders() {
        let address = Address::parse("s3://faces/runs/").unwrap();
        assert_eq!(address.to_string(), "s3://faces/runs");
        assert_eq!(
            (address.name(), address.join("demo-00").unwrap().to_string()),
            ("runs".into(), "s3://faces/runs/demo-00".into())
        );
        let (folder, name) = Address::parse("s3://faces/runs/demo-00").unwrap().split().unwrap();
        assert_eq!((folder.to_string(), name), ("s3://faces/runs".into(), "demo-00".into()));
        assert_eq!(folder.split().unwrap().0.to_string(), "s3://faces");
        assert!(Address::parse("s3://faces").unwrap().split().is_none());
        let (folder, name) = Address::parse("s3://faces/a%20b/c d.csv").unwrap().split().unwrap();
        assert_eq!((folder.prefix().as_ref(), &*name), ("a b", "c d.csv"));
        assert_eq!(Address::parse("gs://bucket").unwrap().name(), "bucket");
        assert_eq!(Address::parse("gs://bucket").unwrap().join("a b").unwrap().prefix().as_ref(), "a b");
    }

    /// Fault (object stores): credentials in an address → refused, and the text does not repeat them
    #[test]
    fn wrong_addresses_are_refused_without_repeating_credentials() {
        let wrong = [
            "s3://key:secret@bucket/x",
            "s3://bucket/x?token=secret",
            "s3:///x",
            "ftp://bucket",
            "s3://bucket/a/../b//c",
        ];
        let texts = wrong
            .map(|text| Address::parse(text).map_or_else(|error| error.to_string(), |address| address.to_string()));
        assert!(!texts.concat().contains("secret"));
        insta::assert_snapshot!(texts.join("\n"), @r#"
        `s3://bucket/x`: it has a user or a password: credentials belong into the environment
        `s3://bucket/x`: it has a `?` or `#`: settings belong into the environment
        `s3:///x`: it names no bucket
        `ftp://bucket`: expected `s3://bucket/folder`, `gs://bucket/folder` or `az://container/folder`
        `s3://bucket/a/../b//c`: Path "/b//c" contained empty path segment
        "#);
    }
}

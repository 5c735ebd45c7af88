//! Trusted root certificates.
//!
//! Those of the system, unless the environment sets others: then those of all four variables together replace them.
//! requests, curl and OpenSSL each support only some of the variables, with different precedence; here, a CA set in any of
//! them is trusted.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustls::CertificateError;
use ureq::tls::{Certificate, PemItem, RootCerts};

use super::HubError;

/// Files and folders of certificates, each with its variable; empty: those of the system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roots(pub Vec<(&'static str, PathBuf)>);

/// Each is a file or a folder; `SSL_CERT_DIR` is a list of folders.
const VARIABLES: [&str; 4] = ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

impl Roots {
    /// Reads the environment; `get` returns non-empty variables.
    pub(super) fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Self {
        let places = |variable: &'static str| {
            let value = get(variable).unwrap_or_default();
            let paths: Vec<PathBuf> = match variable {
                "SSL_CERT_DIR" => std::env::split_paths(&value).collect(),
                _ => vec![value.into()],
            };
            paths.into_iter().filter(|path| !path.as_os_str().is_empty()).map(move |path| (variable, path))
        };
        Self(VARIABLES.into_iter().flat_map(places).collect())
    }

    /// The certificates, and their description.
    ///
    /// # Errors
    /// [`HubError::Roots`] for a file or folder that cannot be read or contains none.
    pub(super) fn load(&self) -> Result<(RootCerts, String), HubError> {
        if self.0.is_empty() {
            return Ok(of_the_system());
        }
        let mut found = Vec::new();
        let mut problem = None;
        for (variable, path) in &self.0 {
            let failed = |reason| HubError::Roots { variable, path: path.clone(), reason };
            match certificates(path) {
                Ok(certificates) if certificates.is_empty() => {
                    problem.get_or_insert(failed("it contains no PEM certificate".into()));
                }
                Ok(certificates) => found.extend(certificates),
                Err(error) => {
                    problem.get_or_insert(failed(format!("it cannot be read: {error}")));
                }
            }
        }
        match problem {
            // Some folders of a list are often meant for another system.
            Some(error) if found.is_empty() || !matches!(error, HubError::Roots { variable: "SSL_CERT_DIR", .. }) => {
                Err(error)
            }
            _ => {
                let places: Vec<_> = self.0.iter().map(|(name, path)| format!("{name}={}", path.display())).collect();
                let named = counted(found.len(), &format!("in {}", places.join(" and ")));
                Ok((RootCerts::from(found), named))
            }
        }
    }
}

fn of_the_system() -> (RootCerts, String) {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return (RootCerts::WebPki, "the built-in root certificates (the system has none)".into());
    }
    let named = counted(found.len(), "of the system");
    (RootCerts::from(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned())), named)
}

fn counted(number: usize, place: &str) -> String {
    format!("the root certificates {place} ({number})")
}

/// The certificates in a file, or in the files of a folder.
fn certificates(path: &Path) -> io::Result<Vec<Certificate<'static>>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(in_pem(&fs::read(path)?));
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        match fs::read(entry?.path()) {
            Ok(bytes) => found.extend(in_pem(&bytes)),
            // A subfolder, or a dangling link.
            Err(error) if matches!(error.kind(), ErrorKind::IsADirectory | ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn in_pem(bytes: &[u8]) -> Vec<Certificate<'static>> {
    let certificate = |item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        _ => None,
    };
    ureq::tls::parse_pem(bytes).filter_map(certificate).collect()
}

/// What is wrong with a server's certificate, and the remedy; `None` for other errors.
pub(super) fn certificate_error(error: &ureq::Error, roots: &str) -> Option<String> {
    let ureq::Error::Io(error) = error else { return None };
    let rustls::Error::InvalidCertificate(problem) = error.get_ref()?.downcast_ref()? else { return None };
    Some(match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "its certificate is not signed by any of {roots}; if a proxy or mirror has its own CA, set SSL_CERT_FILE to that \
             CA's certificate (PEM), SSL_CERT_DIR to its folder, or REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE to either"
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; check the clock of this machine, or have the certificate renewed"
                .into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; check the clock of this machine".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for a different name; use a name in its subjectAltName, or have this one added to it"
                .into()
        }
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is that of a CA; sign a certificate for the server with that CA, without `CA:TRUE`, and set \
             SSL_CERT_FILE to the certificate of the CA"
                .into()
        }
        other => format!("its certificate is invalid: {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(environment: &[(&str, &str)]) -> Vec<String> {
        let get =
            |name: &str| environment.iter().find(|(other, _)| *other == name).map(|(_, value)| (*value).to_owned());
        Roots::from_lookup(get).0.iter().map(|(name, path)| format!("{name}={}", path.display())).collect()
    }

    #[test]
    fn all_variables_are_combined() {
        assert_eq!(roots(&[]), [""; 0]);
        let openssl = [("SSL_CERT_FILE", "/f"), ("SSL_CERT_DIR", "/d:/e")];
        assert_eq!(roots(&openssl), ["SSL_CERT_FILE=/f", "SSL_CERT_DIR=/d", "SSL_CERT_DIR=/e"]);
        let bundles = [("CURL_CA_BUNDLE", "/c"), ("REQUESTS_CA_BUNDLE", "/r"), ("SSL_CERT_FILE", "/f")];
        assert_eq!(roots(&bundles), ["SSL_CERT_FILE=/f", "REQUESTS_CA_BUNDLE=/r", "CURL_CA_BUNDLE=/c"]);
    }

    /// Fault (hub): a file of root certificates that is missing or holds none → an error that names its variable
    #[test]
    fn an_unusable_file_is_an_error_that_names_its_variable() {
        let folder = tempfile::tempdir().unwrap();
        let [missing, empty] = ["missing", "empty"].map(|name| folder.path().join(name));
        fs::write(&empty, "no certificate").unwrap();
        let error = |places: &[(&'static str, &PathBuf)]| {
            let places = places.iter().map(|(name, path)| (*name, (*path).clone())).collect();
            let error = Roots(places).load().err().map(|error| error.to_string()).unwrap_or_default();
            error.replace(&folder.path().display().to_string(), "DIR")
        };
        insta::assert_snapshot!(error(&[("SSL_CERT_FILE", &missing)]), @"SSL_CERT_FILE is set to DIR/missing, but it cannot be read: No such file or directory (os error 2); correct it, or unset it to use the system's root certificates");
        insta::assert_snapshot!(error(&[("REQUESTS_CA_BUNDLE", &empty)]), @"REQUESTS_CA_BUNDLE is set to DIR/empty, but it contains no PEM certificate; correct it, or unset it to use the system's root certificates");
        insta::assert_snapshot!(error(&[("SSL_CERT_DIR", &missing), ("SSL_CERT_DIR", &folder.path().to_owned())]), @"SSL_CERT_DIR is set to DIR/missing, but it cannot be read: No such file or directory (os error 2); correct it, or unset it to use the system's root certificates");
        // One good folder of a list is enough; a file that is named has to be there.
        let authority = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/ca.pem");
        let good = authority.parent().unwrap().to_owned();
        assert_eq!(error(&[("SSL_CERT_DIR", &missing), ("SSL_CERT_DIR", &good)]), "");
        assert_ne!(error(&[("SSL_CERT_FILE", &missing), ("SSL_CERT_DIR", &good)]), "");
        assert_eq!(error(&[("SSL_CERT_FILE", &authority)]), "");
    }
}

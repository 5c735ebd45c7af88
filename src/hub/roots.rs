//! Whose signature under a server's certificate is believed.
//!
//! The system's roots, unless the environment names others: those of all four variables together then take their place.
//! Each of requests, curl and OpenSSL knows only some of the variables, and gives those it knows another order; who names
//! a CA in any of them finds it trusted here.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustls::CertificateError;
use ureq::tls::{Certificate, PemItem, RootCerts};

use super::HubError;

/// Files and folders of certificates with the variable that names each; none: the system's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Roots(pub Vec<(&'static str, PathBuf)>);

/// A file or a folder each; of folders, the system's list of several.
const VARIABLES: [&str; 4] = ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"];

impl Roots {
    /// What the environment says; `get` gives the variables that are not empty.
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

    /// The certificates, and what to call them.
    ///
    /// # Errors
    /// [`HubError::Roots`] for a file or folder that cannot be read or has none.
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
                    problem.get_or_insert(failed("it has no certificate in PEM form".into()));
                }
                Ok(certificates) => found.extend(certificates),
                Err(error) => {
                    problem.get_or_insert(failed(format!("it cannot be read: {error}")));
                }
            }
        }
        match problem {
            // Of the folders of a list, some are often for another system.
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
        return (RootCerts::WebPki, "the roots built into facevault (the system has none)".into());
    }
    let named = counted(found.len(), "of the system");
    (RootCerts::from(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned())), named)
}

fn counted(number: usize, place: &str) -> String {
    format!("the root certificates {place} ({number})")
}

/// Those of a file, or of the files in a folder.
fn certificates(path: &Path) -> io::Result<Vec<Certificate<'static>>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(in_pem(&fs::read(path)?));
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        match fs::read(entry?.path()) {
            Ok(bytes) => found.extend(in_pem(&bytes)),
            // A folder inside, or a link whose certificate was removed.
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

/// What is wrong with the certificate that a server showed, and what to do; `None` where the trouble is another.
pub(super) fn distrust(error: &ureq::Error, roots: &str) -> Option<String> {
    let ureq::Error::Io(error) = error else { return None };
    let rustls::Error::InvalidCertificate(problem) = error.get_ref()?.downcast_ref()? else { return None };
    Some(match problem {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => format!(
            "its certificate is signed by none of {roots}; where a proxy or mirror has a CA of its own, name the file with \
             that CA's certificate (PEM) in SSL_CERT_FILE, its folder in SSL_CERT_DIR, or either in REQUESTS_CA_BUNDLE \
             or CURL_CA_BUNDLE"
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired; check the clock of this machine, else whoever runs the server has to renew it"
                .into()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; check the clock of this machine".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name; use a name that stands in its subjectAltName, or have this one added \
             there"
                .into()
        }
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "it shows a CA's certificate as its own; sign a certificate for the server with that CA, without \
             `CA:TRUE`, and name the CA's file in SSL_CERT_FILE"
                .into()
        }
        other => format!("its certificate is not accepted: {other}"),
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
    fn all_variables_count_together() {
        assert_eq!(roots(&[]), [""; 0]);
        let openssl = [("SSL_CERT_FILE", "/f"), ("SSL_CERT_DIR", "/d:/e")];
        assert_eq!(roots(&openssl), ["SSL_CERT_FILE=/f", "SSL_CERT_DIR=/d", "SSL_CERT_DIR=/e"]);
        let bundles = [("CURL_CA_BUNDLE", "/c"), ("REQUESTS_CA_BUNDLE", "/r"), ("SSL_CERT_FILE", "/f")];
        assert_eq!(roots(&bundles), ["SSL_CERT_FILE=/f", "REQUESTS_CA_BUNDLE=/r", "CURL_CA_BUNDLE=/c"]);
    }

    #[test]
    fn what_cannot_be_used_is_an_error_that_names_its_variable() {
        let folder = tempfile::tempdir().unwrap();
        let [missing, empty] = ["missing", "empty"].map(|name| folder.path().join(name));
        fs::write(&empty, "no certificate").unwrap();
        let error = |places: &[(&'static str, &PathBuf)]| {
            let places = places.iter().map(|(name, path)| (*name, (*path).clone())).collect();
            let error = Roots(places).load().err().map(|error| error.to_string()).unwrap_or_default();
            error.replace(&folder.path().display().to_string(), "DIR")
        };
        insta::assert_snapshot!(error(&[("SSL_CERT_FILE", &missing)]), @"SSL_CERT_FILE names DIR/missing, but it cannot be read: No such file or directory (os error 2); correct it, or unset it to trust the system's root certificates");
        insta::assert_snapshot!(error(&[("REQUESTS_CA_BUNDLE", &empty)]), @"REQUESTS_CA_BUNDLE names DIR/empty, but it has no certificate in PEM form; correct it, or unset it to trust the system's root certificates");
        insta::assert_snapshot!(error(&[("SSL_CERT_DIR", &missing), ("SSL_CERT_DIR", &folder.path().to_owned())]), @"SSL_CERT_DIR names DIR/missing, but it cannot be read: No such file or directory (os error 2); correct it, or unset it to trust the system's root certificates");
        // One good folder of a list is enough; a file that is named has to be there.
        let authority = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls/ca.pem");
        let good = authority.parent().unwrap().to_owned();
        assert_eq!(error(&[("SSL_CERT_DIR", &missing), ("SSL_CERT_DIR", &good)]), "");
        assert_ne!(error(&[("SSL_CERT_FILE", &missing), ("SSL_CERT_DIR", &good)]), "");
        assert_eq!(error(&[("SSL_CERT_FILE", &authority)]), "");
    }
}

//! TLS from PEM files: whom to trust, and who we are. rustls with ring; no system store is asked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;

/// Where the PEM files are.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tls {
    /// The certificates of the authorities to trust, and of nobody else.
    pub ca: PathBuf,
    /// Our certificate chain and its key, for mutual TLS.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// Why PEM files are no TLS set-up; says which file.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file can't be read or holds no PEM of the kind.
    #[error("{path}: {what}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The certificate and the key don't belong together, or the key's kind is not known.
    #[error("{path}: the certificate and its key: {source}")]
    Identity {
        /// The certificate's file.
        path: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// A file that is missing, empty or broken, or a key that isn't the certificate's.
    pub fn load(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca)? {
            roots
                .add(certificate)
                .map_err(|error| file(&self.ca, error))?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| file(&self.ca, error))?
            .with_root_certificates(roots);
        let config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((chain, key_file)) => {
                let key = PrivateKeyDer::from_pem_file(key_file)
                    .map_err(|error| file(key_file, error))?;
                builder
                    .with_client_auth_cert(certificates(chain)?, key)
                    .map_err(|source| TlsError::Identity {
                        path: chain.clone(),
                        source,
                    })?
            }
        };
        Ok(Arc::new(config))
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| file(path, error))?;
    let certificates: Vec<_> = read
        .collect::<Result<_, _>>()
        .map_err(|error| file(path, error))?;
    if certificates.is_empty() {
        return Err(file(path, "no certificate in it, expected PEM"));
    }
    Ok(certificates)
}

fn file(path: &Path, what: impl ToString) -> TlsError {
    TlsError::File {
        path: path.to_owned(),
        what: what.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_is_named_and_never_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        let tls = Tls {
            ca: ca.clone(),
            identity: None,
        };
        assert!(tls.load().unwrap_err().to_string().contains("ca.pem"));
        std::fs::write(&ca, "a secret that is no PEM").unwrap();
        let told = tls.load().unwrap_err().to_string();
        assert!(
            told.ends_with("no certificate in it, expected PEM"),
            "{told}"
        );
        assert!(!told.contains("secret"), "{told}");
    }
}

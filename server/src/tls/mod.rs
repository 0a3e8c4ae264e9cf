//! The certificate of the server: the site's own, or one of the appliance's own authority. It is
//! loaded again when its files change, and one of the own authority is renewed in time.

mod authority;
mod validity;

use cloister_config::Config;
use cloister_domain::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A certificate that expires sooner is reported.
const WARN_BEFORE_EXPIRY: Duration = Duration::from_hours(30 * 24);

/// Why no certificate is available.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the certificate could not be read or written.
    #[error("`{path}` could not be used: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the operating system.
        cause: std::io::Error,
    },
    /// A certificate could not be created or parsed.
    #[error(
        "could not create the certificate: {0}. Check the setting `server.names`, or move the folder \
         `tls` away to create a new CA"
    )]
    Certificate(#[from] rcgen::Error),
    /// Only one of two settings that belong together has a value.
    #[error("`server.certificate` and `server.key` belong together. Set both or none")]
    Incomplete,
    /// A file contains no certificate or no key.
    #[error("`{path}` contains no PEM {what}: {cause}")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
        /// The error of the parser.
        cause: String,
    },
    /// rustls rejected the certificate.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The files of the certificate, all PEM.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The certificate, followed by those of its authorities.
    pub chain: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The certificate of the own authority, for browsers. `None` if the certificate is the site's.
    pub ca: Option<PathBuf>,
}

/// Where the certificate comes from.
#[derive(Clone, Debug)]
pub enum CertificateSource {
    /// The site provides it.
    Site(CertificateFiles),
    /// The appliance issues it for these names, in this folder.
    Own {
        /// The folder of the authority.
        folder: PathBuf,
        /// The names and addresses of the server.
        names: Vec<String>,
    },
}

impl CertificateSource {
    /// The source that the settings name.
    pub fn from_config(config: &Config) -> Result<Self, TlsError> {
        let server = &config.server;
        let is_empty = |path: &PathBuf| path.as_os_str().is_empty();
        match (is_empty(&server.certificate), is_empty(&server.key)) {
            (true, true) => Ok(Self::Own {
                folder: config.paths.data.join("tls"),
                names: server.names.clone(),
            }),
            (false, false) => Ok(Self::Site(CertificateFiles {
                chain: server.certificate.clone(),
                key: server.key.clone(),
                ca: None,
            })),
            (true, false) | (false, true) => Err(TlsError::Incomplete),
        }
    }

    /// The files of the certificate. Issues or renews it if it is the appliance's own.
    pub fn ensure(&self, now: Timestamp) -> Result<CertificateFiles, TlsError> {
        match self {
            Self::Site(files) => Ok(files.clone()),
            Self::Own { folder, names } => authority::ensure(folder, names, now),
        }
    }
}

/// A certificate that was loaded from its files.
#[derive(Clone, Debug)]
pub struct LoadedCertificate {
    /// The configuration that serves it.
    pub config: Arc<rustls::ServerConfig>,
    /// The time until which it is valid.
    pub expires_at: Timestamp,
    /// The SHA-256 of the certificate and those of its authorities, in hexadecimal.
    pub sha256: String,
}

/// Loads a certificate and its key. Fails if they do not belong together.
pub fn load(files: &CertificateFiles) -> Result<LoadedCertificate, TlsError> {
    let pem_error = |path: &PathBuf, what, cause: &dyn std::fmt::Display| TlsError::Pem {
        path: path.clone(),
        what,
        cause: cause.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(&files.chain)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|cause| pem_error(&files.chain, "certificate", &cause))?;
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|cause| pem_error(&files.key, "private key", &cause))?;
    let first = chain
        .first()
        .ok_or_else(|| pem_error(&files.chain, "certificate", &"it has none"))?;
    let expires_at = validity::not_after(first)
        .ok_or_else(|| pem_error(&files.chain, "certificate", &"its first is damaged"))?;
    let mut hasher = Sha256::new();
    for certificate in &chain {
        hasher.update(certificate);
    }
    let sha256 = hex::encode(hasher.finalize());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(LoadedCertificate {
        config: Arc::new(config),
        expires_at,
        sha256,
    })
}

/// Until when a certificate is valid, for people.
pub fn describe_expiry(expires_at: Timestamp, now: Timestamp) -> String {
    if expires_at <= now {
        return format!("EXPIRED at {expires_at}");
    }
    let left = expires_at.since(now);
    let days = left.as_secs() / (24 * 3600);
    if left < WARN_BEFORE_EXPIRY {
        format!("EXPIRES in {days} days, at {expires_at}")
    } else {
        format!("valid until {expires_at}")
    }
}

/// Whether a certificate has expired or expires soon.
pub fn expires_soon(expires_at: Timestamp, now: Timestamp) -> bool {
    expires_at.since(now) < WARN_BEFORE_EXPIRY
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn issue(folder: &std::path::Path, now: Timestamp) -> CertificateFiles {
        let names = vec!["localhost".to_owned()];
        let folder = folder.to_owned();
        CertificateSource::Own { folder, names }
            .ensure(now)
            .unwrap()
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let ours = issue(&folder.path().join("a"), NOW);
        let theirs = issue(&folder.path().join("b"), NOW);
        assert!(load(&ours).is_ok());
        let mixed = CertificateFiles {
            key: theirs.key,
            ..ours
        };
        assert!(matches!(load(&mixed), Err(TlsError::Unusable(_))));
    }

    #[test]
    fn a_certificate_that_expires_soon_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let loaded = load(&issue(folder.path(), NOW)).unwrap();
        let days = |days: u64| NOW.plus(Duration::from_hours(24 * days));
        assert!(!expires_soon(loaded.expires_at, NOW));
        assert!(describe_expiry(loaded.expires_at, NOW).starts_with("valid until"));
        assert!(expires_soon(loaded.expires_at, days(380)));
        assert!(describe_expiry(loaded.expires_at, days(380)).starts_with("EXPIRES in 1"));
        assert!(expires_soon(loaded.expires_at, days(400)));
        assert!(describe_expiry(loaded.expires_at, days(400)).starts_with("EXPIRED"));
    }
}

//! The TLS certificate of the server, and the appliance's own certificate authority (CA) that
//! issues it.
//!
//! The site installs `tls/ca.pem` in its browsers once. Browsers then accept renewed certificates.

use cloister_domain::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use time::OffsetDateTime;

const DAY: Duration = Duration::from_hours(24);
const CA_DAYS: u32 = 3650;
/// Browsers reject certificates that are valid for more than 398 days.
const CERTIFICATE_DAYS: u32 = 397;
const RENEW_AFTER_DAYS: u32 = 300;

/// Why no certificate is available.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file in the `tls` folder could not be read or written.
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
    /// rustls rejected the certificate.
    #[error("rustls rejected the certificate: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The files of the certificate, all PEM.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// The certificate, followed by the CA's.
    pub chain: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The CA's certificate, for browsers.
    pub ca: PathBuf,
}

/// The names and the time of the current certificate: `server.json`.
#[derive(PartialEq, Serialize, Deserialize)]
struct IssuedCertificate {
    names: Vec<String>,
    #[serde(rename = "at")]
    issued_at: Timestamp,
}

/// The certificate in `folder`. Issues it if it is missing, too old, or for other names.
pub fn ensure(
    folder: &Path,
    names: &[String],
    now: Timestamp,
) -> Result<CertificateFiles, TlsError> {
    std::fs::create_dir_all(folder).map_err(|cause| TlsError::File {
        path: folder.to_owned(),
        cause,
    })?;
    let files = CertificateFiles {
        chain: folder.join("server.pem"),
        key: folder.join("server.key"),
        ca: folder.join("ca.pem"),
    };
    let ca_key = folder.join("ca.key");
    if !ca_key.exists() {
        create_ca(&files.ca, &ca_key, now)?;
    }
    let record = folder.join("server.json");
    if !is_current(&record, names, now) {
        issue(&files, &ca_key, names, now)?;
        let issued = IssuedCertificate {
            names: names.to_vec(),
            issued_at: now,
        };
        write(&record, &serde_json::json!(issued).to_string(), 0o644)?;
    }
    Ok(files)
}

fn is_current(record: &Path, names: &[String], now: Timestamp) -> bool {
    let Ok(text) = std::fs::read_to_string(record) else {
        return false;
    };
    let Ok(issued) = serde_json::from_str::<IssuedCertificate>(&text) else {
        return false;
    };
    issued.names == names && now.since(issued.issued_at) < DAY.saturating_mul(RENEW_AFTER_DAYS)
}

fn create_ca(path: &Path, key_path: &Path, now: Timestamp) -> Result<(), TlsError> {
    let key = KeyPair::generate()?;
    write(path, &ca_params(now)?.self_signed(&key)?.pem(), 0o644)?;
    write(key_path, &key.serialize_pem(), 0o600)
}

fn issue(
    files: &CertificateFiles,
    ca_key: &Path,
    names: &[String],
    now: Timestamp,
) -> Result<(), TlsError> {
    let ca_pem = read(&files.ca)?;
    let ca = Issuer::new(ca_params(now)?, KeyPair::from_pem(&read(ca_key)?)?);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    let first = names.first().map_or("localhost", String::as_str);
    params.distinguished_name.push(DnType::CommonName, first);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = validity(now, CERTIFICATE_DAYS);
    let certificate = params.signed_by(&key, &ca)?;
    write(&files.key, &key.serialize_pem(), 0o600)?;
    write(
        &files.chain,
        &format!("{}{ca_pem}", certificate.pem()),
        0o644,
    )
}

/// The parameters of the CA. rcgen takes an issuer's name and key usages from here, not from its
/// certificate.
fn ca_params(now: Timestamp) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "Cloister appliance authority");
    (params.not_before, params.not_after) = validity(now, CA_DAYS);
    Ok(params)
}

/// The validity period. It starts a day ago, for browsers whose clock is behind.
fn validity(now: Timestamp, days: u32) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::from_unix_timestamp(now.as_millis() / 1000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH);
    (now - DAY, now + DAY.saturating_mul(days))
}

fn read(path: &Path) -> Result<String, TlsError> {
    std::fs::read_to_string(path).map_err(|cause| TlsError::File {
        path: path.to_owned(),
        cause,
    })
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|cause| TlsError::File {
        path: path.to_owned(),
        cause,
    })
}

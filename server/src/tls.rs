//! The certificate: a certificate authority of the appliance's own, and a certificate from it.
//!
//! The site installs `tls/ca.pem` in its browsers once; the server's certificate can then be
//! renewed without anyone noticing.

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
const AUTHORITY_DAYS: u32 = 3650;
/// Browsers refuse certificates that live longer than 398 days.
const CERTIFICATE_DAYS: u32 = 397;
const RENEW_AFTER_DAYS: u32 = 300;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file of the `tls` folder could not be used.
    #[error("`{path}` could not be used: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// A certificate could not be made or read.
    #[error(
        "the certificate could not be made: {0}. Check `server.names` in the settings; to start \
         anew, move the folder `tls` away"
    )]
    Certificate(#[from] rcgen::Error),
    /// The certificate does not suit rustls.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
}

/// The files of a certificate.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate and the authority's, PEM.
    pub chain: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// The authority's certificate, to be installed in browsers.
    pub authority: PathBuf,
}

/// What the present certificate was made for.
#[derive(PartialEq, Serialize, Deserialize)]
struct Made {
    names: Vec<String>,
    at: Timestamp,
}

/// The certificate in `folder`, made or renewed where need be.
pub fn ensure(folder: &Path, names: &[String], now: Timestamp) -> Result<Identity, TlsError> {
    std::fs::create_dir_all(folder).map_err(|cause| TlsError::File {
        path: folder.to_owned(),
        cause,
    })?;
    let identity = Identity {
        chain: folder.join("server.pem"),
        key: folder.join("server.key"),
        authority: folder.join("ca.pem"),
    };
    let authority_key = folder.join("ca.key");
    if !authority_key.exists() {
        make_authority(&identity.authority, &authority_key, now)?;
    }
    let made = folder.join("server.json");
    if !is_current(&made, names, now) {
        issue(&identity, &authority_key, names, now)?;
        let text = serde_json::json!(Made {
            names: names.to_vec(),
            at: now
        })
        .to_string();
        write(&made, &text, 0o644)?;
    }
    Ok(identity)
}

fn is_current(made: &Path, names: &[String], now: Timestamp) -> bool {
    let read = std::fs::read_to_string(made).ok();
    let made: Option<Made> = read.and_then(|text| serde_json::from_str(&text).ok());
    made.is_some_and(|made| {
        made.names == names && now.since(made.at) < DAY.saturating_mul(RENEW_AFTER_DAYS)
    })
}

fn make_authority(path: &Path, key_path: &Path, now: Timestamp) -> Result<(), TlsError> {
    let key = KeyPair::generate()?;
    write(
        path,
        &authority_params(now)?.self_signed(&key)?.pem(),
        0o644,
    )?;
    write(key_path, &key.serialize_pem(), 0o600)
}

fn issue(
    identity: &Identity,
    authority_key: &Path,
    names: &[String],
    now: Timestamp,
) -> Result<(), TlsError> {
    let authority_pem = read(&identity.authority)?;
    let authority = Issuer::new(
        authority_params(now)?,
        KeyPair::from_pem(&read(authority_key)?)?,
    );
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    let first = names.first().map_or("localhost", String::as_str);
    params.distinguished_name.push(DnType::CommonName, first);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = validity(now, CERTIFICATE_DAYS);
    let certificate = params.signed_by(&key, &authority)?;
    write(&identity.key, &key.serialize_pem(), 0o600)?;
    write(
        &identity.chain,
        &format!("{}{authority_pem}", certificate.pem()),
        0o644,
    )
}

/// The authority, as its own certificate and as an issuer: rcgen takes an issuer's name and usages
/// from here, not from its certificate.
fn authority_params(now: Timestamp) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
        .distinguished_name
        .push(DnType::CommonName, "Cloister appliance authority");
    (params.not_before, params.not_after) = validity(now, AUTHORITY_DAYS);
    Ok(params)
}

/// From a day ago, for clocks that are behind, to so many days ahead.
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

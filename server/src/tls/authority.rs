//! The appliance's own certificate authority (CA), and the certificate of the server that it issues.
//!
//! The site installs `tls/ca.pem` in its browsers once. Browsers then accept renewed certificates.
//! The CA is constrained to the names of the server, so that a stolen key cannot impersonate
//! another server.

use super::{CertificateFiles, TlsError};
use cloister_domain::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Once;
use std::time::Duration;
use time::OffsetDateTime;

const DAY: Duration = Duration::from_hours(24);
const CA_DAYS: u32 = 3650;
/// Browsers reject certificates that are valid for more than 398 days.
const CERTIFICATE_DAYS: u32 = 397;
const RENEW_AFTER_DAYS: u32 = 300;

/// The names and the time of the current certificate: `server.json`.
#[derive(PartialEq, Serialize, Deserialize)]
struct IssuedCertificate {
    names: Vec<String>,
    #[serde(rename = "at")]
    issued_at: Timestamp,
}

/// The names that the CA may issue certificates for: `ca.json`. Earlier versions wrote none, and
/// created a CA without constraints.
#[derive(Serialize, Deserialize)]
struct ConstrainedAuthority {
    names: Vec<String>,
}

/// The certificate in `folder`. Issues it if it is missing, too old, or for other names. Creates the
/// CA if it is missing, or if it may not issue for these names.
pub fn ensure(
    folder: &Path,
    names: &[String],
    now: Timestamp,
) -> Result<CertificateFiles, TlsError> {
    std::fs::create_dir_all(folder).map_err(|cause| TlsError::File {
        path: folder.to_owned(),
        cause,
    })?;
    let ca_file = folder.join("ca.pem");
    let files = CertificateFiles {
        chain: folder.join("server.pem"),
        key: folder.join("server.key"),
        ca: Some(ca_file.clone()),
    };
    let ca_key = folder.join("ca.key");
    let record = folder.join("server.json");
    let ca_exists = ca_key.exists();
    if !ca_exists || !may_issue(&folder.join("ca.json"), names) {
        if ca_exists {
            tracing::warn!(
                "the setting `server.names` has a new name, so a new authority was created. \
                 Install `{}` in the browsers again",
                ca_file.display()
            );
        }
        create_ca(&ca_file, &ca_key, names, now)?;
        let constrained = ConstrainedAuthority {
            names: names.to_vec(),
        };
        let text = serde_json::json!(constrained).to_string();
        write(&folder.join("ca.json"), &text, 0o600)?;
        issue(&files.chain, &files.key, &ca_file, &ca_key, names, now)?;
        record_issue(&record, names, now)?;
    } else if !is_current(&record, names, now) {
        issue(&files.chain, &files.key, &ca_file, &ca_key, names, now)?;
        record_issue(&record, names, now)?;
    }
    Ok(files)
}

fn record_issue(record: &Path, names: &[String], now: Timestamp) -> Result<(), TlsError> {
    let issued = IssuedCertificate {
        names: names.to_vec(),
        issued_at: now,
    };
    write(record, &serde_json::json!(issued).to_string(), 0o600)
}

/// Whether the CA may issue for all these names. A CA of an earlier version may, because its
/// certificate has no constraints.
fn may_issue(record: &Path, names: &[String]) -> bool {
    // The files are looked at again and again, and one warning is enough.
    static WARNING: Once = Once::new();
    let Ok(text) = std::fs::read_to_string(record) else {
        WARNING.call_once(|| {
            tracing::warn!(
                "the authority of the certificate was created by an earlier version and may issue \
                 certificates for any name. Move the folder `tls` away to create one that may not"
            );
        });
        return true;
    };
    let constrained = serde_json::from_str::<ConstrainedAuthority>(&text);
    constrained.is_ok_and(|ca| names.iter().all(|name| ca.names.contains(name)))
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

fn create_ca(
    path: &Path,
    key_path: &Path,
    names: &[String],
    now: Timestamp,
) -> Result<(), TlsError> {
    let key = KeyPair::generate()?;
    let mut params = ca_params(now)?;
    params.name_constraints = Some(name_constraints(names));
    write(key_path, &key.serialize_pem(), 0o600)?;
    write(path, &params.self_signed(&key)?.pem(), 0o644)
}

/// Permits these names and addresses, and no others of their kind.
fn name_constraints(names: &[String]) -> NameConstraints {
    const NO_DOMAIN: &str = "invalid";
    let mut dns_names = Vec::new();
    let mut addresses = Vec::new();
    for name in names {
        if let Ok(address) = name.parse::<IpAddr>() {
            addresses.push(GeneralSubtree::IpAddress(only(address)));
        } else {
            let name = name.strip_prefix("*.").unwrap_or(name);
            dns_names.push(GeneralSubtree::DnsName(name.to_owned()));
        }
    }
    // A kind of name that is not mentioned would not be constrained.
    if dns_names.is_empty() {
        dns_names.push(GeneralSubtree::DnsName(NO_DOMAIN.to_owned()));
    }
    let mut excluded_subtrees = Vec::new();
    if addresses.is_empty() {
        excluded_subtrees = vec![
            GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])),
        ];
    }
    let no_mail = GeneralSubtree::Rfc822Name(NO_DOMAIN.to_owned());
    let permitted = dns_names.into_iter().chain(addresses).chain([no_mail]);
    NameConstraints {
        permitted_subtrees: permitted.collect(),
        excluded_subtrees,
    }
}

/// The subnet with this address alone.
fn only(address: IpAddr) -> CidrSubnet {
    match address {
        IpAddr::V4(address) => CidrSubnet::V4(address.octets(), [u8::MAX; 4]),
        IpAddr::V6(address) => CidrSubnet::V6(address.octets(), [u8::MAX; 16]),
    }
}

fn issue(
    chain: &Path,
    key_path: &Path,
    ca_file: &Path,
    ca_key: &Path,
    names: &[String],
    now: Timestamp,
) -> Result<(), TlsError> {
    let ca_pem = read(ca_file)?;
    let ca = Issuer::new(ca_params(now)?, KeyPair::from_pem(&read(ca_key)?)?);
    let key = KeyPair::generate()?;
    let certificate = server_params(names, now)?.signed_by(&key, &ca)?;
    write(key_path, &key.serialize_pem(), 0o600)?;
    write(chain, &format!("{}{ca_pem}", certificate.pem()), 0o644)
}

fn server_params(names: &[String], now: Timestamp) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(names)?;
    let first = names.first().map_or("localhost", String::as_str);
    params.distinguished_name.push(DnType::CommonName, first);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = validity(now, CERTIFICATE_DAYS);
    Ok(params)
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use std::sync::Arc;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    /// Whether a browser that trusts the CA in `folder` accepts `certificate` for `name`.
    fn is_trusted(folder: &Path, certificate: &CertificateDer, name: &str) -> bool {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(folder.join("ca.pem")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        let at = Duration::from_millis(u64::try_from(NOW.as_millis()).unwrap());
        let name = ServerName::try_from(name).unwrap();
        let at = UnixTime::since_unix_epoch(at);
        verifier
            .verify_server_cert(certificate, &[], &name, &[], at)
            .is_ok()
    }

    /// A certificate for `name` that is signed with the stolen key of the CA.
    fn forge(folder: &Path, name: &str) -> CertificateDer<'static> {
        let ca_key = KeyPair::from_pem(&read(&folder.join("ca.key")).unwrap()).unwrap();
        let ca = Issuer::new(ca_params(NOW).unwrap(), ca_key);
        let key = KeyPair::generate().unwrap();
        let params = server_params(&names(&[name]), NOW).unwrap();
        params.signed_by(&key, &ca).unwrap().der().clone()
    }

    #[test]
    fn the_authority_can_only_vouch_for_the_server() {
        let folder = tempfile::tempdir().unwrap();
        for served in [
            names(&["ask.ward.example", "10.0.0.7"]),
            names(&["10.0.0.7"]),
            names(&["ask.ward.example"]),
        ] {
            let folder = folder.path().join(served.join("-"));
            let files = ensure(&folder, &served, NOW).unwrap();
            let issued = CertificateDer::from_pem_file(&files.chain).unwrap();
            for name in &served {
                assert!(is_trusted(&folder, &issued, name), "{served:?} {name}");
            }
            for other in ["mail.bank.example", "10.0.0.8", "2001:db8::1"] {
                let forged = forge(&folder, other);
                assert!(!is_trusted(&folder, &forged, other), "{served:?} {other}");
            }
        }
    }

    #[test]
    fn a_certificate_is_renewed_in_time_and_by_the_same_authority() {
        let folder = tempfile::tempdir().unwrap();
        let served = names(&["localhost"]);
        let read_all = |now| {
            let files = ensure(folder.path(), &served, now).unwrap();
            (
                read(&files.chain).unwrap(),
                read(&files.ca.unwrap()).unwrap(),
            )
        };
        let day = |n: u32| NOW.plus(DAY.saturating_mul(n));
        let first = read_all(NOW);
        assert_eq!(read_all(day(299)), first);
        let renewed = read_all(day(301));
        assert_ne!(renewed.0, first.0);
        assert_eq!(renewed.1, first.1, "browsers need no new authority");
    }

    #[test]
    fn a_new_name_needs_a_new_authority() {
        let folder = tempfile::tempdir().unwrap();
        ensure(folder.path(), &names(&["localhost", "10.0.0.7"]), NOW).unwrap();
        let first = read(&folder.path().join("ca.pem")).unwrap();
        ensure(folder.path(), &names(&["10.0.0.7"]), NOW).unwrap();
        assert_eq!(read(&folder.path().join("ca.pem")).unwrap(), first);
        let files = ensure(folder.path(), &names(&["other.example"]), NOW).unwrap();
        assert_ne!(read(&folder.path().join("ca.pem")).unwrap(), first);
        let issued = CertificateDer::from_pem_file(&files.chain).unwrap();
        assert!(is_trusted(folder.path(), &issued, "other.example"));
    }
}

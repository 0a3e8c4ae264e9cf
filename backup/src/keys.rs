//! The keys of age: backups are encrypted to a recipient and decrypted with its identity.

use crate::error::BackupError;
use age::secrecy::ExposeSecret;
use age::x25519;

/// A public key: `age1…`.
#[derive(Clone, Debug)]
pub struct Recipient(pub(crate) x25519::Recipient);

impl Recipient {
    /// Parses a public key.
    pub fn parse(text: &str) -> Result<Self, BackupError> {
        let parsed = text.trim().parse().map_err(|_cause| BackupError::Key {
            expected: "public key (`age1…`)",
        })?;
        Ok(Self(parsed))
    }
}

/// A secret key: `AGE-SECRET-KEY-1…`.
pub struct Identity(pub(crate) x25519::Identity);

impl Identity {
    /// Parses the file of an identity, as `age-keygen` writes it: comments and one secret key.
    pub fn parse(text: &str) -> Result<Self, BackupError> {
        let line = text
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty() && !line.starts_with('#'));
        let parsed = line.unwrap_or_default().parse();
        let parsed = parsed.map_err(|_cause| BackupError::Key {
            expected: "secret key (`AGE-SECRET-KEY-1…`)",
        })?;
        Ok(Self(parsed))
    }
}

/// A new identity as the text of its file, and its public key.
pub fn generate_identity() -> (String, String) {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let secret = identity.to_string();
    let file = format!("# public key: {recipient}\n{}\n", secret.expose_secret());
    (file, recipient)
}

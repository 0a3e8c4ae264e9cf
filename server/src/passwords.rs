//! Passwords and other secrets.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use cloister_domain::Entropy;
use cloister_domain::entropy::EntropyError;
use sha2::{Digest, Sha256};

/// The minimum number of characters. NIST SP 800-63B requires eight.
const MIN_LENGTH: usize = 12;
/// The maximum number of characters.
const MAX_LENGTH: usize = 256;

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error(
        "a password must have {MIN_LENGTH} to {MAX_LENGTH} characters, for example a few words"
    )]
    Length,
    /// Hashing failed.
    #[error("the password could not be hashed: {0}")]
    Hashing(argon2::password_hash::Error),
    /// No salt could be generated.
    #[error(transparent)]
    EntropyError(#[from] EntropyError),
}

/// The defaults of the library are the parameters that OWASP recommends (Password Storage Cheat
/// Sheet): 19 MiB, 2 passes, 1 lane.
fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// Hashes a password with Argon2id. Returns a PHC string.
pub fn hash(password: &str, entropy: &dyn Entropy) -> Result<String, PasswordError> {
    if !(MIN_LENGTH..=MAX_LENGTH).contains(&password.chars().count()) {
        return Err(PasswordError::Length);
    }
    let mut salt = [0; 16];
    entropy.fill(&mut salt)?;
    let salt = SaltString::encode_b64(&salt).map_err(PasswordError::Hashing)?;
    let hash = argon2id().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(PasswordError::Hashing)?.to_string())
}

/// Whether `hash` is the hash of this password.
pub fn is_match(password: &str, hash: &str) -> bool {
    let parsed = PasswordHash::new(hash);
    parsed.is_ok_and(|hash| {
        argon2id()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

/// A hash that no password matches. Signing in with an unknown name verifies it, so that it takes
/// as long as with a known name.
pub fn unmatchable_hash() -> &'static str {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| {
        let salt = SaltString::from_b64("bm9ib2R5bm9ib2R5bm9ib2R5");
        let hash = salt.and_then(|salt| {
            argon2id()
                .hash_password(&[0; 32], &salt)
                .map(|hash| hash.to_string())
        });
        hash.unwrap_or_default()
    })
}

/// A random secret of 256 bits, in URL-safe base64.
pub fn secret(entropy: &dyn Entropy) -> Result<String, EntropyError> {
    use base64::Engine;
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// The SHA-256 of a secret, which the database stores instead of it.
pub fn fingerprint(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_domain::entropy::CountingEntropy;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let hash = hash("correct horse battery", &CountingEntropy::default()).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(is_match("correct horse battery", &hash));
        assert!(!is_match("correct horse batterz", &hash));
        assert!(!is_match("", unmatchable_hash()));
        assert!(unmatchable_hash().starts_with("$argon2id$"));
    }

    #[test]
    fn a_short_password_is_rejected() {
        let entropy = CountingEntropy::default();
        assert!(matches!(
            hash("elevenchars", &entropy),
            Err(PasswordError::Length)
        ));
    }
}

//! Passwords and other secrets.

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use cloister_domain::Entropy;
use cloister_domain::chance::NoEntropy;
use sha2::{Digest, Sha256};

/// OWASP's first recommendation for Argon2id (Password Storage Cheat Sheet): 19 MiB, 2 passes,
/// 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// NIST SP 800-63B asks for eight characters at least; this guards documents of a ward or a bank.
const SHORTEST: usize = 12;

/// Why a password was not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has {SHORTEST} to 256 characters. A few words are easy to keep in mind")]
    Length,
    /// The hash could not be made.
    #[error("the password could not be hashed: {0}")]
    Hashing(argon2::password_hash::Error),
    /// No salt could be made.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

fn argon2id() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or_default();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Argon2id of a password, as a PHC string.
pub fn hash(password: &str, entropy: &dyn Entropy) -> Result<String, PasswordError> {
    if !(SHORTEST..=256).contains(&password.chars().count()) {
        return Err(PasswordError::Length);
    }
    let mut salt = [0; 16];
    entropy.fill(&mut salt)?;
    let salt = SaltString::encode_b64(&salt).map_err(PasswordError::Hashing)?;
    let hash = argon2id().hash_password(password.as_bytes(), &salt);
    Ok(hash.map_err(PasswordError::Hashing)?.to_string())
}

/// Whether this is the password of that hash.
pub fn matches(password: &str, hash: &str) -> bool {
    let parsed = PasswordHash::new(hash);
    parsed.is_ok_and(|hash| {
        argon2id()
            .verify_password(password.as_bytes(), &hash)
            .is_ok()
    })
}

/// A hash that no password matches, so that a sign-in as nobody takes as long as one as somebody.
pub fn nobody() -> &'static str {
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

/// A secret of 256 bits, as URL-safe text.
pub fn secret(entropy: &dyn Entropy) -> Result<String, NoEntropy> {
    use base64::Engine;
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes)?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

/// What the database keeps of a secret.
pub fn fingerprint(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_domain::chance::CountingEntropy;

    #[test]
    fn a_password_matches_its_own_hash_only() {
        let hash = hash("correct horse battery", &CountingEntropy::default()).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(matches("correct horse battery", &hash));
        assert!(!matches("correct horse batterz", &hash));
        assert!(!matches("", nobody()));
        assert!(nobody().starts_with("$argon2id$"));
    }

    #[test]
    fn a_short_password_is_not_taken() {
        let entropy = CountingEntropy::default();
        assert!(matches!(
            hash("elevenchars", &entropy),
            Err(PasswordError::Length)
        ));
    }
}

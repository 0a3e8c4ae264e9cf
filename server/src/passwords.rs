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
/// The minimum number of characters besides the names of the person and the product.
const MIN_UNKNOWN_LENGTH: usize = 8;
/// Words of the product, which guessers try first.
const PRODUCT_WORDS: &[&str] = &["cloister", "appliance", "guidelines", "hospital", "bank"];

/// Why a password was not hashed.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error(
        "a password must have {MIN_LENGTH} to {MAX_LENGTH} characters, for example a few words"
    )]
    Length,
    /// Easy to guess.
    #[error(
        "a password must not be easy to guess: no common password, no repeated or keyboard \
         pattern, and not the name of the person or the product. Use a few words that do not \
         belong together"
    )]
    Guessable,
    /// Hashing failed.
    #[error("the password could not be hashed: {0}")]
    Hashing(argon2::password_hash::Error),
}

/// The defaults of the library are the parameters that OWASP recommends (Password Storage Cheat
/// Sheet): 19 MiB, 2 passes, 1 lane.
fn argon2id() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT)
}

/// Refuses a password that is too short, too long, or easy to guess for somebody who knows the name
/// of its person and this product.
pub fn check(password: &str, name: &str) -> Result<(), PasswordError> {
    if !(MIN_LENGTH..=MAX_LENGTH).contains(&password.chars().count()) {
        return Err(PasswordError::Length);
    }
    let mut known_words: Vec<&str> = vec![name];
    known_words.extend(name.split(|c: char| !c.is_alphanumeric()));
    known_words.extend(PRODUCT_WORDS);
    // zxcvbn finds common passwords, names, dates, repetitions and keyboard patterns.
    let strength = zxcvbn::zxcvbn(password, &known_words);
    let is_strong = strength.score() >= zxcvbn::Score::Three;
    if is_strong && length_without(password, &known_words) >= MIN_UNKNOWN_LENGTH {
        Ok(())
    } else {
        Err(PasswordError::Guessable)
    }
}

/// The number of characters of a password that are not in these words, in upper or lower case.
fn length_without(password: &str, words: &[&str]) -> usize {
    /// Shorter words occur in others by chance.
    const MIN_WORD_LENGTH: usize = 3;
    let mut rest = password.to_lowercase();
    for word in words {
        if word.chars().count() >= MIN_WORD_LENGTH {
            rest = rest.replace(&word.to_lowercase(), "");
        }
    }
    rest.chars().count()
}

/// A random salt for [`hash`].
pub fn salt(entropy: &dyn Entropy) -> Result<[u8; 16], EntropyError> {
    let mut salt = [0; 16];
    entropy.fill(&mut salt)?;
    Ok(salt)
}

/// Hashes a password with Argon2id. Returns a PHC string. This takes a core for a while: run it on
/// a [`HashPool`](crate::limits::HashPool).
pub fn hash(password: &str, salt: [u8; 16]) -> Result<String, PasswordError> {
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
        let salt = salt(&CountingEntropy::default()).unwrap();
        let hash = hash("correct horse battery", salt).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(is_match("correct horse battery", &hash));
        assert!(!is_match("correct horse batterz", &hash));
        assert!(!is_match("", unmatchable_hash()));
        assert!(unmatchable_hash().starts_with("$argon2id$"));
    }

    #[test]
    fn short_and_guessable_passwords_are_rejected() {
        assert!(matches!(
            check("elevenchars", "ada"),
            Err(PasswordError::Length)
        ));
        assert!(matches!(
            check(&"x".repeat(300), "ada"),
            Err(PasswordError::Length)
        ));
        for guessable in [
            "passwordpassword",
            "123456789012",
            "qwertyuiopas",
            "aaaaaaaaaaaaaaaa",
            "ada lovelace",
            "AdaLovelace1",
            "cloister2026",
            "CloisterCloister",
        ] {
            let checked = check(guessable, "ada lovelace");
            assert!(
                matches!(checked, Err(PasswordError::Guessable)),
                "{guessable}"
            );
        }
        for good in [
            "correct horse battery",
            "grün Tisch elf Regen",
            "v8#Lq2!xTz0p",
        ] {
            assert!(check(good, "ada lovelace").is_ok(), "{good}");
        }
    }
}

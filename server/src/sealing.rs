//! Secrets that the appliance needs in plain text are encrypted in the database, with a key that is
//! not in it: a copy of the database alone does not reveal them.

use anyhow::Context;
use cloister_domain::Entropy;
use cloister_domain::entropy::EntropyError;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The length of the key.
const KEY_BYTES: usize = 32;

/// Encrypts and decrypts secrets (ChaCha20-Poly1305).
pub struct Sealer(LessSafeKey);

/// Why a secret was not encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The key is not the one that encrypted it, or it was altered.
    #[error(
        "a stored secret cannot be decrypted. The key of `paths.secrets_key` is not the one that \
         encrypted it"
    )]
    Undecryptable,
    /// The secret is too long.
    #[error("the secret could not be encrypted")]
    TooLong,
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl Sealer {
    /// Loads the key from a file. Without a configured file, it is `secrets.key` in the data folder,
    /// which is created if it does not exist.
    pub fn open(configured: &Path, data: &Path, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let path = if configured.as_os_str().is_empty() {
            let path = data.join("secrets.key");
            if !path.exists() {
                create_key(&path, entropy)?;
            }
            path
        } else {
            PathBuf::from(configured)
        };
        let key = std::fs::read(&path)
            .with_context(|| format!("could not read the key of secrets `{}`", path.display()))?;
        if key.len() != KEY_BYTES {
            anyhow::bail!(
                "the key of secrets `{0}` has {1} bytes. Make one with `head -c {KEY_BYTES} \
                 /dev/urandom > {0}`",
                path.display(),
                key.len()
            );
        }
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key)
            .ok()
            .context("the key of secrets cannot be used")?;
        Ok(Self(LessSafeKey::new(key)))
    }

    /// Encrypts a secret. `owner` is bound to it: it is decrypted for this owner only. The nonce is
    /// random. With fewer than 2^32 secrets for one key, none is used twice (NIST SP 800-38D).
    pub fn seal(
        &self,
        owner: &str,
        secret: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Vec<u8>, SealingError> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        let mut sealed = secret.to_vec();
        let done = self.0.seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(owner.as_bytes()),
            &mut sealed,
        );
        match done {
            Ok(()) => Ok([nonce.as_slice(), &sealed].concat()),
            Err(ring::error::Unspecified) => Err(SealingError::TooLong),
        }
    }

    /// Decrypts a secret.
    pub fn unseal(&self, owner: &str, sealed: &[u8]) -> Result<Vec<u8>, SealingError> {
        let (nonce, sealed) = sealed
            .split_first_chunk()
            .ok_or(SealingError::Undecryptable)?;
        let mut opened = sealed.to_vec();
        let secret = self.0.open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(owner.as_bytes()),
            &mut opened,
        );
        match secret {
            Ok(secret) => Ok(secret.to_vec()),
            Err(ring::error::Unspecified) => Err(SealingError::Undecryptable),
        }
    }
}

fn create_key(path: &Path, entropy: &dyn Entropy) -> anyhow::Result<()> {
    let mut key = [0; KEY_BYTES];
    entropy.fill(&mut key)?;
    let created = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| {
            file.write_all(&key)?;
            file.sync_all()
        });
    created.with_context(|| format!("could not create the key of secrets `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_domain::entropy::CountingEntropy;

    #[test]
    fn a_secret_is_decrypted_for_its_owner_and_with_its_key_only() {
        let folder = tempfile::tempdir().unwrap();
        let entropy = CountingEntropy::default();
        let open = || Sealer::open(Path::new(""), folder.path(), &entropy).unwrap();
        let sealed = open().seal("user:7", b"secret", &entropy).unwrap();
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        assert_eq!(open().unseal("user:7", &sealed).unwrap(), b"secret");
        assert!(open().unseal("user:8", &sealed).is_err());
        assert!(open().unseal("user:7", &sealed[..20]).is_err());
        assert!(open().unseal("user:7", &[]).is_err());
        let mut altered = sealed.clone();
        *altered.last_mut().unwrap() ^= 1;
        assert!(open().unseal("user:7", &altered).is_err());
        std::fs::remove_file(folder.path().join("secrets.key")).unwrap();
        assert!(open().unseal("user:7", &sealed).is_err(), "another key");
    }

    #[test]
    fn a_key_of_the_wrong_length_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let open = || Sealer::open(&path, folder.path(), &CountingEntropy::default()).err();
        assert!(open().unwrap().to_string().contains("could not read"));
        std::fs::write(&path, "short").unwrap();
        assert!(open().unwrap().to_string().contains("5 bytes"));
    }
}

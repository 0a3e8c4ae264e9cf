//! Signed statements of the log's size and root: C2SP checkpoints in C2SP signed notes.

use crate::error::AuditError;
use crate::merkle::{Hash, Tree};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cloister_domain::Entropy;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const ED25519: u8 = 1;

/// Size and root of the log at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// How many entries it had.
    pub size: u64,
    /// The root of its tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The statement of this tree.
    pub(crate) fn of(origin: &str, tree: &Tree) -> Self {
        Self {
            origin: origin.to_owned(),
            size: tree.size(),
            root: tree.root(),
        }
    }

    fn body(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            BASE64.encode(self.root)
        )
    }

    /// Reads a signed note and checks its signature by `key`.
    pub fn read(note: &str, key: &PublicKey) -> Result<Self, AuditError> {
        let (body, signatures) = note
            .split_once("\n\n")
            .ok_or(AuditError::BadCheckpoint("it has no signature"))?;
        let body = format!("{body}\n");
        if !signatures.lines().any(|line| key.signed(&body, line)) {
            return Err(AuditError::BadCheckpoint(
                "it is not signed by this log's key",
            ));
        }
        Self::parse(&body)
    }

    fn parse(body: &str) -> Result<Self, AuditError> {
        let mut lines = body.lines();
        let mut line = || {
            lines
                .next()
                .ok_or(AuditError::BadCheckpoint("it is cut short"))
        };
        let origin = line()?.to_owned();
        let size = line()?
            .parse()
            .ok()
            .ok_or(AuditError::BadCheckpoint("its size is not a number"))?;
        let root = BASE64
            .decode(line()?)
            .ok()
            .and_then(|bytes| Hash::try_from(bytes).ok())
            .ok_or(AuditError::BadCheckpoint("its root is not a SHA-256"))?;
        Ok(Self { origin, size, root })
    }
}

/// The key that signs a log's checkpoints.
pub(crate) struct SealingKey {
    name: String,
    key: SigningKey,
}

impl SealingKey {
    /// Reads the key at `path`, or makes one there.
    pub(crate) fn ensure(
        path: &Path,
        name: &str,
        entropy: &dyn Entropy,
    ) -> Result<Self, AuditError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Self::make(path, name, entropy)
            }
            Err(cause) => Err(AuditError::file(path, &cause)),
        }
    }

    fn make(path: &Path, name: &str, entropy: &dyn Entropy) -> Result<Self, AuditError> {
        let mut seed = [0; 32];
        entropy.fill(&mut seed)?;
        let made = Self {
            name: name.to_owned(),
            key: SigningKey::from_bytes(&seed),
        };
        let failed = |cause| AuditError::file(path, &cause);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(failed)?;
        writeln!(file, "{name}+{}", BASE64.encode(seed)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(made)
    }

    fn parse(text: &str) -> Result<Self, AuditError> {
        let bad = || AuditError::BadKey("audit/key".into());
        let (name, seed) = text.trim_end().split_once('+').ok_or_else(bad)?;
        let seed = BASE64
            .decode(seed)
            .ok()
            .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        let key = SigningKey::from_bytes(&seed.ok_or_else(bad)?);
        Ok(Self {
            name: name.to_owned(),
            key,
        })
    }

    /// The log's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The half that others check with.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey {
            name: self.name.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// The checkpoint as a signed note.
    pub(crate) fn seal(&self, checkpoint: &Checkpoint) -> String {
        let body = checkpoint.body();
        let signature = self.key.sign(body.as_bytes());
        let mut blob = self.public().id().to_vec();
        blob.extend(signature.to_bytes());
        format!("{body}\n— {} {}\n", self.name, BASE64.encode(blob))
    }
}

/// The key that checkpoints are checked with: `name+id+key`, a C2SP verifier key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    key: VerifyingKey,
}

impl PublicKey {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        let bad = || AuditError::BadKey(text.trim().to_owned());
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(bad());
        };
        let bytes = BASE64.decode(key).ok().ok_or_else(bad)?;
        let Some((&ED25519, key)) = bytes.split_first() else {
            return Err(bad());
        };
        let key = <[u8; 32]>::try_from(key).ok().ok_or_else(bad)?;
        let key = VerifyingKey::from_bytes(&key).ok().ok_or_else(bad)?;
        let read = Self {
            name: name.to_owned(),
            key,
        };
        if hex::encode(read.id()) == id {
            Ok(read)
        } else {
            Err(bad())
        }
    }

    fn typed_key(&self) -> Vec<u8> {
        let mut bytes = vec![ED25519];
        bytes.extend(self.key.to_bytes());
        bytes
    }

    /// The first four bytes of `SHA-256(name || 0x0A || 0x01 || key)`.
    fn id(&self) -> [u8; 4] {
        let hash: Hash = Sha256::new()
            .chain_update(self.name.as_bytes())
            .chain_update(b"\n")
            .chain_update(self.typed_key())
            .finalize()
            .into();
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }

    /// Whether this line of a note is this key's signature over `body`.
    fn signed(&self, body: &str, line: &str) -> bool {
        let prefix = format!("— {} ", self.name);
        let Some(blob) = line
            .strip_prefix(&prefix)
            .and_then(|b| BASE64.decode(b).ok())
        else {
            return false;
        };
        let Some((id, signature)) = blob.split_at_checked(4) else {
            return false;
        };
        let Ok(signature) = Signature::from_slice(signature) else {
            return false;
        };
        id == self.id() && self.key.verify_strict(body.as_bytes(), &signature).is_ok()
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}+{}+{}",
            self.name,
            hex::encode(self.id()),
            BASE64.encode(self.typed_key())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_checkpoint_is_read_back_and_a_changed_one_is_not() {
        let sealing = SealingKey {
            name: "ward/audit".into(),
            key: SigningKey::from_bytes(&[7; 32]),
        };
        let mut tree = Tree::default();
        tree.push(crate::merkle::leaf(b"entry"));
        let checkpoint = Checkpoint::of("ward/audit", &tree);
        let note = sealing.seal(&checkpoint);
        let key = PublicKey::parse(&sealing.public().to_string()).unwrap();
        assert_eq!(Checkpoint::read(&note, &key).unwrap(), checkpoint);
        assert!(Checkpoint::read(&note.replace("\n1\n", "\n2\n"), &key).is_err());
        let other = SealingKey {
            name: "ward/audit".into(),
            key: SigningKey::from_bytes(&[8; 32]),
        };
        assert!(Checkpoint::read(&note, &other.public()).is_err());
    }
}

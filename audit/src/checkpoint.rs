//! Signed statements of the log's size and root: C2SP checkpoints in C2SP signed notes.

use crate::error::AuditError;
use crate::merkle::{Hash, Tree};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cloister_domain::{Entropy, atomic_file};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};
use std::path::Path;

const ED25519: u8 = 1;

/// The size and root of the log at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name.
    pub origin: String,
    /// The number of entries.
    pub size: u64,
    /// The root of the Merkle tree.
    pub root: Hash,
}

impl Checkpoint {
    /// The checkpoint of a tree.
    pub(crate) fn from_tree(origin: &str, tree: &Tree) -> Self {
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

    /// Parses a signed note and verifies its signature with `key`.
    pub fn verify_note(note: &str, key: &PublicKey) -> Result<Self, AuditError> {
        let (body, signatures) = note
            .split_once("\n\n")
            .ok_or(AuditError::BadCheckpoint("it has no signature"))?;
        let body = format!("{body}\n");
        if !signatures.lines().any(|line| key.verifies(&body, line)) {
            return Err(AuditError::NotSigned);
        }
        Self::parse(&body)
    }

    fn parse(body: &str) -> Result<Self, AuditError> {
        let mut lines = body.lines();
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(AuditError::BadCheckpoint("it is cut short"));
        };
        let size = size
            .parse()
            .ok()
            .ok_or(AuditError::BadCheckpoint("its size is not a number"))?;
        let root = BASE64
            .decode(root)
            .ok()
            .and_then(|bytes| Hash::try_from(bytes).ok())
            .ok_or(AuditError::BadCheckpoint("its root is not a SHA-256"))?;
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }
}

/// The key that signs the checkpoints of a log.
pub(crate) struct CheckpointSigner {
    name: String,
    key: SigningKey,
}

impl CheckpointSigner {
    /// Reads the key from `path`, or creates one if there is none.
    pub(crate) fn load_or_create(
        path: &Path,
        name: &str,
        entropy: &dyn Entropy,
    ) -> Result<Self, AuditError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                Self::create(path, name, entropy)
            }
            Err(cause) => Err(AuditError::file(path, &cause)),
        }
    }

    fn create(path: &Path, name: &str, entropy: &dyn Entropy) -> Result<Self, AuditError> {
        let mut seed = [0; 32];
        entropy.fill(&mut seed)?;
        let made = Self {
            name: name.to_owned(),
            key: SigningKey::from_bytes(&seed),
        };
        // A log whose key was written in part would not open again.
        let text = format!("{name}+{}\n", BASE64.encode(seed));
        atomic_file::write_secret(path, text.as_bytes())
            .map_err(|cause| AuditError::file(path, &cause))?;
        Ok(made)
    }

    fn parse(text: &str) -> Result<Self, AuditError> {
        parse_signing_key(text).ok_or_else(|| AuditError::BadKey("audit/key".into()))
    }

    /// The log's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The public key that verifies its signatures.
    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey {
            name: self.name.clone(),
            key: self.key.verifying_key(),
        }
    }

    /// Signs a checkpoint, and returns it as a signed note.
    pub(crate) fn sign(&self, checkpoint: &Checkpoint) -> String {
        let body = checkpoint.body();
        let signature = self.key.sign(body.as_bytes());
        let mut blob = self.public_key().id().to_vec();
        blob.extend(signature.to_bytes());
        format!("{body}\n— {} {}\n", self.name, BASE64.encode(blob))
    }
}

/// Parses `name+seed`, with the seed in Base64.
fn parse_signing_key(text: &str) -> Option<CheckpointSigner> {
    let (name, seed) = text.trim_end().split_once('+')?;
    let seed = <[u8; 32]>::try_from(BASE64.decode(seed).ok()?).ok()?;
    Some(CheckpointSigner {
        name: name.to_owned(),
        key: SigningKey::from_bytes(&seed),
    })
}

/// The key that verifies checkpoints: `name+id+key`, a C2SP verifier key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    key: VerifyingKey,
}

impl PublicKey {
    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        parse_public_key(text.trim()).ok_or_else(|| AuditError::BadKey(text.trim().to_owned()))
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

    /// Whether this line of a note is a signature over `body` by this key.
    fn verifies(&self, body: &str, line: &str) -> bool {
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

/// Parses `name+id+key`, with the id in hexadecimal and the key in Base64.
fn parse_public_key(text: &str) -> Option<PublicKey> {
    let mut parts = text.splitn(3, '+');
    let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
    let bytes = BASE64.decode(key).ok()?;
    let (&ED25519, key) = bytes.split_first()? else {
        return None;
    };
    let key = VerifyingKey::from_bytes(&<[u8; 32]>::try_from(key).ok()?).ok()?;
    let public_key = PublicKey {
        name: name.to_owned(),
        key,
    };
    (hex::encode(public_key.id()) == id).then_some(public_key)
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
    fn a_signed_checkpoint_is_verified_and_a_changed_one_is_not() {
        let signer = CheckpointSigner {
            name: "ward/audit".into(),
            key: SigningKey::from_bytes(&[7; 32]),
        };
        let mut tree = Tree::default();
        tree.push(crate::merkle::leaf(b"entry"));
        let checkpoint = Checkpoint::from_tree("ward/audit", &tree);
        let note = signer.sign(&checkpoint);
        let key = PublicKey::parse(&signer.public_key().to_string()).unwrap();
        assert_eq!(Checkpoint::verify_note(&note, &key).unwrap(), checkpoint);
        assert!(Checkpoint::verify_note(&note.replace("\n1\n", "\n2\n"), &key).is_err());
        let other = CheckpointSigner {
            name: "ward/audit".into(),
            key: SigningKey::from_bytes(&[8; 32]),
        };
        assert!(Checkpoint::verify_note(&note, &other.public_key()).is_err());
    }
}

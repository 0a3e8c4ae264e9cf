//! Verifying a log from its folder and public key alone, as an auditor does on a laptop.

use crate::checkpoint::{Checkpoint, PublicKey};
use crate::error::AuditError;
use crate::recovery::{LogFiles, scan};
use serde::Serialize;
use std::path::Path;

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The number of entries.
    pub entries: u64,
    /// How many of them the latest checkpoint covers.
    pub sealed: u64,
    /// The root over all entries, in hexadecimal.
    pub root: String,
    /// The number of checkpoints from elsewhere that were compared.
    pub compared: usize,
    /// What does not match. Empty if the log is intact.
    pub findings: Vec<VerificationFinding>,
}

/// Something that does not match, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct VerificationFinding(pub String);

impl Verification {
    /// Whether nothing was found.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Reads the entire log in `folder` and compares it with its own checkpoint, and with `external`:
/// signed notes that were stored elsewhere. Without external notes, a cut tail is not detected if
/// the attacker also has the signing key.
pub fn verify(
    folder: &Path,
    key: &PublicKey,
    external: &[String],
) -> Result<Verification, AuditError> {
    let files = LogFiles::new(folder);
    let mut findings = Vec::new();
    let mut checkpoints: Vec<Checkpoint> = external
        .iter()
        .map(|note| Checkpoint::verify_note(note, key))
        .collect::<Result<_, _>>()?;
    let own = match files.read_checkpoint(key) {
        Ok(own) => own,
        Err(AuditError::BadCheckpoint(why)) => {
            findings.push(VerificationFinding(format!(
                "the log's own checkpoint does not hold: {why}"
            )));
            None
        }
        Err(other) => return Err(other),
    };
    let sealed = own.as_ref().map_or(0, |checkpoint| checkpoint.size);
    if own.is_none() && findings.is_empty() {
        findings.push(VerificationFinding(
            "the log has no checkpoint, so nothing vouches for it".into(),
        ));
    }
    checkpoints.extend(own);
    checkpoints.sort_by_key(|checkpoint| checkpoint.size);
    let scan = scan(&files.entries(), &checkpoints)?;
    findings.extend(scan.findings.into_iter().map(VerificationFinding));
    if scan.torn_bytes > 0 {
        findings.push(VerificationFinding(format!(
            "{} bytes after the last entry are no entry; the appliance removes them when it starts",
            scan.torn_bytes
        )));
    }
    Ok(Verification {
        entries: scan.tree.size(),
        sealed,
        root: hex::encode(scan.tree.root()),
        compared: external.len(),
        findings,
    })
}

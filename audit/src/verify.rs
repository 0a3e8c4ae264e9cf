//! Verifying a log from its folder and public key alone, as an auditor does on a laptop.

use crate::checkpoint::{Checkpoint, PublicKey};
use crate::error::AuditError;
use crate::recovery::{LogFiles, LogScan, scan};
use serde::Serialize;
use std::path::Path;

/// The result of a verification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// The number of entries.
    pub entries: u64,
    /// How many of them the latest checkpoint of the log covers.
    pub sealed: u64,
    /// The root over all entries, in hexadecimal.
    pub root: String,
    /// The number of checkpoints from elsewhere that were compared.
    pub compared: usize,
    /// How many entries the largest of these covers.
    pub anchored: u64,
    /// What does not match. Empty if the log is intact.
    pub findings: Vec<VerificationFinding>,
    /// What cannot be proven, although nothing contradicts it.
    pub gaps: Vec<VerificationFinding>,
}

/// Something that does not match, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct VerificationFinding(pub String);

/// The result of a verification in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerificationStatus {
    /// Every entry is the one that was signed, and a checkpoint from elsewhere confirms it.
    Sound,
    /// Something does not match.
    Tampered,
    /// Nothing contradicts the log, but a part of it is not proven.
    Incomplete,
}

impl Verification {
    /// Whether nothing was found.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }

    /// The result in one word.
    pub fn status(&self) -> VerificationStatus {
        if !self.findings.is_empty() {
            VerificationStatus::Tampered
        } else if self.gaps.is_empty() {
            VerificationStatus::Sound
        } else {
            VerificationStatus::Incomplete
        }
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
    let mut checkpoints = Vec::new();
    for note in external {
        match Checkpoint::verify_note(note, key) {
            Ok(checkpoint) => checkpoints.push(checkpoint),
            Err(AuditError::NotSigned) => {
                findings.push("a checkpoint from elsewhere is signed by another key".into());
            }
            Err(other) => return Err(other),
        }
    }
    let anchored = checkpoints.iter().map(|checkpoint| checkpoint.size).max();
    let own = match files.read_checkpoint(key) {
        Ok(Some(own)) => Some(own),
        Ok(None) => {
            findings.push("the log has no checkpoint, so nothing vouches for it".into());
            None
        }
        Err(cause @ (AuditError::BadCheckpoint(_) | AuditError::NotSigned)) => {
            findings.push(format!("the log's own checkpoint does not hold: {cause}"));
            None
        }
        Err(other) => return Err(other),
    };
    let sealed = own.as_ref().map_or(0, |checkpoint| checkpoint.size);
    checkpoints.extend(own);
    checkpoints.sort_by_key(|checkpoint| checkpoint.size);
    let scan = scan(&files.entries(), &checkpoints)?;
    let gaps = gaps(&scan, sealed, anchored);
    findings.extend(scan.findings);
    Ok(Verification {
        entries: scan.tree.size(),
        sealed,
        root: hex::encode(scan.tree.root()),
        compared: external.len(),
        anchored: anchored.unwrap_or(0),
        findings: findings.into_iter().map(VerificationFinding).collect(),
        gaps,
    })
}

fn gaps(scan: &LogScan, sealed: u64, anchored: Option<u64>) -> Vec<VerificationFinding> {
    let mut gaps = Vec::new();
    let unsealed = scan.tree.size().saturating_sub(sealed);
    if unsealed > 0 {
        gaps.push(format!(
            "no checkpoint of the log covers the last {unsealed} entries"
        ));
    }
    if scan.torn_bytes > 0 {
        gaps.push(format!(
            "{} bytes after the last entry are no entry; the appliance removes them when it starts",
            scan.torn_bytes
        ));
    }
    if anchored.is_none() {
        gaps.push(
            "no checkpoint from elsewhere was compared, so nobody but this log says that no \
             entries were cut off at its end"
                .into(),
        );
    }
    gaps.into_iter().map(VerificationFinding).collect()
}

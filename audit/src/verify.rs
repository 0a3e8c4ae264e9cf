//! Verifying a log from its folder and public key alone, as an auditor does on a laptop.

use crate::checkpoint::{Checkpoint, PublicKey};
use crate::error::AuditError;
use crate::recovery::{Layout, scan};
use serde::Serialize;
use std::path::Path;

/// What a verification found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// How many entries there are.
    pub entries: u64,
    /// How many of them the newest checkpoint vouches for.
    pub sealed: u64,
    /// The root over all of them, in hexadecimal.
    pub root: String,
    /// How many checkpoints kept elsewhere were compared.
    pub compared: usize,
    /// What does not fit. Empty means that the log holds.
    pub findings: Vec<Finding>,
}

/// One thing that does not fit, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Finding(pub String);

impl Verification {
    /// Whether nothing was found.
    pub fn holds(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Reads the whole log in `folder` and compares it with its own checkpoint and with those of
/// `kept`, signed notes that were stored elsewhere. Without one of those a cut tail can go
/// unnoticed, where who cut it also holds the signing key.
pub fn verify(folder: &Path, key: &PublicKey, kept: &[String]) -> Result<Verification, AuditError> {
    let layout = Layout::new(folder);
    let mut findings = Vec::new();
    let mut checkpoints: Vec<Checkpoint> = kept
        .iter()
        .map(|note| Checkpoint::read(note, key))
        .collect::<Result<_, _>>()?;
    let own = match layout.sealed(key) {
        Ok(own) => own,
        Err(AuditError::BadCheckpoint(why)) => {
            findings.push(Finding(format!(
                "the log's own checkpoint does not hold: {why}"
            )));
            None
        }
        Err(other) => return Err(other),
    };
    let sealed = own.as_ref().map_or(0, |checkpoint| checkpoint.size);
    if own.is_none() && findings.is_empty() {
        findings.push(Finding(
            "the log has no checkpoint, so nothing vouches for it".into(),
        ));
    }
    checkpoints.extend(own);
    checkpoints.sort_by_key(|checkpoint| checkpoint.size);
    let scan = scan(&layout.entries(), &checkpoints)?;
    findings.extend(scan.findings.into_iter().map(Finding));
    if scan.torn > 0 {
        findings.push(Finding(format!(
            "{} bytes after the last entry are no entry; the appliance removes them when it starts",
            scan.torn
        )));
    }
    Ok(Verification {
        entries: scan.tree.size(),
        sealed,
        root: hex::encode(scan.tree.root()),
        compared: kept.len(),
        findings,
    })
}

//! A proof that an entry is in the log, which stands alone: C2SP `tlog-proof@v1`
//! (<https://c2sp.org/tlog-proof>). Its extra data is the entry.

use crate::checkpoint::{Checkpoint, PublicKey};
use crate::error::AuditError;
use crate::event::Entry;
use crate::merkle::{self, Hash, Tree};
use crate::recovery::LogFiles;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A proof that an entry is in the log that a checkpoint signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InclusionProof {
    /// The line of the entry.
    entry: String,
    /// Its position, counted from 0.
    index: u64,
    /// The roots beside its way to the root, the nearest first.
    path: Vec<Hash>,
    /// The signed note of the checkpoint.
    note: String,
}

impl InclusionProof {
    /// Makes the proof of the entry at `index`, from the log's last checkpoint. Reads the entire log once.
    pub fn of_entry(folder: &Path, key: &PublicKey, index: u64) -> Result<Self, AuditError> {
        let files = LogFiles::new(folder);
        let path = files.checkpoint();
        let note =
            std::fs::read_to_string(&path).map_err(|cause| AuditError::file(&path, &cause))?;
        let checkpoint = Checkpoint::verify_note(&note, key)?;
        if index >= checkpoint.size {
            return Err(AuditError::NotSealed {
                index,
                sealed: checkpoint.size,
            });
        }
        let ranges = merkle::inclusion_ranges(index, checkpoint.size);
        let (entry, path) = read_path(&files.entries(), index, &ranges)?;
        let proof = Self {
            entry,
            index,
            path,
            note,
        };
        proof.verify(key)?;
        Ok(proof)
    }

    /// Parses the text form.
    pub fn parse(text: &str) -> Result<Self, AuditError> {
        parse_proof(text).ok_or(AuditError::NotAProof)
    }

    /// Verifies the proof with the log's public key. Returns the entry that it proves.
    pub fn verify(&self, key: &PublicKey) -> Result<Entry, AuditError> {
        let checkpoint = Checkpoint::verify_note(&self.note, key)?;
        let leaf = merkle::leaf(self.entry.as_bytes());
        let root = merkle::root_of_path(leaf, self.index, checkpoint.size, &self.path);
        if root != Some(checkpoint.root) {
            return Err(AuditError::BadProof(
                "the entry is not the one that was signed at this place",
            ));
        }
        let entry: Entry = serde_json::from_str(&self.entry)
            .ok()
            .ok_or(AuditError::BadProof("the entry is not readable"))?;
        if entry.seq != self.index {
            return Err(AuditError::BadProof("the entry names another place"));
        }
        Ok(entry)
    }
}

impl fmt::Display for InclusionProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        writeln!(f, "extra {}", BASE64.encode(&self.entry))?;
        writeln!(f, "index {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}

fn parse_proof(text: &str) -> Option<InclusionProof> {
    let (head, note) = text.split_once("\n\n")?;
    let mut lines = head.lines();
    if lines.next()? != HEADER {
        return None;
    }
    let entry = BASE64.decode(lines.next()?.strip_prefix("extra ")?).ok()?;
    let index = lines.next()?.strip_prefix("index ")?.parse().ok()?;
    let path = lines
        .map(|line| Hash::try_from(BASE64.decode(line).ok()?).ok())
        .collect::<Option<_>>()?;
    Some(InclusionProof {
        entry: String::from_utf8(entry).ok()?,
        index,
        path,
        note: note.to_owned(),
    })
}

/// The line of the entry at `index`, and the roots of these ranges of entries.
fn read_path(
    entries: &Path,
    index: u64,
    ranges: &[Range<u64>],
) -> Result<(String, Vec<Hash>), AuditError> {
    let failed = |cause: std::io::Error| AuditError::file(entries, &cause);
    let reader = BufReader::with_capacity(1 << 18, File::open(entries).map_err(failed)?);
    let mut line_of_entry = String::new();
    let mut trees = vec![Tree::default(); ranges.len()];
    for (position, line) in (0..).zip(reader.lines()) {
        let line = line.map_err(failed)?;
        let within = ranges.iter().position(|range| range.contains(&position));
        if let Some(tree) = within.and_then(|number| trees.get_mut(number)) {
            tree.push(merkle::leaf(line.as_bytes()));
        } else if position == index {
            line_of_entry = line;
        }
    }
    Ok((line_of_entry, trees.iter().map(Tree::root).collect()))
}

//! Opening a log: the entries on the disk must be those that were signed.

use crate::checkpoint::{Checkpoint, PublicKey};
use crate::error::AuditError;
use crate::event::Entry;
use crate::merkle::{self, Tree};
use crate::requests::RequestIndex;
use cloister_domain::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// What is remembered outside a log's folder. It reveals that somebody with access to the folder has
/// replaced the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The public key, as in `key.pub`.
    pub key: String,
    /// A checkpoint, as a signed note.
    pub checkpoint: String,
}

/// The files of a log.
pub(crate) struct LogFiles {
    pub folder: PathBuf,
}

impl LogFiles {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }
    pub(crate) fn entries(&self) -> PathBuf {
        self.folder.join("entries.jsonl")
    }
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.folder.join("checkpoint")
    }
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("key")
    }
    pub(crate) fn public_key(&self) -> PathBuf {
        self.folder.join("key.pub")
    }
    pub(crate) fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// A file that must be there and is not, as a finding. A log of which no file is there is new,
    /// unless an anchor remembers it.
    pub(crate) fn missing_file(&self, anchors: &[Anchor]) -> Result<Option<String>, AuditError> {
        let path = self.entries();
        let entries = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => 0,
            Err(cause) => return Err(AuditError::file(&path, &cause)),
        };
        let is_new = entries == 0 && !self.checkpoint().exists() && anchors.is_empty();
        let named = [("key", self.key()), ("checkpoint", self.checkpoint())];
        let missing = named.iter().find(|(_, path)| !is_new && !path.exists());
        Ok(missing.map(|(name, _)| format!("its file `{name}` is missing")))
    }

    /// The checkpoint of the folder and those of the anchors, the smallest first, or the finding if one
    /// of them is not signed by `key`.
    pub(crate) fn checkpoints(
        &self,
        key: &PublicKey,
        anchors: &[Anchor],
    ) -> Result<Result<Vec<Checkpoint>, String>, AuditError> {
        let mut checkpoints = Vec::new();
        for anchor in anchors {
            if anchor.key != key.to_string() {
                return Ok(Err("it has another key than before".into()));
            }
            match Checkpoint::verify_note(&anchor.checkpoint, key) {
                Ok(remembered) => checkpoints.push(remembered),
                Err(cause) => return Ok(Err(format!("its remembered checkpoint: {cause}"))),
            }
        }
        match self.read_checkpoint(key) {
            Ok(own) => checkpoints.extend(own),
            Err(cause @ (AuditError::BadCheckpoint(_) | AuditError::NotSigned)) => {
                return Ok(Err(format!("its checkpoint does not hold: {cause}")));
            }
            Err(other) => return Err(other),
        }
        checkpoints.sort_by_key(|checkpoint| checkpoint.size);
        Ok(Ok(checkpoints))
    }

    /// The last checkpoint, or `None` if none was ever written.
    pub(crate) fn read_checkpoint(
        &self,
        key: &PublicKey,
    ) -> Result<Option<Checkpoint>, AuditError> {
        let path = self.checkpoint();
        match std::fs::read_to_string(&path) {
            Ok(note) => Checkpoint::verify_note(&note, key).map(Some),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(AuditError::file(&path, &cause)),
        }
    }
}

/// A log as it is on the disk.
pub(crate) struct LogScan {
    /// The tree over all complete entries.
    pub tree: Tree,
    /// Where each complete entry starts, in bytes.
    pub offsets: Vec<u64>,
    /// Which entries belong to a request.
    pub requests: RequestIndex,
    /// Where the last complete entry ends.
    pub end: u64,
    /// Bytes after that: an incomplete entry, whose writing a power cut interrupted.
    pub torn_bytes: u64,
    /// What does not match, in the order of the log.
    pub findings: Vec<String>,
    /// When the last entry was logged.
    pub last_at: Option<Timestamp>,
}

/// Reads the entire log and compares it with the checkpoints, smallest first.
pub(crate) fn scan(entries: &Path, checkpoints: &[Checkpoint]) -> Result<LogScan, AuditError> {
    let mut scan = LogScan {
        tree: Tree::default(),
        offsets: vec![],
        requests: RequestIndex::default(),
        end: 0,
        torn_bytes: 0,
        findings: vec![],
        last_at: None,
    };
    let mut pending = checkpoints.iter().peekable();
    scan.compare(&mut pending);
    let file = match File::open(entries) {
        Ok(file) => Some(file),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => None,
        Err(cause) => return Err(AuditError::file(entries, &cause)),
    };
    if let Some(file) = file {
        let mut reader = BufReader::with_capacity(1 << 18, file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = reader
                .read_until(b'\n', &mut line)
                .map_err(|cause| AuditError::file(entries, &cause))?;
            if read == 0 {
                break;
            }
            let Some((b'\n', entry)) = line.split_last() else {
                scan.torn_bytes = read as u64;
                break;
            };
            scan.add_entry(entry);
            scan.compare(&mut pending);
        }
    }
    for missing in pending {
        scan.findings.push(format!(
            "{} entries were signed, and only {} are there",
            missing.size,
            scan.tree.size()
        ));
    }
    Ok(scan)
}

impl LogScan {
    fn add_entry(&mut self, line: &[u8]) {
        let expected = self.tree.size();
        match serde_json::from_slice::<Entry>(line) {
            Ok(entry) if entry.seq == expected => {
                self.requests.insert(entry.request.as_deref(), expected);
                self.compare_time(&entry);
            }
            Ok(entry) => self.findings.push(format!(
                "the entry at place {expected} says that it is entry {}",
                entry.seq
            )),
            Err(_) => self
                .findings
                .push(format!("the entry at place {expected} is not readable")),
        }
        self.offsets.push(self.end);
        self.end += line.len() as u64 + 1;
        self.tree.push(merkle::leaf(line));
    }

    /// Times ascend since version 2. Before, the clock could be set back.
    fn compare_time(&mut self, entry: &Entry) {
        let is_earlier = self.last_at.is_some_and(|last| entry.at < last);
        if is_earlier && entry.v >= Entry::ASCENDING_SINCE {
            self.findings.push(format!(
                "the entry at place {} is dated before the entry that precedes it",
                entry.seq
            ));
        }
        self.last_at = Some(entry.at);
    }

    fn compare<'a>(
        &mut self,
        pending: &mut std::iter::Peekable<impl Iterator<Item = &'a Checkpoint>>,
    ) {
        while let Some(checkpoint) = pending.next_if(|next| next.size == self.tree.size()) {
            if checkpoint.root != self.tree.root() {
                self.findings.push(format!(
                    "the first {} entries are not those that were signed",
                    checkpoint.size
                ));
            }
        }
    }
}

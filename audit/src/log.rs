//! The log as the appliance uses it: append entries, search them, and state the log's size.

use crate::checkpoint::{CheckpointSigner, PublicKey};
use crate::error::AuditError;
use crate::event::{Event, EventKind, Outcome};
use crate::recovery::{Anchor, LogFiles, LogScan, scan};
use crate::state::{Receipt, SharedState};
use crate::writer::{AppendRequest, LogWriter};
use cloister_domain::{Clock, Entropy, atomic_file};
use parking_lot::RwLock;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// The audit log of one appliance. Cheap to clone. The log is closed when the last clone is
/// dropped.
#[derive(Clone)]
pub struct AuditLog(Arc<OpenLog>);

/// An open log and the thread that writes it.
struct OpenLog {
    // INVARIANT: `None` only while the log is being dropped.
    jobs: Option<mpsc::Sender<AppendRequest>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<SharedState>,
}

impl Drop for OpenLog {
    /// Waits for the last entries, so that the next process finds a complete and unlocked log.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

impl AuditLog {
    /// Opens the log in this folder. Creates it if it does not exist, and refuses it if it is not
    /// the one that was signed. `name` is the log's name in its checkpoints.
    pub fn open(
        folder: &Path,
        name: &str,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, AuditError> {
        Self::open_anchored(folder, name, &[], clock, entropy)
    }

    /// Opens the log as [`open`](Self::open) does, and also refuses it if it is not the one that each of
    /// the `anchors` remembers: if it was replaced, cut, or signed with another key.
    pub fn open_anchored(
        folder: &Path,
        name: &str,
        anchors: &[Anchor],
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, AuditError> {
        std::fs::create_dir_all(folder).map_err(|cause| AuditError::file(folder, &cause))?;
        let files = LogFiles::new(folder);
        let lock = lock(&files)?;
        let altered = |finding: String| AuditError::Altered {
            folder: folder.into(),
            finding,
        };
        if let Some(finding) = files.missing_file(anchors)? {
            return Err(altered(finding));
        }
        let signer = CheckpointSigner::load_or_create(&files.key(), name, entropy)?;
        let key = signer.public_key();
        let checkpoints = files.checkpoints(&key, anchors)?.map_err(altered)?;
        let scan = scan(&files.entries(), &checkpoints)?;
        if let Some(finding) = scan.findings.first() {
            return Err(altered(finding.clone()));
        }
        let sealed_size = checkpoints.last().map_or(0, |checkpoint| checkpoint.size);
        let unsealed = scan.tree.size() - sealed_size;
        let torn = scan.torn_bytes;
        let (mut writer, shared) = writer_of(files, lock, signer, scan, clock)?;
        if unsealed > 0 || torn > 0 {
            // Written by this thread, because an async runtime must not wait for the writer's
            // thread.
            writer.write(vec![Event::by_appliance(
                EventKind::AuditRecovered,
                serde_json::json!({ "unsealed_entries": unsealed, "torn_bytes": torn }),
            )])?;
        }
        let (jobs, writer) = writer.start();
        Ok(Self(Arc::new(OpenLog {
            jobs: Some(jobs),
            writer: Some(writer),
            shared,
        })))
    }

    /// Goes on with a log that does not open: signs the entries that are there, or sets them aside
    /// if they are not readable as a log, and logs the reason and what was found. Returns what was
    /// found.
    pub fn recover(
        folder: &Path,
        name: &str,
        anchors: &[Anchor],
        reason: &str,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<String, AuditError> {
        let opened = Self::open_anchored(folder, name, anchors, Arc::clone(&clock), entropy);
        let finding = match opened {
            Ok(_) => return Err(AuditError::Intact),
            Err(AuditError::Altered { finding, .. }) => finding,
            Err(other) => return Err(other),
        };
        let files = LogFiles::new(folder);
        let lock = lock(&files)?;
        let stamp = clock.now().as_millis();
        save_evidence(&files.checkpoint(), stamp)?;
        let found = scan(&files.entries(), &[])?;
        let entries = found.tree.size();
        let is_readable = found.findings.is_empty();
        let found = if is_readable {
            found
        } else {
            save_evidence(&files.entries(), stamp)?;
            scan(&files.entries(), &[])?
        };
        let signer = CheckpointSigner::load_or_create(&files.key(), name, entropy)?;
        let (mut writer, _) = writer_of(files, lock, signer, found, clock)?;
        writer.write(vec![Event::by_appliance(
            EventKind::AuditRecovered,
            serde_json::json!({
                "reason": reason,
                "finding": finding,
                "entries": entries,
                "set_aside": !is_readable,
            }),
        )])?;
        Ok(finding)
    }

    /// What must be remembered outside the log's folder to notice that it was replaced.
    pub fn anchor(&self) -> Result<Anchor, AuditError> {
        Ok(Anchor {
            key: self.public_key().to_string(),
            checkpoint: self.checkpoint_note()?,
        })
    }

    /// Appends an event. Returns when it is on the disk. If this fails, it is not on the disk, and
    /// what the event is about must not happen.
    pub async fn append(&self, event: Event) -> Result<Receipt, AuditError> {
        let (done, logged) = oneshot::channel();
        self.send(event, done)?;
        logged.await.unwrap_or_else(|_| Err(self.closed()))
    }

    fn send(
        &self,
        event: Event,
        done: oneshot::Sender<Result<Receipt, AuditError>>,
    ) -> Result<(), AuditError> {
        let jobs = self.0.jobs.as_ref().ok_or_else(|| self.closed())?;
        jobs.send(AppendRequest { event, done })
            .ok()
            .ok_or_else(|| self.closed())
    }

    fn closed(&self) -> AuditError {
        self.failure()
            .unwrap_or_else(|| AuditError::Stopped("the writer has ended".into()))
    }

    /// Why the log cannot be written, or `None` if it can.
    pub fn failure(&self) -> Option<AuditError> {
        self.0.shared.failure.read().clone()
    }

    /// The number of entries.
    pub fn len(&self) -> u64 {
        self.0.shared.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The log's folder.
    pub fn folder(&self) -> PathBuf {
        self.0.shared.files.folder.clone()
    }

    /// The key that verifies its checkpoints.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.shared.key
    }

    /// The last signed checkpoint, as a note to be stored elsewhere.
    pub fn checkpoint_note(&self) -> Result<String, AuditError> {
        let path = self.0.shared.files.checkpoint();
        std::fs::read_to_string(&path).map_err(|cause| AuditError::file(&path, &cause))
    }

    pub(crate) fn shared(&self) -> &SharedState {
        &self.0.shared
    }
}

fn lock(files: &LogFiles) -> Result<File, AuditError> {
    let path = files.lock();
    let file = File::create(&path).map_err(|cause| AuditError::file(&path, &cause))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .ok()
        .ok_or_else(|| AuditError::InUse(files.folder.clone()))?;
    Ok(file)
}

/// The writer of a log that was scanned, and the state that it shares.
fn writer_of(
    files: LogFiles,
    lock: File,
    signer: CheckpointSigner,
    scan: LogScan,
    clock: Arc<dyn Clock>,
) -> Result<(LogWriter, Arc<SharedState>), AuditError> {
    let key = signer.public_key();
    publish_key(&files, &key)?;
    let mut offsets = scan.offsets;
    offsets.push(scan.end);
    let shared = Arc::new(SharedState {
        files,
        offsets: RwLock::new(offsets),
        requests: RwLock::new(scan.requests),
        failure: RwLock::new(None),
        key,
        _lock: lock,
    });
    let writer = LogWriter::open(Arc::clone(&shared), signer, scan.tree, scan.last_at, clock)?;
    Ok((writer, shared))
}

/// Renames a file so that it is kept as evidence. Does nothing if there is none.
fn save_evidence(path: &Path, stamp: i64) -> Result<(), AuditError> {
    let saved = path.with_extension(format!("altered-{stamp}"));
    match std::fs::rename(path, &saved) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(AuditError::file(path, &cause))
        }
        _ => Ok(()),
    }
}

fn publish_key(files: &LogFiles, key: &PublicKey) -> Result<(), AuditError> {
    let path = files.public_key();
    let text = format!("{key}\n");
    atomic_file::write(&path, text.as_bytes()).map_err(|cause| AuditError::file(&path, &cause))
}

impl Outcome {
    /// The outcome's name in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

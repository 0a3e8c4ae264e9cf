//! The log as the appliance holds it: append, look up, state its size.

use crate::checkpoint::{PublicKey, SealingKey};
use crate::error::AuditError;
use crate::event::{Event, EventKind, Outcome};
use crate::recovery::{Layout, scan};
use crate::writer::{Job, Writer};
use cloister_domain::{Clock, Entropy};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// An entry's place in the log, once it is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Counted from 0.
    pub seq: u64,
}

/// The audit log of one appliance. Cheap to clone; the log closes in order when the last clone
/// goes.
#[derive(Clone)]
pub struct AuditLog(Arc<Open>);

/// An open log and the thread that writes it.
struct Open {
    // INVARIANT: `None` only while it is being dropped.
    jobs: Option<mpsc::Sender<Job>>,
    writer: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Drop for Open {
    /// Waits for the last entries, so that who opens the log next finds it whole and free.
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(writer) = self.writer.take() {
            drop(writer.join());
        }
    }
}

/// What readers share with the writer.
pub(crate) struct Shared {
    pub(crate) layout: Layout,
    /// Where each entry begins; the last element is where the next one will.
    pub(crate) offsets: RwLock<Vec<u64>>,
    pub(crate) failure: RwLock<Option<AuditError>>,
    key: PublicKey,
    // Held for as long as the log is open, so that no second process writes it.
    _lock: File,
}

impl Shared {
    /// Lets go of a lock's poison: the guarded values are replaced whole, so they stay sound.
    pub(crate) fn offsets(&self) -> Vec<u64> {
        self.offsets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn fail(&self, cause: AuditError) {
        *self.failure.write().unwrap_or_else(PoisonError::into_inner) = Some(cause);
    }

    pub(crate) fn recover(&self) {
        *self.failure.write().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl AuditLog {
    /// Opens the log in this folder, makes it where it is absent, and refuses it where it is not
    /// the one that was signed. `name` is the log's name in its checkpoints.
    pub fn open(
        folder: &Path,
        name: &str,
        clock: Arc<dyn Clock>,
        entropy: &dyn Entropy,
    ) -> Result<Self, AuditError> {
        std::fs::create_dir_all(folder).map_err(|cause| AuditError::file(folder, &cause))?;
        let layout = Layout::new(folder);
        let lock = lock(&layout)?;
        let sealing = SealingKey::ensure(&layout.key(), name, entropy)?;
        let key = sealing.public();
        publish_key(&layout, &key)?;
        let sealed = layout.sealed(&key)?;
        let sealed_size = sealed.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let scan = scan(&layout.entries(), sealed.as_slice())?;
        if let Some(finding) = scan.findings.first() {
            return Err(AuditError::Altered {
                folder: folder.into(),
                finding: finding.clone(),
            });
        }
        let unsealed = scan.tree.size() - sealed_size;
        let torn = scan.torn;
        let mut offsets = scan.offsets;
        offsets.push(scan.end);
        let shared = Arc::new(Shared {
            layout,
            offsets: RwLock::new(offsets),
            failure: RwLock::new(None),
            key,
            _lock: lock,
        });
        let mut writer = Writer::open(Arc::clone(&shared), sealing, scan.tree, clock)?;
        if unsealed > 0 || torn > 0 {
            // Written here, since nobody may wait for the writer's thread where a runtime opens the log.
            writer.write(vec![Event::by_appliance(
                EventKind::AuditRecovered,
                serde_json::json!({ "unsealed_entries": unsealed, "torn_bytes": torn }),
            )])?;
        }
        let (jobs, writer) = writer.start();
        Ok(Self(Arc::new(Open {
            jobs: Some(jobs),
            writer: Some(writer),
            shared,
        })))
    }

    /// Logs an event. Returns once it is on the disk; an error means that it is not, and that
    /// whatever it was about must not happen.
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
        jobs.send(Job { event, done })
            .ok()
            .ok_or_else(|| self.closed())
    }

    fn closed(&self) -> AuditError {
        self.failure()
            .unwrap_or_else(|| AuditError::Stopped("the writer has ended".into()))
    }

    /// Why the log cannot be written, if it cannot.
    pub fn failure(&self) -> Option<AuditError> {
        self.0
            .shared
            .failure
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many entries it has.
    pub fn len(&self) -> u64 {
        self.0.shared.offsets().len().saturating_sub(1) as u64
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The log's folder.
    pub fn folder(&self) -> PathBuf {
        self.0.shared.layout.folder.clone()
    }

    /// The key that its checkpoints are checked with.
    pub fn public_key(&self) -> &PublicKey {
        &self.0.shared.key
    }

    /// The last signed checkpoint, as the note to keep elsewhere.
    pub fn checkpoint_note(&self) -> Result<String, AuditError> {
        let path = self.0.shared.layout.checkpoint();
        std::fs::read_to_string(&path).map_err(|cause| AuditError::file(&path, &cause))
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }
}

fn lock(layout: &Layout) -> Result<File, AuditError> {
    let path = layout.lock();
    let file = File::create(&path).map_err(|cause| AuditError::file(&path, &cause))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .ok()
        .ok_or_else(|| AuditError::InUse(layout.folder.clone()))?;
    Ok(file)
}

fn publish_key(layout: &Layout, key: &PublicKey) -> Result<(), AuditError> {
    let path = layout.public_key();
    std::fs::write(&path, format!("{key}\n")).map_err(|cause| AuditError::file(&path, &cause))
}

/// The outcome as it is counted and filtered.
impl Outcome {
    /// The outcome's name in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Denied => "denied",
        }
    }
}

//! The only thread that writes the log. Entries that arrive together share one flush to the disk.

use crate::checkpoint::{Checkpoint, CheckpointSigner};
use crate::error::AuditError;
use crate::event::{Entry, Event, EventKind};
use crate::merkle::{self, Hash, Tree};
use crate::state::{Receipt, SharedState};
use cloister_domain::{Clock, Timestamp, atomic_file};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// Maximum number of entries that share one flush: enough for a busy appliance, and few enough that
/// the first entry does not wait noticeably.
const MAX_BATCH: usize = 256;

/// A clock that is set back by less than this is being corrected, as NTP does all the time.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(1);

pub(crate) struct AppendRequest {
    pub event: Event,
    pub done: oneshot::Sender<Result<Receipt, AuditError>>,
}

pub(crate) struct LogWriter {
    shared: Arc<SharedState>,
    signer: CheckpointSigner,
    clock: Arc<dyn Clock>,
    tree: Tree,
    file: File,
    /// Where the last durable entry ends.
    end: u64,
    /// The time of the last entry. No later entry is dated before it.
    last_at: Timestamp,
    /// Whether the clock is behind the last entry, and this was logged.
    is_behind: bool,
    stopped: bool,
}

impl LogWriter {
    pub(crate) fn open(
        shared: Arc<SharedState>,
        signer: CheckpointSigner,
        tree: Tree,
        last_at: Option<Timestamp>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuditError> {
        let path = shared.files.entries();
        let failed = |cause: std::io::Error| AuditError::file(&path, &cause);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let end = shared.offsets.read().last().copied().unwrap_or(0);
        let mut writer = Self {
            shared,
            signer,
            clock,
            tree,
            file,
            end,
            last_at: last_at.unwrap_or(Timestamp::from_millis(i64::MIN)),
            is_behind: false,
            stopped: false,
        };
        // Removes an incomplete entry. It was never acknowledged.
        writer.rewind().map_err(failed)?;
        writer.file.sync_all().map_err(failed)?;
        writer.write_checkpoint()?;
        Ok(writer)
    }

    /// Starts the thread. It ends when the last sender is dropped.
    pub(crate) fn start(mut self) -> (mpsc::Sender<AppendRequest>, JoinHandle<()>) {
        let (jobs, queue) = mpsc::channel::<AppendRequest>();
        let writer = std::thread::spawn(move || {
            while let Ok(first) = queue.recv() {
                let mut batch = vec![first];
                batch.extend(queue.try_iter().take(MAX_BATCH - 1));
                self.commit(batch);
            }
        });
        (jobs, writer)
    }

    fn commit(&mut self, batch: Vec<AppendRequest>) {
        let (events, waiting): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|job| (job.event, job.done)).unzip();
        match self.write(events) {
            Ok(first) => {
                for (seq, done) in (first..).zip(waiting) {
                    // The caller may have gone. The entry is valid regardless.
                    drop(done.send(Ok(Receipt { seq })));
                }
            }
            Err(cause) => {
                tracing::error!(%cause, "the audit log was not written: {cause}");
                self.shared.fail(cause.clone());
                for done in waiting {
                    drop(done.send(Err(cause.clone())));
                }
            }
        }
    }

    /// Makes all events durable, or none. Returns the position of the first.
    pub(crate) fn write(&mut self, events: Vec<Event>) -> Result<u64, AuditError> {
        if let Some(step) = self.notice_clock_set_back() {
            self.write_entries(vec![step])?;
        }
        self.write_entries(events)
    }

    /// What is logged once if the clock was set back.
    fn notice_clock_set_back(&mut self) -> Option<Event> {
        let now = self.clock.now();
        let step = self.last_at.since(now);
        let was_behind = std::mem::replace(&mut self.is_behind, step > CLOCK_TOLERANCE);
        (self.is_behind && !was_behind).then(|| {
            Event::by_appliance(
                EventKind::ClockStepped,
                serde_json::json!({ "clock": now, "last_entry": self.last_at }),
            )
        })
    }

    fn write_entries(&mut self, events: Vec<Event>) -> Result<u64, AuditError> {
        if self.stopped {
            return Err(AuditError::Stopped("an earlier write failed".into()));
        }
        let first = self.tree.size();
        // If the clock was set back, the time stands still until the clock has caught up.
        let at = self.clock.now().max(self.last_at);
        let mut bytes = Vec::new();
        let mut leaves: Vec<(Hash, u64)> = Vec::with_capacity(events.len());
        let mut requests = Vec::new();
        for (seq, event) in (first..).zip(events) {
            requests.push((event.request.clone(), seq));
            let line = serde_json::to_vec(&Entry::new(event, seq, at))
                .map_err(|cause| AuditError::Stopped(cause.to_string()))?;
            leaves.push((merkle::leaf(&line), line.len() as u64 + 1));
            bytes.extend(line);
            bytes.push(b'\n');
        }
        self.append(&bytes)?;
        self.last_at = at;
        self.accept(&leaves);
        let mut index = self.shared.requests.write();
        for (request, seq) in requests {
            index.insert(request.as_deref(), seq);
        }
        drop(index);
        self.write_checkpoint()?;
        self.shared.recover();
        Ok(first)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let path = self.shared.files.entries();
        if let Err(cause) = self.file.write_all(bytes) {
            let cause = AuditError::file(&path, &cause);
            // Nothing was acknowledged, so the incomplete entry can be removed. A later attempt may
            // find space on the disk.
            if self.rewind().is_err() {
                self.stopped = true;
            }
            return Err(cause);
        }
        self.file.sync_data().map_err(|cause| {
            // After a failed flush, the kernel may drop the pages and report the next flush as
            // successful (Rebello et al., ATC 2020), so there must be no next flush.
            self.stopped = true;
            AuditError::Stopped(cause.to_string())
        })
    }

    fn accept(&mut self, leaves: &[(Hash, u64)]) {
        let mut offsets = self.shared.offsets.write();
        for (leaf, length) in leaves {
            self.tree.push(*leaf);
            self.end += length;
            offsets.push(self.end);
        }
    }

    fn rewind(&mut self) -> std::io::Result<()> {
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end)).map(drop)
    }

    /// Signs the current size and root.
    fn write_checkpoint(&mut self) -> Result<(), AuditError> {
        let note = self
            .signer
            .sign(&Checkpoint::from_tree(self.signer.name(), &self.tree));
        let path = self.shared.files.checkpoint();
        // Flushed: a log whose checkpoint is empty or missing after a power cut would not open.
        atomic_file::write(&path, note.as_bytes()).map_err(|cause| AuditError::file(&path, &cause))
    }
}

//! The one thread that writes the log. Entries that arrive together share one flush to the disk.

use crate::checkpoint::{Checkpoint, SealingKey};
use crate::error::AuditError;
use crate::event::{Entry, Event};
use crate::log::{Receipt, Shared};
use crate::merkle::{self, Hash, Tree};
use cloister_domain::Clock;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, PoisonError, mpsc};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// Entries that share one flush, at most: enough to keep up with a full house, few enough that
/// the first of them does not wait noticeably.
const GROUP: usize = 256;

pub(crate) struct Job {
    pub event: Event,
    pub done: oneshot::Sender<Result<Receipt, AuditError>>,
}

pub(crate) struct Writer {
    shared: Arc<Shared>,
    sealing: SealingKey,
    clock: Arc<dyn Clock>,
    tree: Tree,
    file: File,
    /// Where the last durable entry ends.
    end: u64,
    stopped: bool,
}

impl Writer {
    pub(crate) fn open(
        shared: Arc<Shared>,
        sealing: SealingKey,
        tree: Tree,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuditError> {
        let path = shared.layout.entries();
        let failed = |cause: std::io::Error| AuditError::file(&path, &cause);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let end = shared.offsets().last().copied().unwrap_or(0);
        let mut writer = Self {
            shared,
            sealing,
            clock,
            tree,
            file,
            end,
            stopped: false,
        };
        // Drops an entry whose writing was broken off: it was never acknowledged.
        writer.rewind().map_err(failed)?;
        writer.file.sync_all().map_err(failed)?;
        writer.seal()?;
        Ok(writer)
    }

    /// Begins to write. The thread ends when the last sender is gone.
    pub(crate) fn start(mut self) -> (mpsc::Sender<Job>, JoinHandle<()>) {
        let (jobs, queue) = mpsc::channel::<Job>();
        let writer = std::thread::spawn(move || {
            while let Ok(first) = queue.recv() {
                let mut group = vec![first];
                group.extend(queue.try_iter().take(GROUP - 1));
                self.commit(group);
            }
        });
        (jobs, writer)
    }

    fn commit(&mut self, group: Vec<Job>) {
        let (events, waiting): (Vec<_>, Vec<_>) =
            group.into_iter().map(|job| (job.event, job.done)).unzip();
        match self.write(events) {
            Ok(first) => {
                for (seq, done) in (first..).zip(waiting) {
                    // Who asked may have left; the entry stands all the same.
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

    /// Makes the events durable, all or none, and returns the place of the first.
    pub(crate) fn write(&mut self, events: Vec<Event>) -> Result<u64, AuditError> {
        if self.stopped {
            return Err(AuditError::Stopped("an earlier write failed".into()));
        }
        let first = self.tree.size();
        let at = self.clock.now();
        let mut bytes = Vec::new();
        let mut leaves: Vec<(Hash, u64)> = Vec::with_capacity(events.len());
        for (seq, event) in (first..).zip(events) {
            let line = serde_json::to_vec(&Entry::new(event, seq, at))
                .map_err(|cause| AuditError::Stopped(cause.to_string()))?;
            leaves.push((merkle::leaf(&line), line.len() as u64 + 1));
            bytes.extend(line);
            bytes.push(b'\n');
        }
        self.append(&bytes)?;
        self.accept(&leaves);
        self.seal()?;
        self.shared.recover();
        Ok(first)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let path = self.shared.layout.entries();
        if let Err(cause) = self.file.write_all(bytes) {
            let cause = AuditError::file(&path, &cause);
            // Nothing was acknowledged, so the half that was written can go, and a later try may
            // find room.
            if self.rewind().is_err() {
                self.stopped = true;
            }
            return Err(cause);
        }
        self.file.sync_data().map_err(|cause| {
            // After a failed flush the kernel may drop the pages and call the next one a success
            // (Rebello et al., ATC 2020), so there is no next one.
            self.stopped = true;
            AuditError::Stopped(cause.to_string())
        })
    }

    fn accept(&mut self, leaves: &[(Hash, u64)]) {
        let mut offsets = self
            .shared
            .offsets
            .write()
            .unwrap_or_else(PoisonError::into_inner);
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

    /// Signs the present size and root.
    fn seal(&mut self) -> Result<(), AuditError> {
        let note = self
            .sealing
            .seal(&Checkpoint::of(self.sealing.name(), &self.tree));
        let path = self.shared.layout.checkpoint();
        replace(&path, note.as_bytes()).map_err(|cause| AuditError::file(&path, &cause))
    }
}

/// Replaces a file as a whole. Not flushed: a checkpoint that a power cut takes back only leaves
/// entries unsealed, which the next start seals and says so.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension("new");
    std::fs::write(&aside, bytes)?;
    std::fs::rename(&aside, path)
}

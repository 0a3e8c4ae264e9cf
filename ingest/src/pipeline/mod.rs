//! The life of a file: seen, settled, hashed, read in a child, cut, embedded, published in one
//! transaction, followed by the index.
//!
//! Each step leaves a row that says how far it came, so that a kill at any moment loses nothing:
//! the next start takes the file up again, and what was published is published once.

mod follow;
mod notice;
mod work;

pub use follow::{catch_up, rebuild};

use crate::chunk::{ChunkSettings, TokenCounter};
use crate::limits::Limits;
use crate::reader::Reader;
use cloister_audit::AuditLog;
use cloister_domain::Clock;
use cloister_index::Index;
use cloister_inference::EmbedderService;
use cloister_store::{FileState, Store, StoreError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

/// What ingestion works with.
#[derive(Clone)]
pub struct Parts {
    /// Rows and original files.
    pub store: Store,
    /// The audit log.
    pub audit: AuditLog,
    /// The index that follows the rows.
    pub index: Arc<Index>,
    /// What turns passages into vectors.
    pub embedder: EmbedderService,
    /// What reads files, in processes of their own.
    pub reader: Arc<Reader>,
    /// Tells the hour.
    pub clock: Arc<dyn Clock>,
}

/// How ingestion works.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder that is watched.
    pub inbox: PathBuf,
    /// A file is taken once its size and date have stood still for this long.
    pub stable: Duration,
    /// The folder is looked through this often, notices or not.
    pub scan_every: Duration,
    /// What one file may cost.
    pub limits: Limits,
    /// How passages are cut.
    pub passages: ChunkSettings,
}

/// Takes in what lies in the inbox.
pub struct Ingestion {
    parts: Parts,
    settings: Settings,
    /// Rung when there may be work.
    work: Arc<Notify>,
    /// Held while the index follows, so that it follows once.
    following: Mutex<()>,
}

/// What stops the ingestion itself; what is wrong with one file is in that file's row.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The database or the disk.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index.
    #[error(transparent)]
    Index(#[from] cloister_index::IndexError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] cloister_audit::AuditError),
    /// The embedder.
    #[error(transparent)]
    Inference(#[from] cloister_inference::InferenceError),
    /// The inbox.
    #[error("the inbox `{0}` cannot be looked through: {1}. Nothing is removed meanwhile")]
    Inbox(PathBuf, std::io::Error),
    /// The reader could not be started or confined: no fault of the file.
    #[error(transparent)]
    Reader(#[from] crate::error::Quarantine),
    /// A task of ours ended early.
    #[error("a step of the reading broke off: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

impl Ingestion {
    /// Ingestion with these parts. `work` wakes it.
    pub fn new(parts: Parts, settings: Settings, work: Arc<Notify>) -> Self {
        Self {
            parts,
            settings,
            work,
            following: Mutex::new(()),
        }
    }

    /// Watches the inbox and takes in what comes, for as long as the appliance runs. A fault is
    /// logged and tried again: the disk may have been full, a network share away. Ringing `look`
    /// has the inbox looked through at once.
    pub async fn watch(&self, look: Arc<Notify>) {
        self.resume().await;
        tokio::join!(self.notice_forever(look), self.work_forever());
    }

    /// Takes in what lies in the inbox now, and returns when all of it is ready or set aside.
    /// `progress` is told how many files are settled out of how many.
    pub async fn take_in(&self, mut progress: impl FnMut(u64, u64)) -> Result<(), IngestError> {
        self.parts
            .store
            .release_all_files(self.parts.clock.now())
            .await?;
        self.follow().await?;
        let mut seen = notice::Seen::default();
        self.notice(&mut seen, Duration::ZERO).await?;
        loop {
            let (settled, all) = self.count().await?;
            progress(settled, all);
            if !self.work_once().await? {
                return Ok(());
            }
        }
    }

    async fn resume(&self) {
        let now = self.parts.clock.now();
        if let Err(cause) = self.parts.store.release_all_files(now).await {
            tracing::error!(%cause, "files could not be taken up again: {cause}");
        }
        if let Err(cause) = self.follow().await {
            tracing::error!(%cause, "the index does not follow: {cause}");
        }
    }

    async fn follow(&self) -> Result<(), IngestError> {
        let _only = self.following.lock().await;
        let now = self.parts.clock.now();
        catch_up(&self.parts.store, &self.parts.index, now).await
    }

    async fn count(&self) -> Result<(u64, u64), IngestError> {
        let tally = self.parts.store.tally_files().await?;
        let done = |state| matches!(state, FileState::Ready | FileState::Quarantined);
        let settled = tally
            .iter()
            .filter(|t| done(t.state))
            .map(|t| t.files)
            .sum();
        Ok((settled, tally.iter().map(|t| t.files).sum()))
    }
}

/// A passage is measured with the embedder's own tokens.
impl TokenCounter for EmbedderService {
    fn count(&self, text: &str) -> usize {
        self.count_tokens(text)
    }
}

//! The life of a file: seen, settled, hashed, read in a child, cut, embedded, published in one
//! transaction, followed by the index.
//!
//! Each step leaves a row that says how far it came, so that a kill at any moment loses nothing:
//! the next start takes the file up again, and what was published is published once.

mod finding;
mod follow;
mod meter;
mod notice;
mod reembed;
mod work;

pub use finding::{Finder, Finding, Renewal};
pub use follow::{catch_up, rebuild};
pub use meter::{Meter, Pace, Stage};

use crate::chunk::{ChunkSettings, TokenCounter};
use crate::known::KnownQuestion;
use crate::limits::Limits;
use crate::reader::Reader;
use cloister_audit::AuditLog;
use cloister_domain::Clock;
use cloister_index::Worse;
use cloister_inference::EmbedderService;
use cloister_store::{FileState, FileTally, Store, StoreError};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

/// More files at once only cost memory.
const MOST_WORKERS: usize = 6;

/// What ingestion works with.
#[derive(Clone)]
pub struct Parts {
    /// Rows and original files.
    pub store: Store,
    /// The audit log.
    pub audit: AuditLog,
    /// What turns passages into vectors, and the index that follows the rows.
    pub finding: Arc<Finding>,
    /// What reads files, in processes of their own.
    pub reader: Arc<Reader>,
    /// Tells the hour.
    pub clock: Arc<dyn Clock>,
    /// Tells the pace.
    pub meter: Arc<Meter>,
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
    /// Whether another model comes into use whose index finds less than the one that answers.
    pub another_model: Worse,
    /// Questions of the site, by which another model is compared with the one that answers.
    pub questions: Vec<KnownQuestion>,
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
    /// A folder of an index.
    #[error("the folder `{0}` cannot be used: {1}")]
    Folder(PathBuf, std::io::Error),
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
        let work = (0..workers()).map(|_| self.work_forever());
        tokio::join!(
            self.notice_forever(look),
            self.renew_forever(),
            futures_util::future::join_all(work)
        );
    }

    /// Takes in what lies in the inbox now, and returns when all of it is ready or set aside, and each
    /// passage has the vector of the model that is wanted. `progress` is told how far the files are.
    pub async fn take_in(
        &self,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<(), IngestError> {
        self.parts
            .store
            .release_all_files(self.parts.clock.now())
            .await?;
        self.follow().await?;
        let mut seen = notice::Seen::default();
        self.notice(&mut seen, Duration::ZERO).await?;
        let progress = Mutex::new(&mut progress);
        let work = || async {
            loop {
                let so_far = self.progress().await?;
                progress.lock().await(so_far);
                if !self.work_once().await? {
                    return Ok::<(), IngestError>(());
                }
            }
        };
        futures_util::future::try_join_all((0..workers()).map(|_| work())).await?;
        self.renew().await
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
        let index = self.parts.finding.now().index;
        catch_up(&self.parts.store, &index, now).await
    }

    async fn progress(&self) -> Result<Progress, IngestError> {
        let tally = self.parts.store.tally_files().await?;
        Ok(Progress::of(&tally, &self.parts.meter, &*self.parts.clock))
    }
}

/// How far the inbox is taken in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Files that are searchable or set aside.
    pub settled: u64,
    /// All files.
    pub all: u64,
    /// How fast it goes, while it does.
    pub pace: Option<Pace>,
}

impl Progress {
    /// From how many files are in which state.
    pub fn of(tally: &[FileTally], meter: &Meter, clock: &dyn Clock) -> Self {
        let is_settled =
            |t: &&FileTally| matches!(t.state, FileState::Ready | FileState::Quarantined);
        let all = tally.iter().map(|t| t.files).sum();
        let settled: Vec<&FileTally> = tally.iter().filter(is_settled).collect();
        let bytes: u64 = tally.iter().map(|t| t.bytes).sum();
        let bytes_done: u64 = settled.iter().map(|t| t.bytes).sum();
        Self {
            settled: settled.iter().map(|t| t.files).sum(),
            all,
            pace: meter.pace(clock, bytes - bytes_done),
        }
    }
}

/// Files that are worked on at once: while the passages of one are embedded, others are read.
fn workers() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors + 1).min(MOST_WORKERS)
}

/// A passage is measured with the embedder's own tokens.
impl TokenCounter for EmbedderService {
    fn count(&self, text: &str) -> usize {
        self.count_tokens(text)
    }
}

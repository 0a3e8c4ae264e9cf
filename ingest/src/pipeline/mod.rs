//! The ingestion pipeline. A file is found, stays unchanged for a while, is hashed, read in a child
//! process, divided into passages, and embedded. One transaction publishes it, and the index
//! follows.
//!
//! Each step leaves a row that records its progress, so a crash at any moment loses nothing: the
//! next start resumes the file, and every file is published exactly once.

mod active_index;
mod file_steps;
mod index_follower;
mod meter;
mod progress;
mod reembed;
mod scan;
mod worker;

pub use active_index::{ActiveIndex, IndexSet, Reembedding};
pub use index_follower::{catch_up, rebuild};
pub use meter::{Meter, Stage, Throughput, WorkDone};
pub use progress::Progress;

use crate::chunk::{ChunkSettings, CountTokens};
use crate::error::IngestError;
use crate::golden_questions::GoldenQuestion;
use crate::limits::Limits;
use crate::reader::Reader;
use cloister_audit::AuditLog;
use cloister_domain::Clock;
use cloister_index::Regression;
use cloister_inference::EmbedderService;
use cloister_store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

/// More files at once would only cost memory.
const MAX_WORKERS: usize = 6;

/// The services that ingestion uses.
#[derive(Clone)]
pub struct IngestServices {
    /// Rows and original files.
    pub store: Store,
    /// The audit log.
    pub audit: AuditLog,
    /// The embedder, and the index that follows the rows.
    pub active_index: Arc<ActiveIndex>,
    /// Reads files in child processes.
    pub reader: Arc<Reader>,
    /// The current time.
    pub clock: Arc<dyn Clock>,
    /// Measures throughput.
    pub meter: Arc<Meter>,
}

/// The settings of ingestion.
#[derive(Clone, Debug)]
pub struct IngestSettings {
    /// The folder that is watched.
    pub inbox: PathBuf,
    /// A file is ingested when its size and modification time have not changed for this long.
    pub stable: Duration,
    /// How often the inbox is scanned if no file-system event arrives.
    pub scan_every: Duration,
    /// Limits for reading one file.
    pub limits: Limits,
    /// How pages are divided into passages.
    pub passages: ChunkSettings,
    /// Whether a new embedder is used even if its index finds less than the current one.
    pub another_model: Regression,
    /// The site's golden questions, by which a new embedder is compared with the current one.
    pub questions: Vec<GoldenQuestion>,
}

/// Ingests the files in the inbox.
pub struct Ingestion {
    services: IngestServices,
    settings: IngestSettings,
    /// Notified when there may be work.
    work: Arc<Notify>,
    /// Held while the index is updated, so that only one task updates it.
    following: Mutex<()>,
}

impl Ingestion {
    /// Ingestion with these services. Notifying `work` wakes a worker.
    pub fn new(services: IngestServices, settings: IngestSettings, work: Arc<Notify>) -> Self {
        Self {
            services,
            settings,
            work,
            following: Mutex::new(()),
        }
    }

    /// Watches the inbox and ingests files, as long as the appliance runs. Errors are logged, and
    /// the failed step is tried again later: the disk may have been full, or a network share
    /// unavailable. Notifying `scan_now` starts a scan.
    pub async fn run(&self, scan_now: Arc<Notify>) {
        self.resume().await;
        let workers = (0..worker_count()).map(|_| self.work_forever());
        tokio::join!(
            self.scan_forever(scan_now),
            self.reembed_forever(),
            futures_util::future::join_all(workers)
        );
    }

    /// Ingests the files that the inbox contains now. Returns when every file is ready or
    /// quarantined, and every passage has a vector of the wanted embedder. `progress` is called
    /// with the number of files processed so far.
    pub async fn run_once(
        &self,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<(), IngestError> {
        let now = self.services.clock.now();
        self.services.store.release_all_files(now).await?;
        self.follow().await?;
        let mut state = scan::ScanState::default();
        self.scan(&mut state, Duration::ZERO).await?;
        let progress = Mutex::new(&mut progress);
        let worker = || async {
            loop {
                let so_far = self.progress().await?;
                progress.lock().await(so_far);
                if !self.work_once().await? {
                    return Ok::<(), IngestError>(());
                }
            }
        };
        futures_util::future::try_join_all((0..worker_count()).map(|_| worker())).await?;
        self.reembed().await
    }

    async fn resume(&self) {
        let now = self.services.clock.now();
        if let Err(cause) = self.services.store.release_all_files(now).await {
            tracing::error!(%cause, "interrupted files could not be resumed: {cause}");
        }
        if let Err(cause) = self.follow().await {
            tracing::error!(%cause, "the index could not be updated: {cause}");
        }
    }

    /// Brings the index up to date.
    async fn follow(&self) -> Result<(), IngestError> {
        let _guard = self.following.lock().await;
        let now = self.services.clock.now();
        let index = self.services.active_index.current().index;
        catch_up(&self.services.store, &index, now).await
    }

    async fn progress(&self) -> Result<Progress, IngestError> {
        let counts = self.services.store.count_files_by_state().await?;
        Ok(Progress::from_counts(
            &counts,
            &self.services.meter,
            &*self.services.clock,
        ))
    }
}

/// Number of files that are ingested at once: while one is embedded, others are read.
fn worker_count() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors + 1).min(MAX_WORKERS)
}

/// The length of a passage is measured in the embedder's own tokens.
impl CountTokens for EmbedderService {
    fn count(&self, text: &str) -> usize {
        self.count_tokens(text)
    }
}

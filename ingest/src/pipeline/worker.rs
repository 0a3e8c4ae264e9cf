//! The workers: each takes one file from the queue and ingests it.

use super::Ingestion;
use super::file_steps::name_previous_place;
use super::index_follower::rebuild_in_background;
use super::meter::{Stage, WorkDone};
use crate::error::IngestError;
use crate::quarantine::Quarantine;
use crate::reader::Extraction;
use cloister_audit::{Event, EventKind, Outcome};
use cloister_domain::{Day, FileHash};
use cloister_index::Regression;
use cloister_store::{FileRecord, NewRevision, StoreError};
use cloister_text::Language;
use cloister_text::dates::{CalendarDay, stated_effective};
use serde_json::json;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// A worker renews the lease of its file more often than this.
pub(super) const LEASE: Duration = Duration::from_mins(2);
/// How long to wait after an error that is not the file's fault, such as a full disk.
const RETRY_DELAY: Duration = Duration::from_secs(5);
/// A file is quarantined after this many interrupted attempts, even if it is not at fault.
const MAX_ATTEMPTS: u32 = 5;

/// Why a file was not published.
pub(super) enum IngestFailure {
    /// The file is at fault.
    File(Quarantine),
    /// The appliance is at fault. The file is tried again later.
    Appliance(IngestError),
    /// The file cannot be opened now. What it said before answers on, and it is tried again.
    Locked(String),
    /// The file changed or was removed. There is nothing to do.
    Gone,
}

impl From<Quarantine> for IngestFailure {
    fn from(cause: Quarantine) -> Self {
        if cause.is_ours() {
            Self::Appliance(cause.into())
        } else {
            Self::File(cause)
        }
    }
}

impl From<IngestError> for IngestFailure {
    fn from(cause: IngestError) -> Self {
        Self::Appliance(cause)
    }
}

impl From<StoreError> for IngestFailure {
    fn from(cause: StoreError) -> Self {
        Self::Appliance(cause.into())
    }
}

impl From<cloister_inference::InferenceError> for IngestFailure {
    fn from(cause: cloister_inference::InferenceError) -> Self {
        Self::Appliance(cause.into())
    }
}

impl From<tokio::task::JoinError> for IngestFailure {
    fn from(cause: tokio::task::JoinError) -> Self {
        Self::Appliance(cause.into())
    }
}

impl Ingestion {
    pub(super) async fn work_forever(&self) {
        loop {
            match self.work_once().await {
                Ok(true) => {}
                Ok(false) => {
                    // The timeout only serves to find files whose lease expired.
                    drop(tokio::time::timeout(LEASE, self.work.notified()).await);
                }
                Err(cause) => {
                    tracing::error!(%cause, "ingestion pauses: {cause}");
                    tokio::time::sleep(RETRY_DELAY).await;
                }
            }
        }
    }

    /// Ingests the next file. Returns whether there was one.
    pub(super) async fn work_once(&self) -> Result<bool, IngestError> {
        let store = &self.services.store;
        if store.ingestion_paused().await? {
            return Ok(false);
        }
        let now = self.services.clock.now();
        let Some(file) = store.lease_file(now, LEASE).await? else {
            return Ok(false);
        };
        // There may be more files, so another worker checks the queue.
        self.work.notify_one();
        self.record_done(WorkDone::default());
        let hash = OnceLock::new();
        let outcome = self.ingest_file(&file, &hash).await;
        self.finish_file(&file, hash.get(), outcome).await?;
        self.record_done(WorkDone {
            bytes: file.size,
            ..WorkDone::default()
        });
        Ok(true)
    }

    /// Quarantines or releases a file that was not published.
    async fn finish_file(
        &self,
        file: &FileRecord,
        hash: Option<&FileHash>,
        outcome: Result<(), IngestFailure>,
    ) -> Result<(), IngestError> {
        match outcome {
            Ok(()) | Err(IngestFailure::Gone) => Ok(()),
            Err(IngestFailure::File(reason)) if self.is_plain_picture(file, &reason) => {
                let now = self.services.clock.now();
                Ok(self.services.store.leave_out_picture(file.id, now).await?)
            }
            Err(IngestFailure::Locked(reason)) => self.quarantine(file, hash, &reason).await,
            Err(IngestFailure::File(reason)) => {
                self.quarantine(file, hash, &reason.to_string()).await
            }
            // The file is read again with the embedder that was activated in the meantime.
            Err(IngestFailure::Appliance(IngestError::Store(StoreError::EmbedderChanged))) => {
                self.release(file).await
            }
            Err(IngestFailure::Appliance(cause)) if file.attempts >= MAX_ATTEMPTS => {
                let reason = format!("reading was interrupted: {cause}");
                self.quarantine(file, hash, &reason).await
            }
            Err(IngestFailure::Appliance(cause)) => {
                self.release(file).await?;
                Err(cause)
            }
        }
    }

    /// Whether a file is a picture of another document, and text recognition found no text in it: a
    /// photograph, of which an administrator needs to know nothing.
    fn is_plain_picture(&self, file: &FileRecord, reason: &Quarantine) -> bool {
        const ENDINGS: [&str; 7] = ["png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff"];
        let ending = Path::new(&file.path).extension();
        let ending = ending.map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        file.parent.is_some()
            && self.services.reader.ocr().is_some()
            && reason.is_blank()
            && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
    }

    /// Takes one file through all steps. `known_hash` is set as soon as the file is hashed.
    async fn ingest_file(
        &self,
        file: &FileRecord,
        known_hash: &OnceLock<FileHash>,
    ) -> Result<(), IngestFailure> {
        let started = self.services.clock.now();
        let collection = self.collection_name(file).await?;
        let (hash, size) = self.store_original(file, &collection).await?;
        drop(known_hash.set(hash.clone()));
        if self.match_known_content(file, &hash, &collection).await? {
            return Ok(());
        }
        let reading = self.extract_file(file, &hash);
        let mut extraction = self.timed(Stage::Reading, reading).await?;
        let folder_metadata = file.metadata.clone();
        let own_metadata = std::mem::take(&mut extraction.info.metadata);
        extraction.info.metadata = folder_metadata.or(own_metadata);
        if let Some(title) = &extraction.info.metadata.title {
            extraction.info.title.clone_from(title);
        }
        extraction.info.stated_effective = stated_effective_day(&extraction);
        let attachments = self.store_attachments(file, &mut extraction).await?;
        let embedder = self.services.active_index.current().embedder;
        let passages = self.embed(file, &extraction, &embedder).await?;
        let took = self.services.clock.now().since(started).as_millis();
        let revision = NewRevision {
            file: file.id,
            hash,
            size,
            info: extraction.info,
            pages: extraction.pages,
            passages,
            attachments,
            metadata: file.metadata.clone(),
            embedder: embedder.identity().sha256,
            took_ms: u64::try_from(took).unwrap_or(u64::MAX),
        };
        self.publish(file, &collection, &revision).await
    }

    async fn collection_name(&self, file: &FileRecord) -> Result<String, IngestFailure> {
        let collections = self.services.store.collections().await?;
        collections
            .into_iter()
            .find(|collection| collection.id == file.collection)
            .map(|collection| collection.name)
            .ok_or(IngestFailure::Gone)
    }

    async fn publish(
        &self,
        file: &FileRecord,
        collection: &str,
        revision: &NewRevision,
    ) -> Result<(), IngestFailure> {
        let now = self.services.clock.now();
        let from = self
            .services
            .store
            .removed_copy(file.id, &revision.hash)
            .await?;
        let storing = self.services.store.publish(revision, now);
        let id = self.timed(Stage::Storing, storing).await?;
        let id = id.ok_or(IngestFailure::Gone)?;
        if !revision.attachments.is_empty() {
            self.work.notify_one();
        }
        let mut detail = json!({
            "collection": collection, "path": file.path, "hash": revision.hash,
            "revision": id, "pages": revision.pages.len(), "passages": revision.passages.len(),
            "warnings": revision.info.warnings, "inside": revision.attachments.len(),
        });
        // A file that was moved to another collection is a new document there.
        if let Some(from) = from {
            name_previous_place(&mut detail, &from);
        }
        self.log(EventKind::DocumentPublished, Outcome::Success, detail)
            .await?;
        self.timed(Stage::Indexing, self.follow()).await?;
        Ok(())
    }

    async fn quarantine(
        &self,
        file: &FileRecord,
        hash: Option<&FileHash>,
        reason: &str,
    ) -> Result<(), IngestError> {
        let now = self.services.clock.now();
        self.services
            .store
            .quarantine_file(file.id, hash, reason, now)
            .await?;
        let detail = json!({ "path": file.path, "hash": hash, "reason": reason });
        self.log(EventKind::DocumentQuarantined, Outcome::Failure, detail)
            .await
    }

    pub(super) async fn release(&self, file: &FileRecord) -> Result<(), IngestError> {
        let now = self.services.clock.now();
        Ok(self.services.store.release_file(file.id, now).await?)
    }

    pub(super) fn record_done(&self, done: WorkDone) {
        self.services.meter.record(&*self.services.clock, done);
    }

    pub(super) async fn timed<T>(&self, stage: Stage, step: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let outcome = step.await;
        self.services
            .meter
            .record_duration(stage, started.elapsed());
        outcome
    }

    pub(super) async fn log(
        &self,
        kind: EventKind,
        outcome: Outcome,
        detail: serde_json::Value,
    ) -> Result<(), IngestError> {
        let event = Event {
            outcome,
            ..Event::by_appliance(kind, detail)
        };
        self.services.audit.append(event).await?;
        Ok(())
    }

    /// Makes restored documents searchable again. Their passages precede the index's sequence
    /// number, so following does not add them. Usually the index still contains them; otherwise it
    /// is rebuilt.
    pub(super) async fn index_restored(&self) -> Result<(), IngestError> {
        let _guard = self.following.lock().await;
        let now = self.services.clock.now();
        let index = self.services.active_index.current().index;
        let indexed = index.revisions();
        let live = self.services.store.revisions_live_since(now).await?;
        if live
            .iter()
            .all(|revision| indexed.binary_search(revision).is_ok())
        {
            return Ok(());
        }
        rebuild_in_background(&self.services.store, &index, now, Regression::Refused).await
    }
}

/// Bytes at the beginning of a document in which it says since when it is in force.
const MAX_STATEMENT_BYTES: usize = 3000;

/// The day since which a document is in force, by the words of its first page.
fn stated_effective_day(extraction: &Extraction) -> Option<Day> {
    let text = &extraction.pages.first()?.content.text;
    let start = text.get(..text.floor_char_boundary(MAX_STATEMENT_BYTES))?;
    let language = Language::from_code(extraction.info.language.as_deref());
    let CalendarDay { year, month, day } = stated_effective(start, language)?;
    Day::try_from(format!("{year:04}-{month:02}-{day:02}")).ok()
}

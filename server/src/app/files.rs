//! The files of the inbox: their progress, and why a file could not be read.

use super::error::{ErrorCode, Result};
use super::{App, Caller};
use cloister_audit::EventKind;
use cloister_domain::{CollectionId, FileId, LossKind, OmissionKind, ReadingAccount};
use cloister_ingest::{Progress, Throughput};
use cloister_store::{FileCount, FileRecord, FileState, ReadingCounts};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// Files in a page of the list.
const PAGE_SIZE: u32 = 200;

/// A file of the inbox.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FileView {
    /// The id.
    pub id: i64,
    /// The id of its collection.
    pub collection: i64,
    /// The path in the collection.
    pub path: String,
    /// `waiting`, `reading`, `embedding`, `ready`, `quarantined`.
    pub state: String,
    /// The size in bytes.
    pub size: u64,
    /// Pages read or passages embedded so far.
    pub done: u32,
    /// The total of them. 0 if it is not known yet.
    pub total: u32,
    /// Why it is quarantined, and what to do.
    pub reason: Option<String>,
    /// Warnings about how it was read: skipped pages, pages from text recognition.
    pub warnings: Vec<String>,
    /// Whether a part of it could not be read.
    #[serde(default)]
    pub incomplete: bool,
    /// What could not be read, by kind.
    #[serde(default)]
    pub not_understood: Vec<ReadingCountView>,
    /// What was left out on purpose, by kind.
    #[serde(default)]
    pub left_out: Vec<ReadingCountView>,
    /// The time of the last change, RFC 3339.
    pub updated_at: String,
    /// Milliseconds from the start of reading until it was searchable.
    pub took_ms: Option<u64>,
}

impl From<FileRecord> for FileView {
    fn from(file: FileRecord) -> Self {
        Self {
            id: file.id.0,
            collection: file.collection.0,
            path: file.path,
            state: file.state.as_str().to_owned(),
            size: file.size,
            done: file.done,
            total: file.total,
            reason: file.reason,
            warnings: Vec::new(),
            incomplete: false,
            not_understood: Vec::new(),
            left_out: Vec::new(),
            updated_at: file.updated_at.to_string(),
            took_ms: file.took_ms,
        }
    }
}

impl FileView {
    fn with_reading(self, warnings: Vec<String>, account: ReadingAccount) -> Self {
        let incomplete = account.is_incomplete();
        let lost = account.not_understood.into_iter();
        let left_out = account.left_out.into_iter();
        Self {
            warnings,
            incomplete,
            not_understood: lost
                .map(|(kind, count)| ReadingCountView::of_loss((kind, u64::from(count))))
                .collect(),
            left_out: left_out
                .map(|(kind, count)| ReadingCountView::of_omission((kind, u64::from(count))))
                .collect(),
            ..self
        }
    }
}

/// A kind of content that was left out or could not be read, and how often.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadingCountView {
    /// The kind: `sheet`, `hidden-text`.
    pub kind: String,
    /// What it is called, in the plural: `sheets`.
    pub label: String,
    /// How often it was found in a file, or in how many files.
    pub count: u64,
}

impl ReadingCountView {
    fn of_omission((kind, count): (OmissionKind, u64)) -> Self {
        Self {
            kind: kind.name().to_owned(),
            label: kind.label().to_owned(),
            count,
        }
    }

    fn of_loss((kind, count): (LossKind, u64)) -> Self {
        Self {
            kind: kind.name().to_owned(),
            label: kind.label().to_owned(),
            count,
        }
    }
}

/// What the readings of all current documents left out and did not understand: the number of
/// documents for each kind.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReadingsView {
    /// The number of documents of which a part could not be read.
    pub incomplete: u64,
    /// What could not be read.
    pub not_understood: Vec<ReadingCountView>,
    /// What was left out on purpose.
    pub left_out: Vec<ReadingCountView>,
}

impl From<ReadingCounts> for ReadingsView {
    fn from(counts: ReadingCounts) -> Self {
        let lost = counts.not_understood.into_iter();
        let left_out = counts.left_out.into_iter();
        Self {
            incomplete: counts.incomplete,
            not_understood: lost.map(ReadingCountView::of_loss).collect(),
            left_out: left_out.map(ReadingCountView::of_omission).collect(),
        }
    }
}

/// The number of files of a collection in a state.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TallyView {
    /// The id of the collection.
    pub collection: i64,
    /// The state.
    pub state: String,
    /// The number of files.
    pub files: u64,
}

impl From<FileCount> for TallyView {
    fn from(tally: FileCount) -> Self {
        Self {
            collection: tally.collection.0,
            state: tally.state.as_str().to_owned(),
            files: tally.files,
        }
    }
}

/// The speed of the ingestion.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PaceView {
    /// Pages read per second.
    pub pages: f64,
    /// Passages embedded per second.
    pub passages: f64,
    /// Seconds until all files are ingested, if that can be estimated.
    pub seconds_left: Option<u64>,
}

impl From<Throughput> for PaceView {
    fn from(pace: Throughput) -> Self {
        Self {
            pages: pace.pages,
            passages: pace.passages,
            seconds_left: pace.seconds_left,
        }
    }
}

/// A page of files, with numbers over all files.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FilesView {
    /// Numbers of files by collection and state.
    pub tally: Vec<TallyView>,
    /// Whether the ingestion is paused.
    pub paused: bool,
    /// The speed of the ingestion. Absent if nothing is ingested.
    pub pace: Option<PaceView>,
    /// What could not be read of all documents, and what was left out.
    pub readings: ReadingsView,
    /// This page.
    pub files: Vec<FileView>,
    /// The parameter `after` of the next page. Absent on the last page.
    pub next: Option<i64>,
}

/// Which files are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct FileQuery {
    /// Only of this collection.
    pub collection: Option<i64>,
    /// Only in this state.
    pub state: Option<FileState>,
    /// Only after the file with this id.
    pub after: Option<i64>,
}

impl App {
    /// Lists files, a page at a time.
    pub async fn files(&self, query: FileQuery) -> Result<FilesView> {
        let after = FileId(query.after.unwrap_or(0));
        let collection = query.collection.map(CollectionId);
        let records = self
            .store
            .files(collection, query.state, after, PAGE_SIZE)
            .await?;
        let is_full = records.len() >= PAGE_SIZE as usize;
        let next = records.last().filter(|_| is_full).map(|file| file.id.0);
        let tally = self.store.count_files_by_state().await?;
        let progress = Progress::from_counts(&tally, &self.meter, &*self.clock);
        let mut warnings = self.store.file_warnings(&records).await?;
        let mut accounts = self.store.file_accounts(&records).await?;
        let mut files = Vec::new();
        for record in records {
            let account = accounts.remove(&record.id).unwrap_or_default();
            let warnings = warnings.remove(&record.id).unwrap_or_default();
            files.push(FileView::from(record).with_reading(warnings, account));
        }
        Ok(FilesView {
            files,
            readings: self.store.count_readings().await?.into(),
            tally: tally.into_iter().map(TallyView::from).collect(),
            paused: self.store.ingestion_paused().await?,
            pace: progress.throughput.map(PaceView::from),
            next,
        })
    }

    /// Pauses or resumes the ingestion. Files that are being ingested are finished.
    pub async fn pause_ingestion(&self, caller: &Caller, paused: bool) -> Result<()> {
        let kind = if paused {
            EventKind::IngestionPaused
        } else {
            EventKind::IngestionResumed
        };
        let event = caller.event(kind, json!({}));
        self.logged(event, self.store.pause_ingestion(paused))
            .await?;
        self.work.notify_one();
        Ok(())
    }

    /// Quarantines a file that waits or is being ingested. It can be retried.
    pub async fn cancel_file(&self, caller: &Caller, id: FileId) -> Result<FileView> {
        let file = self.file(id).await?;
        let event = caller.event(EventKind::DocumentCancelled, json!({ "path": file.path }));
        let reason = format!("Cancelled by {}. Retry to ingest it", caller.actor.name);
        let cancel = self.store.cancel_file(id, &reason, self.clock.now());
        let cancel = async {
            cancel.await?.ok_or_else(|| {
                ErrorCode::Conflict.with_detail("The file is neither waiting nor being ingested")
            })
        };
        Ok(self.logged(event, cancel).await?.into())
    }

    /// Ingests a quarantined file again.
    pub async fn retry_file(&self, caller: &Caller, id: FileId) -> Result<FileView> {
        let file = self.file(id).await?;
        let event = caller.event(EventKind::DocumentRetried, json!({ "path": file.path }));
        let retry = self.store.retry_file(id, self.clock.now());
        let retry = async {
            let retried = retry.await?;
            retried.ok_or_else(|| ErrorCode::Conflict.with_detail("The file is not quarantined"))
        };
        let file = self.logged(event, retry).await?;
        self.work.notify_one();
        Ok(file.into())
    }

    async fn file(&self, id: FileId) -> Result<FileRecord> {
        let file = self.store.file(id).await?;
        file.ok_or_else(|| ErrorCode::NotFound.into())
    }
}

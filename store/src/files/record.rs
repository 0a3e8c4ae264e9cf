//! The row of a file, and its states.

use super::metadata::parse_metadata;
use crate::error::StoreError;
use crate::numbers::to_count;
use cloister_domain::{CollectionId, DocumentMetadata, FileHash, FileId, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

/// The state of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// It waits in the queue.
    Waiting,
    /// A child process reads it.
    Reading,
    /// Its passages are being embedded.
    Embedding,
    /// It answers questions.
    Ready,
    /// It could not be read. Its row contains the reason.
    Quarantined,
    /// The inbox no longer contains it.
    Removed,
}

impl FileState {
    /// The state's name in the database and in the API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Reading => "reading",
            Self::Embedding => "embedding",
            Self::Ready => "ready",
            Self::Quarantined => "quarantined",
            Self::Removed => "removed",
        }
    }

    pub(super) fn parse(name: &str) -> Result<Self, StoreError> {
        let all = [
            Self::Waiting,
            Self::Reading,
            Self::Embedding,
            Self::Ready,
            Self::Quarantined,
            Self::Removed,
        ];
        all.into_iter()
            .find(|state| state.as_str() == name)
            .ok_or_else(|| StoreError::corrupt("files", format!("no state is called `{name}`")))
    }
}

/// A file of the inbox that has been unchanged for the stability delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScannedFile {
    /// The top folder.
    pub collection: CollectionId,
    /// The path inside the collection, with `/` between folders.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// Its modification time.
    pub modified_at: Timestamp,
    /// Its metadata from a `document.toml`.
    pub metadata: DocumentMetadata,
}

/// A file of the inbox as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileRecord {
    /// Its id.
    pub id: FileId,
    /// The top folder.
    pub collection: CollectionId,
    /// The path inside the collection. For an attachment: the path of its parent, and its name.
    pub path: String,
    /// The file that contains it, if it is an attachment.
    pub parent: Option<FileId>,
    /// Its metadata from a `document.toml`.
    #[serde(rename = "labels")]
    pub metadata: DocumentMetadata,
    /// Its state.
    pub state: FileState,
    /// The hash of its bytes, if they were read.
    pub hash: Option<FileHash>,
    /// Size in bytes.
    pub size: u64,
    /// Its modification time.
    pub modified_at: Timestamp,
    /// Pages read or passages embedded so far.
    pub done: u32,
    /// The number of all pages or passages; 0 until it is known.
    pub total: u32,
    /// Why it is quarantined.
    pub reason: Option<String>,
    /// How often it was leased.
    pub attempts: u32,
    /// The last change of this row.
    pub updated_at: Timestamp,
    /// The time from its lease to its publication, in milliseconds.
    pub took_ms: Option<u64>,
}

/// The number of files of a collection in one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileCount {
    /// The top folder.
    pub collection: CollectionId,
    /// The state.
    pub state: FileState,
    /// The number of files.
    pub files: u64,
    /// The size of all of them, in bytes.
    pub bytes: u64,
}

/// The columns of a [`FileRecord`].
macro_rules! columns {
    () => {
        "id, collection_id, path, state, hash, size, modified_at, pages_done, pages_total, reason, \
         attempts, updated_at, took_ms, parent_id, labels"
    };
}
pub(super) use columns;

/// Reads a row with these [`columns`].
pub(super) fn parse_record(row: &SqliteRow) -> Result<FileRecord, StoreError> {
    let hash: Option<String> = row.try_get("hash")?;
    let size: i64 = row.try_get("size")?;
    let took_ms: Option<i64> = row.try_get("took_ms")?;
    Ok(FileRecord {
        id: FileId(row.try_get("id")?),
        collection: CollectionId(row.try_get("collection_id")?),
        path: row.try_get("path")?,
        parent: row.try_get::<Option<i64>, _>("parent_id")?.map(FileId),
        metadata: parse_metadata(row.try_get("labels")?)?,
        state: FileState::parse(row.try_get("state")?)?,
        hash: hash
            .map(FileHash::try_from)
            .transpose()
            .map_err(|e| StoreError::corrupt("files", e))?,
        size: to_count(size),
        modified_at: Timestamp::from_millis(row.try_get("modified_at")?),
        done: read_u32(row, "pages_done")?,
        total: read_u32(row, "pages_total")?,
        reason: row.try_get("reason")?,
        attempts: read_u32(row, "attempts")?,
        updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        took_ms: took_ms.and_then(|ms| u64::try_from(ms).ok()),
    })
}

fn read_u32(row: &SqliteRow, column: &str) -> Result<u32, StoreError> {
    let value: i64 = row.try_get(column)?;
    Ok(u32::try_from(value).unwrap_or(u32::MAX))
}

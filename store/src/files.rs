//! The files of the inbox and the work on them. Each path has one row, which is also its job: who
//! works on it holds a lease, and a lease that runs out gives the work to the next.

use crate::connection::Store;
use crate::error::StoreError;
use cloister_domain::{CollectionId, FileHash, FileId, Labels, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use std::collections::HashMap;
use std::time::Duration;

/// How far a file has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileState {
    /// Seen, and waiting its turn.
    Waiting,
    /// A child process reads it.
    Reading,
    /// Its passages are being embedded.
    Embedding,
    /// It answers questions.
    Ready,
    /// It could not be read; the reason is beside it.
    Quarantined,
    /// It is gone from the inbox.
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

    fn parse(name: &str) -> Result<Self, StoreError> {
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

/// A file that lies in the inbox, unchanged for the stability delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenFile {
    /// The top folder.
    pub collection: CollectionId,
    /// The path inside the collection, with `/` between folders.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified_at: Timestamp,
    /// What a `document.toml` says of it.
    pub labels: Labels,
}

/// A file of the inbox as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileRecord {
    /// Its id.
    pub id: FileId,
    /// The top folder.
    pub collection: CollectionId,
    /// The path inside the collection. Of a file inside another, that one's path and its own name.
    pub path: String,
    /// The file that it lies in.
    pub parent: Option<FileId>,
    /// What a `document.toml` says of it.
    pub labels: Labels,
    /// How far it has come.
    pub state: FileState,
    /// The hash of its bytes, once they were read.
    pub hash: Option<FileHash>,
    /// Size in bytes.
    pub size: u64,
    /// When it was last written.
    pub modified_at: Timestamp,
    /// Pages read or passages embedded so far.
    pub done: u32,
    /// Out of how many; 0 while it is not known.
    pub total: u32,
    /// Why it is quarantined.
    pub reason: Option<String>,
    /// How often it was taken up.
    pub attempts: u32,
    /// The last change of this row.
    pub updated_at: Timestamp,
    /// From being taken up to being searchable, in milliseconds.
    pub took_ms: Option<u64>,
}

/// How many files of a collection are in which state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileTally {
    /// The top folder.
    pub collection: CollectionId,
    /// The state.
    pub state: FileState,
    /// How many.
    pub files: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

/// What a [`FileRecord`] is made of.
macro_rules! columns {
    () => {
        "id, collection_id, path, state, hash, size, modified_at, pages_done, pages_total, reason, \
         attempts, updated_at, took_ms, parent_id, labels"
    };
}

impl Store {
    /// Notes files that lie in the inbox. Returns how many of them mean work: they are new, changed,
    /// or back again.
    pub async fn note_files(&self, seen: &[SeenFile], now: Timestamp) -> Result<u64, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let mut changed = 0;
        for file in seen {
            changed += note(&mut transaction, file, now).await?;
        }
        transaction.commit().await?;
        Ok(changed)
    }

    /// Takes up the file that waits longest, or one whose lease ran out.
    pub async fn lease_file(
        &self,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Option<FileRecord>, StoreError> {
        let row = sqlx::query(concat!(
            "UPDATE files
             SET state = 'reading', lease_until = $2, attempts = attempts + 1, updated_at = $1,
                 pages_done = 0, pages_total = 0
             WHERE id = (SELECT id FROM files
                         WHERE state = 'waiting'
                            OR (state IN ('reading', 'embedding')
                                AND (lease_until IS NULL OR lease_until < $1))
                         ORDER BY attempts, id LIMIT 1)
             RETURNING ",
            columns!()
        ))
        .bind(now.as_millis())
        .bind(now.plus(lease).as_millis())
        .fetch_optional(&self.writer)
        .await?;
        row.as_ref().map(record).transpose()
    }

    /// Notes how far the work on a file has come, and keeps its lease. Returns whether the work is
    /// still wanted: not if the file changed or went away meanwhile.
    pub async fn note_progress(
        &self,
        file: FileId,
        state: FileState,
        (done, total): (u32, u32),
        now: Timestamp,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let kept = sqlx::query(
            "UPDATE files
             SET state = $2, pages_done = $3, pages_total = $4, updated_at = $5, lease_until = $6
             WHERE id = $1 AND state IN ('reading', 'embedding')",
        )
        .bind(file.0)
        .bind(state.as_str())
        .bind(i64::from(done))
        .bind(i64::from(total))
        .bind(now.as_millis())
        .bind(now.plus(lease).as_millis())
        .execute(&self.writer)
        .await?
        .rows_affected();
        Ok(kept > 0)
    }

    /// Sets a file aside with a reason that an administrator understands.
    pub async fn quarantine_file(
        &self,
        file: FileId,
        hash: Option<&FileHash>,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE files
             SET state = 'quarantined', reason = $2, hash = $3, updated_at = $4, lease_until = NULL
             WHERE id = $1 AND state IN ('reading', 'embedding')",
        )
        .bind(file.0)
        .bind(reason)
        .bind(hash.map(FileHash::as_str))
        .bind(now.as_millis())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Gives a file back to be taken up later, as if it had not been touched: the disk was full,
    /// or the appliance is stopping.
    pub async fn release_file(&self, file: FileId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE files SET state = 'waiting', lease_until = NULL, updated_at = $2
             WHERE id = $1 AND state IN ('reading', 'embedding')",
        )
        .bind(file.0)
        .bind(now.as_millis())
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// Gives back every file that is being worked on. For start-up, when nobody can be.
    pub async fn release_all_files(&self, now: Timestamp) -> Result<u64, StoreError> {
        let released = sqlx::query(
            "UPDATE files SET state = 'waiting', lease_until = NULL, updated_at = $1
             WHERE state IN ('reading', 'embedding')",
        )
        .bind(now.as_millis())
        .execute(&self.writer)
        .await?;
        Ok(released.rows_affected())
    }

    /// Notes a file of the inbox that is not taken up at all, and why. Returns whether that is news.
    pub async fn refuse_file(
        &self,
        seen: &SeenFile,
        reason: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let changed = sqlx::query(
            "INSERT INTO files
                 (collection_id, path, state, size, modified_at, seen_at, updated_at, reason)
             VALUES ($1, $2, 'quarantined', $3, $4, $5, $5, $6)
             ON CONFLICT (collection_id, path) DO UPDATE
             SET state = 'quarantined', size = $3, modified_at = $4, seen_at = $5, updated_at = $5,
                 reason = $6
             WHERE files.state <> 'quarantined' OR files.reason <> $6",
        )
        .bind(seen.collection.0)
        .bind(&seen.path)
        .bind(i64::try_from(seen.size).unwrap_or(i64::MAX))
        .bind(seen.modified_at.as_millis())
        .bind(now.as_millis())
        .bind(reason)
        .execute(&self.writer)
        .await?
        .rows_affected();
        Ok(changed > 0)
    }

    /// Sets a file aside that waits or is being worked on, with a reason. What it answered before,
    /// it answers still. `None` where there is nothing to stop.
    pub async fn cancel_file(
        &self,
        file: FileId,
        reason: &str,
        now: Timestamp,
    ) -> Result<Option<FileRecord>, StoreError> {
        sqlx::query(concat!(
            "UPDATE files
             SET state = 'quarantined', reason = $2, updated_at = $3, lease_until = NULL
             WHERE id = $1 AND state IN ('waiting', 'reading', 'embedding')
             RETURNING ",
            columns!()
        ))
        .bind(file.0)
        .bind(reason)
        .bind(now.as_millis())
        .fetch_optional(&self.writer)
        .await?
        .as_ref()
        .map(record)
        .transpose()
    }

    /// Takes a quarantined file up again. `None` where it is not quarantined.
    pub async fn retry_file(
        &self,
        file: FileId,
        now: Timestamp,
    ) -> Result<Option<FileRecord>, StoreError> {
        sqlx::query(concat!(
            "UPDATE files
             SET state = 'waiting', reason = NULL, attempts = 0, updated_at = $2
             WHERE id = $1 AND state = 'quarantined'
             RETURNING ",
            columns!()
        ))
        .bind(file.0)
        .bind(now.as_millis())
        .fetch_optional(&self.writer)
        .await?
        .as_ref()
        .map(record)
        .transpose()
    }

    /// One file.
    pub async fn file(&self, id: FileId) -> Result<Option<FileRecord>, StoreError> {
        sqlx::query(concat!("SELECT ", columns!(), " FROM files WHERE id = $1"))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await?
            .as_ref()
            .map(record)
            .transpose()
    }

    /// Files with an id over `after`, of one collection or all, in one state or any but removed.
    pub async fn files(
        &self,
        collection: Option<CollectionId>,
        state: Option<FileState>,
        after: FileId,
        limit: u32,
    ) -> Result<Vec<FileRecord>, StoreError> {
        let mut query = sqlx::QueryBuilder::new("SELECT ");
        query
            .push(columns!())
            .push(" FROM files WHERE id > ")
            .push_bind(after.0);
        match state {
            Some(state) => query.push(" AND state = ").push_bind(state.as_str()),
            None => query.push(" AND state <> 'removed'"),
        };
        if let Some(collection) = collection {
            query.push(" AND collection_id = ").push_bind(collection.0);
        }
        query
            .push(" ORDER BY id LIMIT ")
            .push_bind(i64::from(limit));
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(record).collect()
    }

    /// The files of a collection that are thought to lie in the inbox, as they were last seen;
    /// files inside files do not lie there.
    pub async fn known_files(
        &self,
        collection: CollectionId,
    ) -> Result<Vec<(FileId, SeenFile)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, path, size, modified_at, labels FROM files
             WHERE collection_id = $1 AND state <> 'removed' AND parent_id IS NULL",
        )
        .bind(collection.0)
        .fetch_all(&self.readers)
        .await?;
        let known = |row: &SqliteRow| {
            let size: i64 = row.try_get("size")?;
            let file = SeenFile {
                collection,
                path: row.try_get("path")?,
                size: u64::try_from(size).unwrap_or(0),
                modified_at: Timestamp::from_millis(row.try_get("modified_at")?),
                labels: read_labels(row.try_get("labels")?)?,
            };
            Ok((FileId(row.try_get("id")?), file))
        };
        rows.iter().map(known).collect()
    }

    /// What an administrator should know of how these files were read, for those that answer.
    pub async fn warnings_of(
        &self,
        files: &[FileRecord],
    ) -> Result<HashMap<FileId, Vec<String>>, StoreError> {
        if files.is_empty() {
            return Ok(HashMap::new());
        }
        let mut query = sqlx::QueryBuilder::new(
            "SELECT f.id, r.warnings FROM files f
             JOIN documents d ON d.collection_id = f.collection_id AND d.path = f.path
             JOIN revisions r ON r.document_id = d.id AND r.superseded_at IS NULL
             WHERE r.warnings <> '[]' AND f.id IN (",
        );
        let mut list = query.separated(", ");
        for file in files {
            list.push_bind(file.id.0);
        }
        query.push(")");
        let rows = query.build().fetch_all(&self.readers).await?;
        let warnings = |row: &SqliteRow| {
            let json: String = row.try_get("warnings")?;
            let said = serde_json::from_str(&json);
            let said = said.map_err(|e| StoreError::corrupt("revisions", e))?;
            Ok((FileId(row.try_get("id")?), said))
        };
        rows.iter().map(warnings).collect()
    }

    /// How many files are in which state, for each collection.
    pub async fn tally_files(&self) -> Result<Vec<FileTally>, StoreError> {
        let rows = sqlx::query(
            "SELECT collection_id, state, COUNT(*) AS files, SUM(size) AS bytes FROM files
             WHERE state <> 'removed'
             GROUP BY collection_id, state ORDER BY collection_id, state",
        )
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                let files: i64 = row.try_get("files")?;
                let bytes: i64 = row.try_get("bytes")?;
                Ok(FileTally {
                    collection: CollectionId(row.try_get("collection_id")?),
                    state: FileState::parse(row.try_get("state")?)?,
                    files: u64::try_from(files).unwrap_or(0),
                    bytes: u64::try_from(bytes).unwrap_or(0),
                })
            })
            .collect()
    }
}

async fn note(
    transaction: &mut Transaction<'_, Sqlite>,
    seen: &SeenFile,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let size = i64::try_from(seen.size).unwrap_or(i64::MAX);
    let changed = sqlx::query(
        "INSERT INTO files
             (collection_id, path, state, size, modified_at, seen_at, updated_at, labels)
         VALUES ($1, $2, 'waiting', $3, $4, $5, $5, $6)
         ON CONFLICT (collection_id, path) DO UPDATE
         SET state = 'waiting', size = $3, modified_at = $4, seen_at = $5, updated_at = $5,
             labels = $6, parent_id = NULL, reason = NULL, attempts = 0, pages_done = 0,
             pages_total = 0, lease_until = NULL
         WHERE files.size <> $3 OR files.modified_at <> $4 OR files.state = 'removed'
            OR COALESCE(files.labels, '') <> COALESCE($6, '')",
    )
    .bind(seen.collection.0)
    .bind(&seen.path)
    .bind(size)
    .bind(seen.modified_at.as_millis())
    .bind(now.as_millis())
    .bind(write_labels(&seen.labels)?)
    .execute(&mut **transaction)
    .await?
    .rows_affected();
    Ok(changed)
}

fn record(row: &SqliteRow) -> Result<FileRecord, StoreError> {
    let hash: Option<String> = row.try_get("hash")?;
    let count = |column: &str| -> Result<u32, StoreError> {
        let value: i64 = row.try_get(column)?;
        Ok(u32::try_from(value).unwrap_or(u32::MAX))
    };
    let size: i64 = row.try_get("size")?;
    let took_ms: Option<i64> = row.try_get("took_ms")?;
    Ok(FileRecord {
        id: FileId(row.try_get("id")?),
        collection: CollectionId(row.try_get("collection_id")?),
        path: row.try_get("path")?,
        parent: row.try_get::<Option<i64>, _>("parent_id")?.map(FileId),
        labels: read_labels(row.try_get("labels")?)?,
        state: FileState::parse(row.try_get("state")?)?,
        hash: hash
            .map(FileHash::try_from)
            .transpose()
            .map_err(|e| StoreError::corrupt("files", e))?,
        size: u64::try_from(size).unwrap_or(0),
        modified_at: Timestamp::from_millis(row.try_get("modified_at")?),
        done: count("pages_done")?,
        total: count("pages_total")?,
        reason: row.try_get("reason")?,
        attempts: count("attempts")?,
        updated_at: Timestamp::from_millis(row.try_get("updated_at")?),
        took_ms: took_ms.and_then(|ms| u64::try_from(ms).ok()),
    })
}

/// Labels as their column holds them: nothing where nothing is said.
pub(crate) fn write_labels(labels: &Labels) -> Result<Option<String>, StoreError> {
    if labels.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_string(labels).map_err(|e| StoreError::corrupt("labels", e))?;
    Ok(Some(json))
}

pub(crate) fn read_labels(json: Option<String>) -> Result<Labels, StoreError> {
    let Some(json) = json else {
        return Ok(Labels::default());
    };
    serde_json::from_str(&json).map_err(|e| StoreError::corrupt("labels", e))
}

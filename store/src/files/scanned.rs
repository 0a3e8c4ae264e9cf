//! Files as the scan of the inbox finds them.

use super::metadata::{encode_metadata, parse_metadata};
use super::record::ScannedFile;
use crate::connection::Store;
use crate::error::StoreError;
use crate::numbers::to_count;
use cloister_domain::{CollectionId, FileId, Timestamp};
use sqlx::{Row, Sqlite, Transaction};

impl Store {
    /// Records files that the scan found. Returns how many of them have to be ingested because they
    /// are new, changed or restored.
    pub async fn record_scanned_files(
        &self,
        files: &[ScannedFile],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let mut changed = 0;
        for file in files {
            changed += record_scanned_file(&mut transaction, file, now).await?;
        }
        transaction.commit().await?;
        Ok(changed)
    }

    /// Quarantines a file that cannot be ingested, and records why. Returns whether this is new.
    pub async fn record_rejected_file(
        &self,
        file: &ScannedFile,
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
        .bind(file.collection.0)
        .bind(&file.path)
        .bind(i64::try_from(file.size).unwrap_or(i64::MAX))
        .bind(file.modified_at.as_millis())
        .bind(now.as_millis())
        .bind(reason)
        .execute(&self.writer)
        .await?
        .rows_affected();
        Ok(changed > 0)
    }

    /// The files of a collection that the inbox contained at the last scan. Attachments are not
    /// included.
    pub async fn scanned_files(
        &self,
        collection: CollectionId,
    ) -> Result<Vec<(FileId, ScannedFile)>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, path, size, modified_at, labels FROM files
             WHERE collection_id = $1 AND state <> 'removed' AND parent_id IS NULL",
        )
        .bind(collection.0)
        .fetch_all(&self.readers)
        .await?;
        let mut files = Vec::with_capacity(rows.len());
        for row in rows {
            let file = ScannedFile {
                collection,
                path: row.try_get("path")?,
                size: to_count(row.try_get("size")?),
                modified_at: Timestamp::from_millis(row.try_get("modified_at")?),
                metadata: parse_metadata(row.try_get("labels")?)?,
            };
            files.push((FileId(row.try_get("id")?), file));
        }
        Ok(files)
    }
}

async fn record_scanned_file(
    transaction: &mut Transaction<'_, Sqlite>,
    file: &ScannedFile,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let size = i64::try_from(file.size).unwrap_or(i64::MAX);
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
    .bind(file.collection.0)
    .bind(&file.path)
    .bind(size)
    .bind(file.modified_at.as_millis())
    .bind(now.as_millis())
    .bind(encode_metadata(&file.metadata)?)
    .execute(&mut **transaction)
    .await?
    .rows_affected();
    Ok(changed)
}

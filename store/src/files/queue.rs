//! The queue of files to be ingested. A worker leases a file. If the lease expires, another worker
//! gets the file.

use super::record::{FileRecord, FileState, columns, parse_record};
use crate::attachments::remove_tree;
use crate::connection::Store;
use crate::error::StoreError;
use crate::reading_accounts::count_left_out_picture;
use cloister_domain::{FileHash, FileId, Timestamp};
use std::time::Duration;

impl Store {
    /// Leases the file that has waited longest, or one whose lease expired.
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
        row.as_ref().map(parse_record).transpose()
    }

    /// Records the progress of a file, and renews its lease. Returns whether the file is still
    /// wanted: not if it changed or was removed in the meantime.
    pub async fn update_progress(
        &self,
        file: FileId,
        state: FileState,
        (done, total): (u32, u32),
        now: Timestamp,
        lease: Duration,
    ) -> Result<bool, StoreError> {
        let updated = sqlx::query(
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
        Ok(updated > 0)
    }

    /// Returns a file to the queue, as if it had not been leased: the disk was full, or the
    /// appliance stops.
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

    /// Returns every leased file to the queue. For the start, when no worker runs.
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

    /// Quarantines a file with a reason that an administrator understands.
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

    /// Removes a picture of another document, in which no text was recognised, and counts it among
    /// what was left out of that document.
    pub async fn leave_out_picture(
        &self,
        picture: FileId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        count_left_out_picture(&mut transaction, picture).await?;
        remove_tree(&mut transaction, picture, now).await?;
        // It is not read again when its document is restored.
        sqlx::query("UPDATE files SET parent_id = NULL WHERE id = $1")
            .bind(picture.0)
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }

    /// Quarantines a file that waits or is being ingested. A revision that was published before
    /// still answers. Returns `None` if the file is in another state.
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
        .map(parse_record)
        .transpose()
    }

    /// Returns a quarantined file to the queue. Returns `None` if it is not quarantined.
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
        .map(parse_record)
        .transpose()
    }
}

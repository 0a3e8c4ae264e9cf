//! Copying the database while it is in use, and what must not come back with an old copy.

use crate::connection::Store;
use crate::error::StoreError;
use sqlx::{Connection, Row};
use std::path::{Path, PathBuf};

/// What a database remembers about its restoration until an administrator has accepted it, as JSON.
const RESTORED: &str = "backup.restored";

impl Store {
    /// Copies the database file to `target`, page for page, so that unchanged parts stay equal from
    /// copy to copy. Changes wait meanwhile.
    pub async fn copy_database(&self, target: &Path) -> Result<(), StoreError> {
        let mut writer = self.writer.acquire().await?;
        // All changes are in the file, and none is made before the transaction ends.
        let busy: i64 = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
            .fetch_one(&mut *writer)
            .await?
            .try_get(0)?;
        let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
        let source = self.database_file();
        if busy != 0 {
            return Err(StoreError::file(
                &source,
                std::io::Error::other("readers keep its log in use; try again"),
            ));
        }
        // A copy takes as long as the disk needs. Other tasks of this thread wait, readers do not.
        std::fs::copy(&source, target).map_err(|cause| StoreError::file(&source, cause))?;
        sqlx::query("SELECT 1").execute(&mut *transaction).await?;
        transaction.rollback().await?;
        Ok(())
    }

    fn database_file(&self) -> PathBuf {
        self.folder().join("cloister.db")
    }

    /// Whether SQLite finds no damage in the database.
    pub async fn is_intact(&self) -> Result<bool, StoreError> {
        let result: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(&self.readers)
            .await?;
        Ok(result == "ok")
    }

    /// Ends everything in a restored database with which people could act without signing in again,
    /// and remembers `note` until the restoration is accepted.
    pub async fn mark_restored(&self, note: &str) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        for statement in [
            "DELETE FROM sessions",
            "DELETE FROM api_tokens",
            "DELETE FROM activation_links",
            "DELETE FROM setup_links",
            "DELETE FROM account_requests",
        ] {
            sqlx::query(statement).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        self.set_setting(RESTORED, note).await
    }

    /// What was noted about a restoration that is not accepted yet.
    pub async fn restored(&self) -> Result<Option<String>, StoreError> {
        let note = self.setting(RESTORED).await?;
        Ok(note.filter(|note| !note.is_empty()))
    }

    /// Notes that an administrator has accepted the restoration.
    pub async fn accept_restoration(&self) -> Result<(), StoreError> {
        self.set_setting(RESTORED, "").await
    }
}

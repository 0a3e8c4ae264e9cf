//! Opening the database.

use crate::error::StoreError;
use crate::originals::Originals;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, SqlitePool};
use std::path::{Path, PathBuf};
use std::time::Duration;

const MAX_READERS: u32 = 4;
/// Earlier versions of SQLite can corrupt a write-ahead log that several connections use.
const MIN_SQLITE_VERSION: [u32; 3] = [3, 51, 3];

/// The database and the original files of one appliance. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) readers: SqlitePool,
    // INVARIANT: one connection, so that writers queue here instead of failing with "locked".
    pub(crate) writer: SqlitePool,
    originals: Originals,
    folder: PathBuf,
}

impl Store {
    /// Opens the store in this folder. Creates it if it does not exist, and migrates its schema.
    pub async fn open(folder: &Path) -> Result<Self, StoreError> {
        std::fs::create_dir_all(folder).map_err(|cause| StoreError::file(folder, cause))?;
        let options = SqliteConnectOptions::new()
            .filename(folder.join("cloister.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            // The confined process cannot create temporary files, which large changes would need.
            .pragma("temp_store", "MEMORY")
            .busy_timeout(Duration::from_secs(10));
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await?;
        check_sqlite_version(&writer).await?;
        sqlx::migrate!("./migrations").run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(MAX_READERS)
            .connect_with(options.read_only(true).create_if_missing(false))
            .await?;
        let originals = Originals::open(&folder.join("originals"))?;
        Ok(Self {
            readers,
            writer,
            originals,
            folder: folder.to_owned(),
        })
    }

    /// The folder with the database and the original files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The original files, by content hash.
    pub fn originals(&self) -> &Originals {
        &self.originals
    }

    /// The version of the SQLite library in use.
    pub async fn sqlite_version(&self) -> Result<String, StoreError> {
        sqlite_version(&self.readers).await
    }

    /// Checkpoints the write-ahead log and closes the files.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

async fn sqlite_version(pool: &SqlitePool) -> Result<String, StoreError> {
    Ok(sqlx::query("SELECT sqlite_version()")
        .fetch_one(pool)
        .await?
        .try_get(0)?)
}

async fn check_sqlite_version(pool: &SqlitePool) -> Result<(), StoreError> {
    let version = sqlite_version(pool).await?;
    let parts: Vec<u32> = version
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect();
    if parts.as_slice() >= MIN_SQLITE_VERSION.as_slice() {
        Ok(())
    } else {
        Err(StoreError::UnsafeSqlite(version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn temporary_data_stays_in_memory() {
        const IN_MEMORY: i64 = 2;
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        for pool in [&store.writer, &store.readers] {
            let setting: i64 = sqlx::query_scalar("PRAGMA temp_store")
                .fetch_one(pool)
                .await
                .unwrap();
            assert_eq!(setting, IN_MEMORY);
        }
    }
}

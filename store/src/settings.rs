//! What an administrator has set while the appliance runs.

use crate::connection::Store;
use crate::error::StoreError;
use cloister_domain::CollectionId;
use serde::{Deserialize, Serialize};
use sqlx::Row;

/// How a collection's files are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadingOf {
    /// Languages of its scanned pages, by their names in the recogniser: `eng`, `deu`.
    pub languages: Vec<String>,
    /// Passwords that may open its files. They lie in the database as they are, for they must be
    /// used as they are; the data folder belongs to the appliance alone.
    pub passwords: Vec<String>,
}

const PAUSED: &str = "ingestion.paused";

impl Store {
    /// Whether an administrator has the ingestion pause.
    pub async fn ingestion_paused(&self) -> Result<bool, StoreError> {
        let value: Option<String> =
            sqlx::query_scalar("SELECT value FROM settings WHERE name = $1")
                .bind(PAUSED)
                .fetch_optional(&self.readers)
                .await?;
        Ok(value.as_deref() == Some("yes"))
    }

    /// Has the ingestion pause, or go on.
    pub async fn pause_ingestion(&self, paused: bool) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO settings (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = $2",
        )
        .bind(PAUSED)
        .bind(if paused { "yes" } else { "no" })
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// How this collection's files are read.
    pub async fn reading_of(&self, collection: CollectionId) -> Result<ReadingOf, StoreError> {
        let row = sqlx::query("SELECT languages, passwords FROM collections WHERE id = $1")
            .bind(collection.0)
            .fetch_optional(&self.readers)
            .await?
            .ok_or(StoreError::Absent("that collection"))?;
        let list = |column: &str| -> Result<Vec<String>, StoreError> {
            let json: String = row.try_get(column)?;
            serde_json::from_str(&json).map_err(|e| StoreError::corrupt("collections", e))
        };
        Ok(ReadingOf {
            languages: list("languages")?,
            passwords: list("passwords")?,
        })
    }

    /// Says how this collection's files are read from now on.
    pub async fn set_reading_of(
        &self,
        collection: CollectionId,
        reading: &ReadingOf,
    ) -> Result<(), StoreError> {
        let json = |list: &[String]| {
            serde_json::to_string(list).map_err(|e| StoreError::corrupt("collections", e))
        };
        let changed =
            sqlx::query("UPDATE collections SET languages = $2, passwords = $3 WHERE id = $1")
                .bind(collection.0)
                .bind(json(&reading.languages)?)
                .bind(json(&reading.passwords)?)
                .execute(&self.writer)
                .await?
                .rows_affected();
        if changed == 0 {
            return Err(StoreError::Absent("that collection"));
        }
        Ok(())
    }
}

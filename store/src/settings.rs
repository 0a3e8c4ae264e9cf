//! Settings that an administrator changes while the appliance runs.

use crate::connection::Store;
use crate::error::StoreError;
use cloister_domain::CollectionId;
use serde::{Deserialize, Serialize};
use sqlx::Row;

/// How a collection's files are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderSettings {
    /// Languages of its scanned pages, by their names in tesseract: `eng`, `deu`.
    pub languages: Vec<String>,
    /// Passwords that may open its files. They are stored in clear text, because they are needed in
    /// clear text. Only the appliance can read the data folder.
    pub passwords: Vec<String>,
}

const PAUSED: &str = "ingestion.paused";
const AUDIT_ANCHOR: &str = "audit.anchor";

impl Store {
    /// Whether ingestion is paused.
    pub async fn ingestion_paused(&self) -> Result<bool, StoreError> {
        Ok(self.setting(PAUSED).await?.as_deref() == Some("yes"))
    }

    /// Pauses or resumes ingestion.
    pub async fn pause_ingestion(&self, paused: bool) -> Result<(), StoreError> {
        let value = if paused { "yes" } else { "no" };
        self.set_setting(PAUSED, value).await
    }

    /// What was last remembered of the audit log, as JSON. `None` in a new database.
    pub async fn audit_anchor(&self) -> Result<Option<String>, StoreError> {
        self.setting(AUDIT_ANCHOR).await
    }

    /// Remembers the state of the audit log, as JSON.
    pub async fn remember_audit_anchor(&self, anchor: &str) -> Result<(), StoreError> {
        self.set_setting(AUDIT_ANCHOR, anchor).await
    }

    pub(crate) async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let value = sqlx::query_scalar("SELECT value FROM settings WHERE name = $1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await?;
        Ok(value)
    }

    pub(crate) async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO settings (name, value) VALUES ($1, $2)
             ON CONFLICT (name) DO UPDATE SET value = $2",
        )
        .bind(name)
        .bind(value)
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    /// How this collection's files are read.
    pub async fn reader_settings(
        &self,
        collection: CollectionId,
    ) -> Result<ReaderSettings, StoreError> {
        let row = sqlx::query("SELECT languages, passwords FROM collections WHERE id = $1")
            .bind(collection.0)
            .fetch_optional(&self.readers)
            .await?
            .ok_or(StoreError::NotFound("that collection"))?;
        Ok(ReaderSettings {
            languages: parse_list(row.try_get("languages")?)?,
            passwords: parse_list(row.try_get("passwords")?)?,
        })
    }

    /// Sets how this collection's files are read.
    pub async fn set_reader_settings(
        &self,
        collection: CollectionId,
        settings: &ReaderSettings,
    ) -> Result<(), StoreError> {
        let changed =
            sqlx::query("UPDATE collections SET languages = $2, passwords = $3 WHERE id = $1")
                .bind(collection.0)
                .bind(encode_list(&settings.languages)?)
                .bind(encode_list(&settings.passwords)?)
                .execute(&self.writer)
                .await?
                .rows_affected();
        if changed == 0 {
            return Err(StoreError::NotFound("that collection"));
        }
        Ok(())
    }
}

fn encode_list(list: &[String]) -> Result<String, StoreError> {
    serde_json::to_string(list).map_err(|e| StoreError::corrupt("collections", e))
}

fn parse_list(json: &str) -> Result<Vec<String>, StoreError> {
    serde_json::from_str(json).map_err(|e| StoreError::corrupt("collections", e))
}

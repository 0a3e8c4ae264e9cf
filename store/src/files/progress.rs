//! Files as administrators see them: their states, warnings and counts.

use super::record::{FileCount, FileRecord, FileState, columns, parse_record};
use crate::connection::Store;
use crate::error::StoreError;
use crate::numbers::to_count;
use cloister_domain::{CollectionId, FileId};
use sqlx::Row;
use std::collections::HashMap;

impl Store {
    /// The file with this id.
    pub async fn file(&self, id: FileId) -> Result<Option<FileRecord>, StoreError> {
        sqlx::query(concat!("SELECT ", columns!(), " FROM files WHERE id = $1"))
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await?
            .as_ref()
            .map(parse_record)
            .transpose()
    }

    /// Files with an id above `after`, optionally of one collection and in one state. Without a
    /// state, removed files are left out.
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
        rows.iter().map(parse_record).collect()
    }

    /// The warnings about these files, for those that are published.
    pub async fn file_warnings(
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
        let mut warnings = HashMap::with_capacity(rows.len());
        for row in rows {
            let json: String = row.try_get("warnings")?;
            let sentences =
                serde_json::from_str(&json).map_err(|e| StoreError::corrupt("revisions", e))?;
            warnings.insert(FileId(row.try_get("id")?), sentences);
        }
        Ok(warnings)
    }

    /// The number of files in each state, for each collection.
    pub async fn count_files_by_state(&self) -> Result<Vec<FileCount>, StoreError> {
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
                Ok(FileCount {
                    collection: CollectionId(row.try_get("collection_id")?),
                    state: FileState::parse(row.try_get("state")?)?,
                    files: to_count(files),
                    bytes: to_count(bytes),
                })
            })
            .collect()
    }
}

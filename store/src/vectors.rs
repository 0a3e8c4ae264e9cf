//! Vectors that another model made than the one in use: they cannot be compared with its own.

use crate::connection::Store;
use crate::error::StoreError;
use crate::sequence::{parse_draft, vector_bytes};
use cloister_domain::{PassageDraft, PassageId, RevisionId};
use sqlx::Row;

/// A revision whose passages are to be embedded anew.
#[derive(Clone, Debug, PartialEq)]
pub struct StaleRevision {
    /// Which.
    pub id: RevisionId,
    /// Its title, which is embedded with each passage.
    pub title: String,
    /// Its passages.
    pub passages: Vec<(PassageId, PassageDraft)>,
}

impl Store {
    /// How many revisions have vectors of another model than `embedder`, a SHA-256. Those that no
    /// longer answer count too: they may be restored.
    pub async fn count_stale(&self, embedder: &str) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM revisions WHERE embedder <> $1")
            .bind(embedder)
            .fetch_one(&self.readers)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// The next of them; none when all vectors are of this model.
    pub async fn next_stale(&self, embedder: &str) -> Result<Option<StaleRevision>, StoreError> {
        let row =
            sqlx::query("SELECT id, title FROM revisions WHERE embedder <> $1 ORDER BY id LIMIT 1")
                .bind(embedder)
                .fetch_optional(&self.readers)
                .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let id: i64 = row.try_get("id")?;
        let rows = sqlx::query("SELECT id, draft FROM passages WHERE revision_id = $1 ORDER BY id")
            .bind(id)
            .fetch_all(&self.readers)
            .await?;
        let passage = |row: &sqlx::sqlite::SqliteRow| -> Result<_, StoreError> {
            let draft: String = row.try_get("draft")?;
            Ok((PassageId(row.try_get("id")?), parse_draft(&draft)?))
        };
        Ok(Some(StaleRevision {
            id: RevisionId(id),
            title: row.try_get("title")?,
            passages: rows.iter().map(passage).collect::<Result<_, _>>()?,
        }))
    }

    /// Puts these vectors of `embedder` in the place of a revision's, all of them or none.
    pub async fn replace_vectors(
        &self,
        revision: RevisionId,
        embedder: &str,
        vectors: &[(PassageId, Vec<f32>)],
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        for (passage, vector) in vectors {
            sqlx::query("UPDATE passages SET vector = $3 WHERE id = $1 AND revision_id = $2")
                .bind(passage.0)
                .bind(revision.0)
                .bind(vector_bytes(vector))
                .execute(&mut *transaction)
                .await?;
        }
        sqlx::query("UPDATE revisions SET embedder = $2 WHERE id = $1")
            .bind(revision.0)
            .bind(embedder)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }
}

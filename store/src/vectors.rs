//! Vectors, by the embedder that made them. The vectors of one embedder are active. Those of
//! another one can be made in the meantime, and replace them when every passage has one.

use crate::connection::Store;
use crate::error::StoreError;
use crate::numbers::to_count;
use crate::sequence::{encode_vector, parse_draft};
use cloister_domain::{PassageDraft, PassageId};
use sqlx::{Row, Sqlite, Transaction};

/// Passages whose vectors one transaction deletes.
const DELETE_BATCH: i64 = 4096;

/// States of a model in the column `embedders.state`: its vectors are inactive, active and
/// complete, or active and incomplete.
const INACTIVE: &str = "aside";
const COMPLETE: &str = "whole";
const INCOMPLETE: &str = "filling";

/// The embedder whose vectors are active.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveEmbedder {
    /// Its SHA-256.
    pub sha256: String,
    /// Whether every passage has a vector, in the index too. If not, only lexical search answers.
    pub complete: bool,
}

/// A passage that has no vector of an embedder yet.
#[derive(Clone, Debug, PartialEq)]
pub struct PassageWithoutVector {
    /// Its id.
    pub id: PassageId,
    /// The document's title, which is embedded together with the passage.
    pub title: String,
    /// The passage.
    pub draft: PassageDraft,
}

impl Store {
    /// The active embedder. `None` before the first revision is published.
    pub async fn active_embedder(&self) -> Result<Option<ActiveEmbedder>, StoreError> {
        let row = sqlx::query("SELECT sha256, state FROM embedders WHERE state <> 'aside'")
            .fetch_optional(&self.readers)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let state: String = row.try_get("state")?;
        Ok(Some(ActiveEmbedder {
            sha256: row.try_get("sha256")?,
            complete: state == COMPLETE,
        }))
    }

    /// Activates the vectors of an embedder, whether they are complete or not. Does nothing if it
    /// is active already.
    pub async fn activate_embedder(&self, sha256: &str) -> Result<ActiveEmbedder, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let id = ensure_embedder(&mut transaction, sha256).await?;
        let state: String = sqlx::query_scalar("SELECT state FROM embedders WHERE id = $1")
            .bind(id)
            .fetch_one(&mut *transaction)
            .await?;
        let mut complete = state == COMPLETE;
        if state == INACTIVE {
            complete = !lacks_vectors(&mut transaction, id).await?;
            set_active(&mut transaction, id, complete).await?;
        }
        transaction.commit().await?;
        Ok(ActiveEmbedder {
            sha256: sha256.to_owned(),
            complete,
        })
    }

    /// Activates the vectors of an embedder if every passage has one. Otherwise changes nothing and
    /// returns `false`.
    pub async fn activate_embedder_if_complete(&self, sha256: &str) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let id = ensure_embedder(&mut transaction, sha256).await?;
        if lacks_vectors(&mut transaction, id).await? {
            return Ok(false);
        }
        set_active(&mut transaction, id, true).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// The next passages after `after` that have no vector of this embedder, at most `limit`.
    /// Passages of removed documents are included, because these may be restored.
    pub async fn passages_without_vector(
        &self,
        sha256: &str,
        after: PassageId,
        limit: u32,
    ) -> Result<Vec<PassageWithoutVector>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.id, r.title, p.draft FROM passages p
             JOIN revisions r ON r.id = p.revision_id
             WHERE p.id > $1 AND NOT EXISTS (
               SELECT 1 FROM vectors v JOIN embedders e ON e.id = v.embedder_id
               WHERE v.passage_id = p.id AND e.sha256 = $2)
             ORDER BY p.id LIMIT $3",
        )
        .bind(after.0)
        .bind(sha256)
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        let mut passages = Vec::with_capacity(rows.len());
        for row in rows {
            let draft: String = row.try_get("draft")?;
            passages.push(PassageWithoutVector {
                id: PassageId(row.try_get("id")?),
                title: row.try_get("title")?,
                draft: parse_draft(&draft)?,
            });
        }
        Ok(passages)
    }

    /// The number of passages that have a vector of this embedder, and the number of all passages.
    pub async fn count_embedded(&self, sha256: &str) -> Result<(u64, u64), StoreError> {
        let (done, all): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM vectors v JOIN embedders e ON e.id = v.embedder_id
                     WHERE e.sha256 = $1),
                    (SELECT COUNT(*) FROM passages)",
        )
        .bind(sha256)
        .fetch_one(&self.readers)
        .await?;
        Ok((to_count(done), to_count(all)))
    }

    /// Adds vectors of an embedder, whether it is active or not. Existing vectors are kept.
    pub async fn add_vectors(
        &self,
        sha256: &str,
        vectors: &[(PassageId, Vec<f32>)],
    ) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        let embedder = ensure_embedder(&mut transaction, sha256).await?;
        for (passage, vector) in vectors {
            insert_vector(&mut transaction, *passage, embedder, vector).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Deletes the vectors of all embedders except `pending` and the active one, in batches.
    pub async fn delete_inactive_vectors(&self, pending: Option<&str>) -> Result<(), StoreError> {
        let others: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM embedders WHERE state = 'aside' AND sha256 <> COALESCE($1, '')",
        )
        .bind(pending)
        .fetch_all(&self.readers)
        .await?;
        for other in others {
            self.delete_vectors(other).await?;
        }
        Ok(())
    }

    async fn delete_vectors(&self, embedder: i64) -> Result<(), StoreError> {
        let last: Option<i64> = sqlx::query_scalar("SELECT MAX(id) FROM passages")
            .fetch_one(&self.readers)
            .await?;
        let mut after = 0;
        while after < last.unwrap_or(0) {
            sqlx::query(
                "DELETE FROM vectors
                 WHERE passage_id > $1 AND passage_id <= $2 AND embedder_id = $3",
            )
            .bind(after)
            .bind(after + DELETE_BATCH)
            .bind(embedder)
            .execute(&self.writer)
            .await?;
            after += DELETE_BATCH;
        }
        sqlx::query("DELETE FROM embedders WHERE id = $1 AND state = 'aside'")
            .bind(embedder)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// The id of the active embedder, which must be this one. The first embedder that publishes is
/// activated.
pub(crate) async fn active_embedder_id(
    transaction: &mut Transaction<'_, Sqlite>,
    sha256: &str,
) -> Result<i64, StoreError> {
    let active: Option<(i64, String)> =
        sqlx::query_as("SELECT id, sha256 FROM embedders WHERE state <> 'aside'")
            .fetch_optional(&mut **transaction)
            .await?;
    match active {
        Some((id, known)) if known == sha256 => Ok(id),
        Some(_) => Err(StoreError::EmbedderChanged),
        None => {
            let id = ensure_embedder(transaction, sha256).await?;
            set_active(transaction, id, true).await?;
            Ok(id)
        }
    }
}

pub(crate) async fn insert_vector(
    transaction: &mut Transaction<'_, Sqlite>,
    passage: PassageId,
    embedder: i64,
    vector: &[f32],
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO vectors (passage_id, embedder_id, vector) VALUES ($1, $2, $3)
         ON CONFLICT (passage_id, embedder_id) DO NOTHING",
    )
    .bind(passage.0)
    .bind(embedder)
    .bind(encode_vector(vector))
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

async fn ensure_embedder(
    transaction: &mut Transaction<'_, Sqlite>,
    sha256: &str,
) -> Result<i64, StoreError> {
    sqlx::query(
        "INSERT INTO embedders (sha256, state) VALUES ($1, 'aside')
         ON CONFLICT (sha256) DO NOTHING",
    )
    .bind(sha256)
    .execute(&mut **transaction)
    .await?;
    let id = sqlx::query_scalar("SELECT id FROM embedders WHERE sha256 = $1")
        .bind(sha256)
        .fetch_one(&mut **transaction)
        .await?;
    Ok(id)
}

async fn set_active(
    transaction: &mut Transaction<'_, Sqlite>,
    embedder: i64,
    complete: bool,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE embedders SET state = CASE WHEN id = $1 THEN $2 ELSE 'aside' END")
        .bind(embedder)
        .bind(if complete { COMPLETE } else { INCOMPLETE })
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

async fn lacks_vectors(
    transaction: &mut Transaction<'_, Sqlite>,
    embedder: i64,
) -> Result<bool, StoreError> {
    let lacks = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM passages p WHERE NOT EXISTS (
           SELECT 1 FROM vectors v WHERE v.passage_id = p.id AND v.embedder_id = $1))",
    )
    .bind(embedder)
    .fetch_one(&mut **transaction)
    .await?;
    Ok(lacks)
}

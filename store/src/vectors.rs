//! Vectors by the model that made them. Those of one model answer; another's may be made beside
//! them, and take their place when there is one for each passage.

use crate::connection::Store;
use crate::error::StoreError;
use crate::sequence::{parse_draft, vector_bytes};
use cloister_domain::{PassageDraft, PassageId};
use sqlx::{Row, Sqlite, Transaction};

/// Passages of whose vectors one transaction lets go.
const STEP: i64 = 4096;

/// The model whose vectors answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbedderInUse {
    /// Its SHA-256.
    pub sha256: String,
    /// Whether each passage has its vector, in the index too. Where not, words alone answer.
    pub whole: bool,
}

/// A passage of which a model has yet to make the vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Unembedded {
    /// Which.
    pub id: PassageId,
    /// Its document's title, which is embedded with it.
    pub title: String,
    /// The passage.
    pub draft: PassageDraft,
}

impl Store {
    /// The model whose vectors answer; none before the first.
    pub async fn embedder(&self) -> Result<Option<EmbedderInUse>, StoreError> {
        let row = sqlx::query("SELECT sha256, state FROM embedders WHERE state <> 'aside'")
            .fetch_optional(&self.readers)
            .await?;
        let in_use = row.map(|row| -> Result<_, StoreError> {
            let state: String = row.try_get("state")?;
            Ok(EmbedderInUse {
                sha256: row.try_get("sha256")?,
                whole: state == "whole",
            })
        });
        in_use.transpose()
    }

    /// Has the vectors of this model answer from now on, whether it has made all of them or not.
    /// One that is in use already stays as it is.
    pub async fn use_embedder(&self, sha256: &str) -> Result<EmbedderInUse, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let id = ensure_embedder(&mut transaction, sha256).await?;
        let state: String = sqlx::query_scalar("SELECT state FROM embedders WHERE id = $1")
            .bind(id)
            .fetch_one(&mut *transaction)
            .await?;
        let mut whole = state == "whole";
        if state == "aside" {
            whole = !lacks_vectors(&mut transaction, id).await?;
            put_in_use(&mut transaction, id, whole).await?;
        }
        transaction.commit().await?;
        Ok(EmbedderInUse {
            sha256: sha256.to_owned(),
            whole,
        })
    }

    /// Has the vectors of this model answer from now on, if there is one for each passage. `false`
    /// where one lacks, and then nothing changes.
    pub async fn use_whole_embedder(&self, sha256: &str) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let id = ensure_embedder(&mut transaction, sha256).await?;
        if lacks_vectors(&mut transaction, id).await? {
            return Ok(false);
        }
        put_in_use(&mut transaction, id, true).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Passages after `after` of which this model has made no vector, at most `limit`. Those that no
    /// longer answer are among them: they may be restored.
    pub async fn unembedded_after(
        &self,
        sha256: &str,
        after: PassageId,
        limit: u32,
    ) -> Result<Vec<Unembedded>, StoreError> {
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
        let passage = |row: &sqlx::sqlite::SqliteRow| {
            let draft: String = row.try_get("draft")?;
            Ok(Unembedded {
                id: PassageId(row.try_get("id")?),
                title: row.try_get("title")?,
                draft: parse_draft(&draft)?,
            })
        };
        rows.iter().map(passage).collect()
    }

    /// How many passages have a vector of this model, and how many passages there are.
    pub async fn count_embedded(&self, sha256: &str) -> Result<(u64, u64), StoreError> {
        let (done, all): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT COUNT(*) FROM vectors v JOIN embedders e ON e.id = v.embedder_id
                     WHERE e.sha256 = $1),
                    (SELECT COUNT(*) FROM passages)",
        )
        .bind(sha256)
        .fetch_one(&self.readers)
        .await?;
        let count = |rows| u64::try_from(rows).unwrap_or(0);
        Ok((count(done), count(all)))
    }

    /// Keeps vectors of this model, whichever answers. One that is there already stays.
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

    /// Lets go of the vectors of every model but `kept` and the one in use, some passages at a time.
    pub async fn drop_other_vectors(&self, kept: Option<&str>) -> Result<(), StoreError> {
        let others: Vec<i64> = sqlx::query_scalar(
            "SELECT id FROM embedders WHERE state = 'aside' AND sha256 <> COALESCE($1, '')",
        )
        .bind(kept)
        .fetch_all(&self.readers)
        .await?;
        for other in others {
            self.drop_vectors(other).await?;
        }
        Ok(())
    }

    async fn drop_vectors(&self, embedder: i64) -> Result<(), StoreError> {
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
            .bind(after + STEP)
            .bind(embedder)
            .execute(&self.writer)
            .await?;
            after += STEP;
        }
        sqlx::query("DELETE FROM embedders WHERE id = $1 AND state = 'aside'")
            .bind(embedder)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

/// The id of the model in use, which must be this one; the first one that publishes comes into use.
pub(crate) async fn id_in_use(
    transaction: &mut Transaction<'_, Sqlite>,
    sha256: &str,
) -> Result<i64, StoreError> {
    let in_use: Option<(i64, String)> =
        sqlx::query_as("SELECT id, sha256 FROM embedders WHERE state <> 'aside'")
            .fetch_optional(&mut **transaction)
            .await?;
    match in_use {
        Some((id, known)) if known == sha256 => Ok(id),
        Some(_) => Err(StoreError::AnotherEmbedder),
        None => {
            let id = ensure_embedder(transaction, sha256).await?;
            put_in_use(transaction, id, true).await?;
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
    .bind(vector_bytes(vector))
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

async fn put_in_use(
    transaction: &mut Transaction<'_, Sqlite>,
    embedder: i64,
    whole: bool,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE embedders SET state = CASE WHEN id = $1 THEN $2 ELSE 'aside' END")
        .bind(embedder)
        .bind(if whole { "whole" } else { "filling" })
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

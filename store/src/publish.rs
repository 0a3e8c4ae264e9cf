//! Publishing a revision, moving and removing a document: each one transaction, so that a power
//! cut leaves either the old or the new.

use crate::connection::Store;
use crate::error::StoreError;
use crate::sequence::vector_bytes;
use cloister_domain::{
    CollectionId, DocumentId, DocumentInfo, FileHash, FileId, Page, PassageDraft, RevisionId,
    Timestamp,
};
use sqlx::{Sqlite, Transaction};

/// A reading of a file that is about to answer questions.
#[derive(Clone, Debug)]
pub struct NewRevision {
    /// The file that was read.
    pub file: FileId,
    /// The hash of the bytes that were read.
    pub hash: FileHash,
    /// Their number.
    pub size: u64,
    /// What the file says about itself.
    pub info: DocumentInfo,
    /// Its pages.
    pub pages: Vec<Page>,
    /// Its passages, each with its vector.
    pub passages: Vec<(PassageDraft, Vec<f32>)>,
    /// SHA-256 of the model that made the vectors.
    pub embedder: String,
    /// How long it took from being taken up, in milliseconds.
    pub took_ms: u64,
}

impl Store {
    /// Writes a revision with its pages and passages, supersedes the one before it, and marks the
    /// file as ready. `None` where the file changed or went away meanwhile: nothing is written.
    pub async fn publish(
        &self,
        new: &NewRevision,
        now: Timestamp,
    ) -> Result<Option<RevisionId>, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let Some((collection, path)) = finish_file(&mut transaction, new, now).await? else {
            return Ok(None);
        };
        let document = ensure_document(&mut transaction, collection, &path, now).await?;
        sqlx::query(
            "UPDATE revisions SET superseded_at = $2
             WHERE document_id = $1 AND superseded_at IS NULL",
        )
        .bind(document.0)
        .bind(now.as_millis())
        .execute(&mut *transaction)
        .await?;
        let revision = insert_revision(&mut transaction, document, new, now).await?;
        insert_pages(&mut transaction, revision, &new.pages).await?;
        insert_passages(&mut transaction, revision, &new.passages).await?;
        transaction.commit().await?;
        Ok(Some(revision))
    }

    /// Marks a file as ready where its bytes are those that its document already has: no work.
    /// Returns whether that was so.
    pub async fn settle_unchanged(
        &self,
        file: FileId,
        hash: &FileHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let settled = sqlx::query(
            "UPDATE files SET state = 'ready', hash = $2, updated_at = $3, lease_until = NULL
             WHERE id = $1 AND EXISTS (
                 SELECT 1 FROM documents d JOIN revisions r ON r.document_id = d.id
                 WHERE d.collection_id = files.collection_id AND d.path = files.path
                   AND d.deleted_at IS NULL AND r.superseded_at IS NULL AND r.hash = $2)",
        )
        .bind(file.0)
        .bind(hash.as_str())
        .bind(now.as_millis())
        .execute(&self.writer)
        .await?
        .rows_affected();
        Ok(settled > 0)
    }

    /// Gives a document the path of `file`, where the inbox holds its bytes there and no longer at
    /// the path where they were: its history goes with it. Returns whether there was such a one.
    pub async fn settle_move(
        &self,
        file: FileId,
        hash: &FileHash,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let moved = sqlx::query(
            "UPDATE documents
             SET collection_id = (SELECT collection_id FROM files WHERE id = $1),
                 path = (SELECT path FROM files WHERE id = $1), deleted_at = NULL
             WHERE id = (
                 SELECT d.id FROM documents d
                 JOIN revisions r ON r.document_id = d.id AND r.superseded_at IS NULL
                 JOIN files gone ON gone.collection_id = d.collection_id AND gone.path = d.path
                 WHERE r.hash = $2 AND gone.state = 'removed'
                 ORDER BY gone.updated_at DESC LIMIT 1)
               AND NOT EXISTS (
                 SELECT 1 FROM documents there JOIN files f ON f.id = $1
                 WHERE there.collection_id = f.collection_id AND there.path = f.path)",
        )
        .bind(file.0)
        .bind(hash.as_str())
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if moved > 0 {
            sqlx::query(
                "UPDATE files SET state = 'ready', hash = $2, updated_at = $3, lease_until = NULL
                 WHERE id = $1",
            )
            .bind(file.0)
            .bind(hash.as_str())
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(moved > 0)
    }

    /// Notes that a file is gone from the inbox; its document stops answering in the same step.
    pub async fn remove_file(&self, file: FileId, now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query(
            "UPDATE files SET state = 'removed', updated_at = $2, lease_until = NULL WHERE id = $1",
        )
        .bind(file.0)
        .bind(now.as_millis())
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "UPDATE documents SET deleted_at = $2
             WHERE deleted_at IS NULL AND EXISTS (
                 SELECT 1 FROM files f WHERE f.id = $1
                   AND f.collection_id = documents.collection_id AND f.path = documents.path)",
        )
        .bind(file.0)
        .bind(now.as_millis())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }
}

async fn finish_file(
    transaction: &mut Transaction<'_, Sqlite>,
    new: &NewRevision,
    now: Timestamp,
) -> Result<Option<(CollectionId, String)>, StoreError> {
    let row: Option<(i64, String)> = sqlx::query_as(
        "UPDATE files
         SET state = 'ready', hash = $2, updated_at = $3, took_ms = $4, lease_until = NULL
         WHERE id = $1 AND state IN ('reading', 'embedding')
         RETURNING collection_id, path",
    )
    .bind(new.file.0)
    .bind(new.hash.as_str())
    .bind(now.as_millis())
    .bind(i64::try_from(new.took_ms).unwrap_or(i64::MAX))
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(row.map(|(collection, path)| (CollectionId(collection), path)))
}

async fn ensure_document(
    transaction: &mut Transaction<'_, Sqlite>,
    collection: CollectionId,
    path: &str,
    now: Timestamp,
) -> Result<DocumentId, StoreError> {
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO documents (collection_id, path, created_at) VALUES ($1, $2, $3)
         ON CONFLICT (collection_id, path) DO UPDATE SET deleted_at = NULL RETURNING id",
    )
    .bind(collection.0)
    .bind(path)
    .bind(now.as_millis())
    .fetch_one(&mut **transaction)
    .await?;
    Ok(DocumentId(id))
}

async fn insert_revision(
    transaction: &mut Transaction<'_, Sqlite>,
    document: DocumentId,
    new: &NewRevision,
    now: Timestamp,
) -> Result<RevisionId, StoreError> {
    let warnings = serde_json::to_string(&new.info.warnings)
        .map_err(|e| StoreError::corrupt("revisions", e))?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO revisions (document_id, hash, size, title, format, language, pages, warnings,
                                embedder, effective_from)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING id",
    )
    .bind(document.0)
    .bind(new.hash.as_str())
    .bind(i64::try_from(new.size).unwrap_or(i64::MAX))
    .bind(&new.info.title)
    .bind(&new.info.format)
    .bind(&new.info.language)
    .bind(i64::from(new.info.pages))
    .bind(warnings)
    .bind(&new.embedder)
    .bind(now.as_millis())
    .fetch_one(&mut **transaction)
    .await?;
    Ok(RevisionId(id))
}

async fn insert_pages(
    transaction: &mut Transaction<'_, Sqlite>,
    revision: RevisionId,
    pages: &[Page],
) -> Result<(), StoreError> {
    for page in pages {
        let content = serde_json::to_string(page).map_err(|e| StoreError::corrupt("pages", e))?;
        sqlx::query("INSERT INTO pages (revision_id, number, content) VALUES ($1, $2, $3)")
            .bind(revision.0)
            .bind(i64::from(page.number))
            .bind(content)
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

async fn insert_passages(
    transaction: &mut Transaction<'_, Sqlite>,
    revision: RevisionId,
    passages: &[(PassageDraft, Vec<f32>)],
) -> Result<(), StoreError> {
    for (draft, vector) in passages {
        let draft = serde_json::to_string(draft).map_err(|e| StoreError::corrupt("passages", e))?;
        sqlx::query("INSERT INTO passages (revision_id, draft, vector) VALUES ($1, $2, $3)")
            .bind(revision.0)
            .bind(draft)
            .bind(vector_bytes(vector))
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

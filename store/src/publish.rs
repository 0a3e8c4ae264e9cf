//! Publishing a revision, moving and removing a document: each one transaction, so that a power
//! cut leaves either the old or the new.

use crate::connection::Store;
use crate::error::StoreError;
use crate::files::write_labels;
use crate::in_force::{answers_from, first_day};
use crate::inside;
use crate::vectors::{id_in_use, insert_vector};
use cloister_domain::{
    CollectionId, DocumentId, DocumentInfo, FileHash, FileId, Labels, Page, PassageDraft,
    PassageId, RevisionId, Timestamp,
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
    /// The files inside it, each kept among the originals. They are taken up in their turn.
    pub inside: Vec<FileInside>,
    /// What a `document.toml` said of the file when it was read.
    pub labels: Labels,
    /// SHA-256 of the model that made the vectors, which must be the one in use.
    pub embedder: String,
    /// How long it took from being taken up, in milliseconds.
    pub took_ms: u64,
}

/// A file that lies in another: an attachment of a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileInside {
    /// Its name, which names no folder and differs from its neighbours'.
    pub name: String,
    /// The hash of its bytes.
    pub hash: FileHash,
    /// Their number.
    pub size: u64,
}

/// What became of a file whose bytes may be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// They are not known here: the file has to be read.
    Unread,
    /// Its document has these bytes already.
    Unchanged,
    /// Its document had these bytes when it was removed, and answers again.
    Restored,
    /// A document that had these bytes elsewhere was moved here.
    Moved,
}

impl Store {
    /// Writes a revision with its pages and passages, supersedes the one before it from the day on
    /// that the new one is in force, and marks the file as ready. `None` where the file changed or
    /// went away meanwhile: nothing is written.
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
             WHERE document_id = $1 AND (superseded_at IS NULL OR superseded_at > $2)",
        )
        .bind(document.0)
        .bind(answers_from(&new.info.labels, now).as_millis())
        .execute(&mut *transaction)
        .await?;
        let revision = insert_revision(&mut transaction, document, new, now).await?;
        insert_pages(&mut transaction, revision, &new.pages).await?;
        insert_passages(&mut transaction, revision, new).await?;
        inside::replace(&mut transaction, new, now).await?;
        transaction.commit().await?;
        Ok(Some(revision))
    }

    /// Marks a file as ready where its bytes need no reading: its document has them already, or had
    /// them when it was removed, or another document had them that was moved here. The history
    /// stays with the document, and the files inside it come along.
    pub async fn settle_known(
        &self,
        file: FileId,
        hash: &FileHash,
        now: Timestamp,
    ) -> Result<Settled, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let settled = settle(&mut transaction, file, hash, now).await?;
        if settled != Settled::Unread {
            sqlx::query(
                "UPDATE files SET state = 'ready', hash = $2, updated_at = $3, lease_until = NULL
                 WHERE id = $1",
            )
            .bind(file.0)
            .bind(hash.as_str())
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .await?;
            inside::bring_back(&mut transaction, file, now).await?;
        }
        transaction.commit().await?;
        Ok(settled)
    }

    /// Notes that files are gone from the inbox. Their documents, and those of the files inside
    /// them, stop answering in the same step.
    pub async fn remove_files(&self, files: &[FileId], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        for file in files {
            inside::remove_tree(&mut transaction, *file, now).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn settle(
    transaction: &mut Transaction<'_, Sqlite>,
    file: FileId,
    hash: &FileHash,
    now: Timestamp,
) -> Result<Settled, StoreError> {
    let here: Option<(i64, bool)> = sqlx::query_as(
        "SELECT d.id, d.deleted_at IS NOT NULL FROM files f
         JOIN documents d ON d.collection_id = f.collection_id AND d.path = f.path
         JOIN revisions r ON r.document_id = d.id AND r.superseded_at IS NULL
         WHERE f.id = $1 AND r.hash = $2
           AND COALESCE(r.file_labels, '') = COALESCE(f.labels, '')",
    )
    .bind(file.0)
    .bind(hash.as_str())
    .fetch_optional(&mut **transaction)
    .await?;
    match here {
        Some((_, false)) => Ok(Settled::Unchanged),
        Some((document, true)) => {
            sqlx::query("UPDATE documents SET deleted_at = NULL WHERE id = $1")
                .bind(document)
                .execute(&mut **transaction)
                .await?;
            Ok(Settled::Restored)
        }
        None => match moved_from(transaction, file, hash).await? {
            Some(gone) => {
                inside::move_document(transaction, gone, file, now).await?;
                Ok(Settled::Moved)
            }
            None => Ok(Settled::Unread),
        },
    }
}

/// The file that held the document which these bytes are, where the inbox no longer has it there.
async fn moved_from(
    transaction: &mut Transaction<'_, Sqlite>,
    file: FileId,
    hash: &FileHash,
) -> Result<Option<FileId>, StoreError> {
    let gone: Option<i64> = sqlx::query_scalar(
        "SELECT gone.id FROM documents d
         JOIN revisions r ON r.document_id = d.id AND r.superseded_at IS NULL
         JOIN files gone ON gone.collection_id = d.collection_id AND gone.path = d.path
         JOIN files here ON here.id = $1
         WHERE r.hash = $2 AND gone.state = 'removed' AND gone.parent_id IS NULL
           AND here.parent_id IS NULL
           AND COALESCE(r.file_labels, '') = COALESCE(here.labels, '')
           AND NOT EXISTS (
             SELECT 1 FROM documents there
             WHERE there.collection_id = here.collection_id
               AND (there.path = here.path
                    OR substr(there.path, 1, length(here.path) + 1) = here.path || '/'))
         ORDER BY gone.updated_at DESC LIMIT 1",
    )
    .bind(file.0)
    .bind(hash.as_str())
    .fetch_optional(&mut **transaction)
    .await?;
    Ok(gone.map(FileId))
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
                                effective_from, in_force_from, file_labels, labels, dated)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) RETURNING id",
    )
    .bind(document.0)
    .bind(new.hash.as_str())
    .bind(i64::try_from(new.size).unwrap_or(i64::MAX))
    .bind(&new.info.title)
    .bind(&new.info.format)
    .bind(&new.info.language)
    .bind(i64::from(new.info.pages))
    .bind(warnings)
    .bind(answers_from(&new.info.labels, now).as_millis())
    .bind(first_day(&new.info.labels, now).to_string())
    .bind(write_labels(&new.labels)?)
    .bind(write_labels(&new.info.labels)?.unwrap_or_else(|| "{}".to_owned()))
    .bind(new.info.date.map(|day| day.to_string()))
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
    new: &NewRevision,
) -> Result<(), StoreError> {
    let embedder = id_in_use(transaction, &new.embedder).await?;
    for (draft, vector) in &new.passages {
        let draft = serde_json::to_string(draft).map_err(|e| StoreError::corrupt("passages", e))?;
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO passages (revision_id, draft) VALUES ($1, $2) RETURNING id",
        )
        .bind(revision.0)
        .bind(draft)
        .fetch_one(&mut **transaction)
        .await?;
        insert_vector(transaction, PassageId(id), embedder, vector).await?;
    }
    Ok(())
}

//! Publishing a revision, moving and removing a document. Each is one transaction, so that a power
//! cut leaves either the old or the new state.

use crate::attachments;
use crate::connection::Store;
use crate::error::StoreError;
use crate::files::encode_metadata;
use crate::in_force::{answers_from, first_day};
use crate::new_revision::NewRevision;
use crate::reading_accounts::insert_account;
use crate::vectors::{active_embedder_id, insert_vector};
use cloister_domain::{
    CollectionId, DocumentId, FileHash, FileId, Page, PassageId, RevisionId, Timestamp,
};
use sqlx::{Sqlite, Transaction};

/// Whether the content of a file is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentMatch {
    /// The content is unknown: the file has to be read.
    Unknown,
    /// The document has this content already.
    Unchanged,
    /// The document had this content before it was removed, and answers again.
    Restored,
    /// A document of the collection with this content was moved here.
    Moved,
}

/// The place of a file that is no longer in the inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedCopy {
    /// The name of its collection.
    pub collection: String,
    /// Its path in the collection.
    pub path: String,
}

impl Store {
    /// Writes a revision with its pages and passages, supersedes the previous one from the new
    /// one's first day, and marks the file as ready. Returns `None` and writes nothing if the file
    /// changed or was removed in the meantime.
    pub async fn publish(
        &self,
        new: &NewRevision,
        now: Timestamp,
    ) -> Result<Option<RevisionId>, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let Some((collection, path)) = mark_ready(&mut transaction, new, now).await? else {
            return Ok(None);
        };
        let document = ensure_document(&mut transaction, collection, &path, now).await?;
        sqlx::query(
            "UPDATE revisions SET superseded_at = $2
             WHERE document_id = $1 AND (superseded_at IS NULL OR superseded_at > $2)",
        )
        .bind(document.0)
        .bind(answers_from(&new.info.metadata, now).as_millis())
        .execute(&mut *transaction)
        .await?;
        let revision = insert_revision(&mut transaction, document, new, now).await?;
        insert_account(&mut transaction, revision, &new.info.account).await?;
        insert_pages(&mut transaction, revision, &new.pages).await?;
        insert_passages(&mut transaction, revision, new).await?;
        attachments::replace_attachments(&mut transaction, new, now).await?;
        transaction.commit().await?;
        Ok(Some(revision))
    }

    /// Marks a file as ready if its content is known and need not be read: its document has the
    /// content already, or had it before it was removed, or another document with the content was
    /// moved here. The document's history and its attachments are kept.
    pub async fn match_known_content(
        &self,
        file: FileId,
        hash: &FileHash,
        now: Timestamp,
    ) -> Result<ContentMatch, StoreError> {
        let mut transaction = self.writer.begin().await?;
        let found = find_known_content(&mut transaction, file, hash, now).await?;
        if found != ContentMatch::Unknown {
            sqlx::query(
                "UPDATE files SET state = 'ready', hash = $2, updated_at = $3, lease_until = NULL
                 WHERE id = $1",
            )
            .bind(file.0)
            .bind(hash.as_str())
            .bind(now.as_millis())
            .execute(&mut *transaction)
            .await?;
            attachments::requeue_attachments(&mut transaction, file, now).await?;
        }
        transaction.commit().await?;
        Ok(found)
    }

    /// Where the inbox last had a file with this content that is gone: in any collection.
    pub async fn removed_copy(
        &self,
        file: FileId,
        hash: &FileHash,
    ) -> Result<Option<RemovedCopy>, StoreError> {
        let found: Option<(String, String)> = sqlx::query_as(
            "SELECT c.name, gone.path FROM files gone
             JOIN collections c ON c.id = gone.collection_id
             WHERE gone.hash = $2 AND gone.id <> $1 AND gone.state = 'removed'
               AND gone.parent_id IS NULL
             ORDER BY gone.updated_at DESC LIMIT 1",
        )
        .bind(file.0)
        .bind(hash.as_str())
        .fetch_optional(&self.readers)
        .await?;
        Ok(found.map(|(collection, path)| RemovedCopy { collection, path }))
    }

    /// Marks files as removed from the inbox. Their documents, and those of their attachments, stop
    /// answering in the same transaction.
    pub async fn remove_files(&self, files: &[FileId], now: Timestamp) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        for file in files {
            attachments::remove_tree(&mut transaction, *file, now).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

async fn find_known_content(
    transaction: &mut Transaction<'_, Sqlite>,
    file: FileId,
    hash: &FileHash,
    now: Timestamp,
) -> Result<ContentMatch, StoreError> {
    let document: Option<(i64, bool)> = sqlx::query_as(
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
    match document {
        Some((_, false)) => Ok(ContentMatch::Unchanged),
        Some((document, true)) => {
            sqlx::query("UPDATE documents SET deleted_at = NULL WHERE id = $1")
                .bind(document)
                .execute(&mut **transaction)
                .await?;
            Ok(ContentMatch::Restored)
        }
        None => match find_moved_from(transaction, file, hash).await? {
            Some(gone) => {
                attachments::move_document(transaction, gone, file, now).await?;
                Ok(ContentMatch::Moved)
            }
            None => Ok(ContentMatch::Unknown),
        },
    }
}

/// The file of the same collection from which a document with this content was moved. The inbox no
/// longer contains it. In another collection the file is a new document: its history and its earlier
/// revisions stay with the readers who had them.
async fn find_moved_from(
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
           AND gone.collection_id = here.collection_id
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

async fn mark_ready(
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
    let warnings = to_json("revisions", &new.info.warnings)?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO revisions (document_id, hash, size, title, format, language, pages, warnings,
                                effective_from, in_force_from, file_labels, labels, dated,
                                stated_effective)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) RETURNING id",
    )
    .bind(document.0)
    .bind(new.hash.as_str())
    .bind(i64::try_from(new.size).unwrap_or(i64::MAX))
    .bind(&new.info.title)
    .bind(&new.info.format)
    .bind(&new.info.language)
    .bind(i64::from(new.info.pages))
    .bind(warnings)
    .bind(answers_from(&new.info.metadata, now).as_millis())
    .bind(first_day(&new.info.metadata, now).to_string())
    .bind(encode_metadata(&new.metadata)?)
    .bind(encode_metadata(&new.info.metadata)?.unwrap_or_else(|| "{}".to_owned()))
    .bind(new.info.date.map(|day| day.to_string()))
    .bind(new.info.stated_effective.map(|day| day.to_string()))
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
        let content = to_json("pages", page)?;
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
    let embedder = active_embedder_id(transaction, &new.embedder).await?;
    let mut ids: Vec<i64> = Vec::with_capacity(new.passages.len());
    for (draft, vector) in &new.passages {
        let id: i64 = sqlx::query_scalar(
            "INSERT INTO passages (revision_id, draft, row_of) VALUES ($1, $2, $3) RETURNING id",
        )
        .bind(revision.0)
        .bind(to_json("passages", draft)?)
        .bind(draft.row_of.and_then(|parent| ids.get(parent)))
        .fetch_one(&mut **transaction)
        .await?;
        ids.push(id);
        insert_vector(transaction, PassageId(id), embedder, vector).await?;
    }
    Ok(())
}

fn to_json<T: serde::Serialize + ?Sized>(
    table: &'static str,
    value: &T,
) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|cause| StoreError::corrupt(table, cause))
}

//! Attachments: files that are contained in another file. They are added, moved and removed
//! together with it.

use crate::error::StoreError;
use crate::files::encode_metadata;
use crate::new_revision::{NewAttachment, NewRevision};
use cloister_domain::{DocumentMetadata, FileId, Timestamp};
use sqlx::{Sqlite, Transaction};

/// A file and its attachments, at any depth.
const TREE: &str = "WITH RECURSIVE tree (id) AS (
                        SELECT id FROM files WHERE id = $1
                        UNION ALL
                        SELECT f.id FROM files f JOIN tree ON f.parent_id = tree.id) ";

/// Replaces the attachments of the file that `new` was read from. New ones wait to be ingested; the
/// documents of those that no longer exist are tombstoned.
pub async fn replace_attachments(
    transaction: &mut Transaction<'_, Sqlite>,
    new: &NewRevision,
    now: Timestamp,
) -> Result<(), StoreError> {
    let previous: Vec<(i64, String)> = sqlx::query_as(
        "SELECT f.id, substr(f.path, length(p.path) + 2)
         FROM files f JOIN files p ON p.id = f.parent_id WHERE p.id = $1",
    )
    .bind(new.file.0)
    .fetch_all(&mut **transaction)
    .await?;
    for (id, name) in previous {
        if !new
            .attachments
            .iter()
            .any(|attachment| attachment.name == name)
        {
            remove_tree(transaction, FileId(id), now).await?;
            // It is not restored together with its parent.
            sqlx::query("UPDATE files SET parent_id = NULL WHERE id = $1")
                .bind(id)
                .execute(&mut **transaction)
                .await?;
        }
    }
    let metadata = encode_metadata(&DocumentMetadata {
        title: None,
        ..new.metadata.clone()
    })?;
    for attachment in &new.attachments {
        insert_attachment(transaction, new.file, attachment, metadata.as_deref(), now).await?;
    }
    Ok(())
}

async fn insert_attachment(
    transaction: &mut Transaction<'_, Sqlite>,
    parent: FileId,
    attachment: &NewAttachment,
    metadata: Option<&str>,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO files (collection_id, path, state, hash, size, modified_at, seen_at,
                            updated_at, parent_id, labels)
         SELECT collection_id, path || '/' || $2, 'waiting', $3, $4, modified_at, $5, $5, id, $6
         FROM files WHERE id = $1
         ON CONFLICT (collection_id, path) DO UPDATE
         SET state = 'waiting', hash = $3, size = $4, updated_at = $5, parent_id = $1, labels = $6,
             reason = NULL, attempts = 0, pages_done = 0, pages_total = 0, lease_until = NULL",
    )
    .bind(parent.0)
    .bind(&attachment.name)
    .bind(attachment.hash.as_str())
    .bind(i64::try_from(attachment.size).unwrap_or(i64::MAX))
    .bind(now.as_millis())
    .bind(metadata)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Marks a file and its attachments as removed, and tombstones their documents.
pub async fn remove_tree(
    transaction: &mut Transaction<'_, Sqlite>,
    root: FileId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let documents = "UPDATE documents SET deleted_at = $2
         WHERE deleted_at IS NULL AND EXISTS (
             SELECT 1 FROM files f WHERE f.id IN (SELECT id FROM tree)
               AND f.collection_id = documents.collection_id AND f.path = documents.path)";
    let files = "UPDATE files SET state = 'removed', updated_at = $2, lease_until = NULL
         WHERE id IN (SELECT id FROM tree)";
    for statement in [documents, files] {
        sqlx::query(sqlx::AssertSqlSafe(format!("{TREE}{statement}")))
            .bind(root.0)
            .bind(now.as_millis())
            .execute(&mut **transaction)
            .await?;
    }
    Ok(())
}

/// Requeues the attachments of a restored file. Their content is known.
pub async fn requeue_attachments(
    transaction: &mut Transaction<'_, Sqlite>,
    parent: FileId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "UPDATE files SET state = 'waiting', updated_at = $2, attempts = 0
         WHERE parent_id = $1 AND state = 'removed'",
    )
    .bind(parent.0)
    .bind(now.as_millis())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Gives the documents of `from` and of its attachments the path of `to`.
pub async fn move_document(
    transaction: &mut Transaction<'_, Sqlite>,
    from: FileId,
    to: FileId,
    now: Timestamp,
) -> Result<(), StoreError> {
    let new_place = "collection_id = (SELECT collection_id FROM files WHERE id = $2),
         path = (SELECT path FROM files WHERE id = $2)
             || substr(path, (SELECT length(path) + 1 FROM files WHERE id = $1))";
    let documents = format!(
        "{TREE}UPDATE documents SET {new_place}, deleted_at = NULL
         WHERE EXISTS (SELECT 1 FROM files f WHERE f.id IN (SELECT id FROM tree)
             AND f.collection_id = documents.collection_id AND f.path = documents.path)"
    );
    let files = format!(
        "{TREE}UPDATE files SET {new_place}, state = 'waiting', attempts = 0, updated_at = $3,
             parent_id = CASE parent_id WHEN $1 THEN $2 ELSE parent_id END
         WHERE id IN (SELECT id FROM tree) AND id <> $1"
    );
    sqlx::query(sqlx::AssertSqlSafe(documents))
        .bind(from.0)
        .bind(to.0)
        .execute(&mut **transaction)
        .await?;
    sqlx::query(sqlx::AssertSqlSafe(files))
        .bind(from.0)
        .bind(to.0)
        .bind(now.as_millis())
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

//! Files inside files: they come with the file they lie in, move with it and go with it.

use crate::error::StoreError;
use crate::files::write_labels;
use crate::publish::{FileInside, NewRevision};
use cloister_domain::{FileId, Labels, Timestamp};
use sqlx::{Sqlite, Transaction};

/// A file and all that lies in it, at any depth.
const TREE: &str = "WITH RECURSIVE tree (id) AS (
                        SELECT id FROM files WHERE id = $1
                        UNION ALL
                        SELECT f.id FROM files f JOIN tree ON f.parent_id = tree.id) ";

/// Makes the files inside `new` those that lie in its file: new ones wait their turn, those that
/// are no longer there stop answering.
pub async fn replace(
    transaction: &mut Transaction<'_, Sqlite>,
    new: &NewRevision,
    now: Timestamp,
) -> Result<(), StoreError> {
    let before: Vec<(i64, String)> = sqlx::query_as(
        "SELECT f.id, substr(f.path, length(p.path) + 2)
         FROM files f JOIN files p ON p.id = f.parent_id WHERE p.id = $1",
    )
    .bind(new.file.0)
    .fetch_all(&mut **transaction)
    .await?;
    for (id, name) in before {
        if !new.inside.iter().any(|inside| inside.name == name) {
            remove_tree(transaction, FileId(id), now).await?;
            // It does not come back with its parent.
            sqlx::query("UPDATE files SET parent_id = NULL WHERE id = $1")
                .bind(id)
                .execute(&mut **transaction)
                .await?;
        }
    }
    let labels = write_labels(&Labels {
        title: None,
        ..new.labels.clone()
    })?;
    for inside in &new.inside {
        add(transaction, new.file, inside, labels.as_deref(), now).await?;
    }
    Ok(())
}

async fn add(
    transaction: &mut Transaction<'_, Sqlite>,
    parent: FileId,
    inside: &FileInside,
    labels: Option<&str>,
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
    .bind(&inside.name)
    .bind(inside.hash.as_str())
    .bind(i64::try_from(inside.size).unwrap_or(i64::MAX))
    .bind(now.as_millis())
    .bind(labels)
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Notes that a file and all that lies in it are gone, and tombstones their documents.
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

/// Has the files inside a file that came back taken up again; their bytes are known.
pub async fn bring_back(
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

/// Gives the documents of `from` and of all that lies in it the path of `to`.
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

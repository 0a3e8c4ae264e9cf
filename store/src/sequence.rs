//! The passages in the order of their sequence numbers, which indexes follow.

use crate::connection::Store;
use crate::error::StoreError;
use crate::files::parse_metadata;
use crate::in_force::in_force_on;
use crate::numbers::to_count;
use cloister_domain::{Day, PassageDraft, PassageId, RevisionId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

/// A passage as an index receives it.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPassage {
    /// Its id and sequence number.
    pub id: PassageId,
    /// The revision it belongs to.
    pub revision: RevisionId,
    /// The revision's title.
    pub title: String,
    /// On the first passage of a revision: the document's path and tags, which are searchable too.
    pub document_keywords: Option<String>,
    /// ISO 639-3 code of the document's language, if it was detected.
    pub language: Option<String>,
    /// The passage.
    pub draft: PassageDraft,
    /// Its vector; empty if the embedder has not made it yet.
    pub vector: Vec<f32>,
}

impl Store {
    /// The next passages after `sequence` of documents that exist, at most `limit`, with the
    /// vectors of the active embedder. Passages of superseded revisions are included, because a
    /// question may ask for a day in the past.
    pub async fn passages_after(
        &self,
        sequence: PassageId,
        limit: u32,
    ) -> Result<Vec<StoredPassage>, StoreError> {
        self.passages_after_by_model(None, sequence, limit).await
    }

    /// The same with the vectors of the embedder with this SHA-256, or of the active one if it is
    /// `None`.
    pub async fn passages_after_by_model(
        &self,
        embedder: Option<&str>,
        sequence: PassageId,
        limit: u32,
    ) -> Result<Vec<StoredPassage>, StoreError> {
        let rows = sqlx::query(
            "SELECT p.id, p.revision_id, r.title, p.draft, v.vector, r.language, r.labels, d.path,
                    p.id = (SELECT MIN(f.id) FROM passages f
                            WHERE f.revision_id = p.revision_id) AS first
             FROM passages p
             JOIN revisions r ON r.id = p.revision_id
             JOIN documents d ON d.id = r.document_id
             LEFT JOIN vectors v ON v.passage_id = p.id AND v.embedder_id = (
               SELECT e.id FROM embedders e
               WHERE CASE WHEN $3 IS NULL THEN e.state <> 'aside' ELSE e.sha256 = $3 END)
             WHERE p.id > $1 AND d.deleted_at IS NULL
             ORDER BY p.id LIMIT $2",
        )
        .bind(sequence.0)
        .bind(i64::from(limit))
        .bind(embedder)
        .fetch_all(&self.readers)
        .await?;
        rows.iter()
            .map(|row| {
                let draft: String = row.try_get("draft")?;
                let first: bool = row.try_get("first")?;
                let document_keywords = if first {
                    Some(document_keywords(row)?)
                } else {
                    None
                };
                let vector: Option<&[u8]> = row.try_get("vector")?;
                Ok(StoredPassage {
                    document_keywords,
                    language: row.try_get("language")?,
                    id: PassageId(row.try_get("id")?),
                    revision: RevisionId(row.try_get("revision_id")?),
                    title: row.try_get("title")?,
                    draft: parse_draft(&draft)?,
                    vector: parse_vector(vector.unwrap_or_default())?,
                })
            })
            .collect()
    }

    /// The passages of the document `collection/path` as it is in force on `day`, with their texts.
    /// Empty if there is no such document.
    pub async fn document_passages(
        &self,
        document: &str,
        day: Day,
    ) -> Result<Vec<(PassageId, String)>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT p.id, p.draft FROM passages p
             JOIN revisions r ON r.id = p.revision_id
             JOIN documents d ON d.id = r.document_id
             JOIN collections c ON c.id = d.collection_id
             WHERE d.deleted_at IS NULL AND c.name || '/' || d.path = ",
        );
        query.push_bind(document);
        in_force_on(&mut query, day);
        query.push(" ORDER BY p.id");
        let rows: Vec<(i64, String)> = query.build_query_as().fetch_all(&self.readers).await?;
        rows.into_iter()
            .map(|(id, draft)| Ok((PassageId(id), parse_draft(&draft)?.text)))
            .collect()
    }

    /// The revisions in force on `day`. For indexes; searches use [`crate::Library`].
    pub async fn revisions_in_force_on(&self, day: Day) -> Result<Vec<RevisionId>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT r.id FROM revisions r JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL",
        );
        in_force_on(&mut query, day);
        let ids: Vec<i64> = query.build_query_scalar().fetch_all(&self.readers).await?;
        Ok(ids.into_iter().map(RevisionId).collect())
    }

    /// The revisions, including superseded ones, of documents that exist or were removed after
    /// `since`: a removed document may be restored at another path. Revisions without passages are
    /// left out. For indexes; searches use [`crate::Library`].
    pub async fn revisions_live_since(
        &self,
        since: Timestamp,
    ) -> Result<Vec<RevisionId>, StoreError> {
        let ids: Vec<i64> = sqlx::query_scalar(
            "SELECT r.id FROM revisions r JOIN documents d ON d.id = r.document_id
             WHERE COALESCE(d.deleted_at, $1) >= $1
               AND EXISTS (SELECT 1 FROM passages p WHERE p.revision_id = r.id)
             ORDER BY r.id",
        )
        .bind(since.as_millis())
        .fetch_all(&self.readers)
        .await?;
        Ok(ids.into_iter().map(RevisionId).collect())
    }

    /// The number of passages that an index contains: those of documents that exist, including
    /// superseded and future revisions.
    pub async fn count_indexable_passages(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM passages p
             JOIN revisions r ON r.id = p.revision_id
             JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(to_count(count))
    }

    /// The id of the newest passage, or 0 if there is none.
    pub async fn last_passage(&self) -> Result<PassageId, StoreError> {
        let last: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM passages")
            .fetch_one(&self.readers)
            .await?;
        Ok(PassageId(last))
    }

    /// The number of passages in force on `day`.
    pub async fn count_passages(&self, day: Day) -> Result<u64, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT COUNT(*) FROM passages p
             JOIN revisions r ON r.id = p.revision_id
             JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL",
        );
        in_force_on(&mut query, day);
        let count: i64 = query.build_query_scalar().fetch_one(&self.readers).await?;
        Ok(to_count(count))
    }
}

fn document_keywords(row: &SqliteRow) -> Result<String, StoreError> {
    let path: String = row.try_get("path")?;
    let labels = parse_metadata(row.try_get("labels")?)?;
    Ok(format!("{path}\n{}", labels.tags.join("\n")))
}

pub(crate) fn parse_draft(json: &str) -> Result<PassageDraft, StoreError> {
    serde_json::from_str(json).map_err(|e| StoreError::corrupt("passages", e))
}

pub(crate) fn encode_vector(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn parse_vector(bytes: &[u8]) -> Result<Vec<f32>, StoreError> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(StoreError::corrupt("vectors", "a vector is cut short"));
    }
    Ok(numbers.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

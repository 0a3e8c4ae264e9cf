//! The passages in the order of their commits: what the indexes follow.

use crate::connection::Store;
use crate::error::StoreError;
use crate::files::read_labels;
use crate::in_force::in_force_on;
use cloister_domain::{Day, PassageDraft, PassageId, RevisionId, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row};

/// A passage as an index takes it in.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredPassage {
    /// Its id and sequence number.
    pub id: PassageId,
    /// The revision it was cut from.
    pub revision: RevisionId,
    /// That revision's title.
    pub title: String,
    /// On a revision's first passage, what tells the document from others: its path, its tags.
    pub about: Option<String>,
    /// ISO 639-3 code of the document's language, where it could be told.
    pub language: Option<String>,
    /// The passage.
    pub draft: PassageDraft,
    /// Its vector; empty where the model has yet to make it.
    pub vector: Vec<f32>,
}

impl Store {
    /// The next passages after `sequence` of documents that answer today, at most `limit`, with the
    /// vectors of the model in use. Those of superseded revisions are among them: a question may ask
    /// for what was in force on a day.
    pub async fn passages_after(
        &self,
        sequence: PassageId,
        limit: u32,
    ) -> Result<Vec<StoredPassage>, StoreError> {
        self.passages_by(None, sequence, limit).await
    }

    /// The same with the vectors of the model `embedder`, a SHA-256; of the one in use without.
    pub async fn passages_by(
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
                let about = first.then(|| about(row)).transpose()?;
                let vector: Option<&[u8]> = row.try_get("vector")?;
                Ok(StoredPassage {
                    about,
                    language: row.try_get("language")?,
                    id: PassageId(row.try_get("id")?),
                    revision: RevisionId(row.try_get("revision_id")?),
                    title: row.try_get("title")?,
                    draft: parse_draft(&draft)?,
                    vector: read_vector(vector.unwrap_or_default())?,
                })
            })
            .collect()
    }

    /// The passages, with their texts, of the document `collection/path` as it is on `day`; none where
    /// there is no such document.
    pub async fn passages_of(
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

    /// The revisions that answer on `day`. For the indexes; questions go through [`crate::Library`].
    pub async fn revisions_on(&self, day: Day) -> Result<Vec<RevisionId>, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT r.id FROM revisions r JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL",
        );
        in_force_on(&mut query, day);
        let ids: Vec<i64> = query.build_query_scalar().fetch_all(&self.readers).await?;
        Ok(ids.into_iter().map(RevisionId).collect())
    }

    /// The revisions, superseded ones among them, of documents that answer today or did until
    /// `since`: one that was removed may be back at once under another name. Those without passages
    /// are not among them. For the indexes; questions go through [`crate::Library`].
    pub async fn revisions_since(&self, since: Timestamp) -> Result<Vec<RevisionId>, StoreError> {
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

    /// How many passages an index is fed: those of documents that are there, superseded revisions and
    /// those to come among them.
    pub async fn count_fed(&self) -> Result<u64, StoreError> {
        let count: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM passages p
             JOIN revisions r ON r.id = p.revision_id
             JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL",
        )
        .fetch_one(&self.readers)
        .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// How many passages answer on `day`.
    pub async fn count_passages(&self, day: Day) -> Result<u64, StoreError> {
        let mut query = QueryBuilder::new(
            "SELECT COUNT(*) FROM passages p
             JOIN revisions r ON r.id = p.revision_id
             JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL",
        );
        in_force_on(&mut query, day);
        let count: i64 = query.build_query_scalar().fetch_one(&self.readers).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }
}

fn about(row: &SqliteRow) -> Result<String, StoreError> {
    let path: String = row.try_get("path")?;
    let labels = read_labels(row.try_get("labels")?)?;
    Ok(format!("{path}\n{}", labels.tags.join("\n")))
}

pub(crate) fn parse_draft(json: &str) -> Result<PassageDraft, StoreError> {
    serde_json::from_str(json).map_err(|e| StoreError::corrupt("passages", e))
}

pub(crate) fn vector_bytes(vector: &[f32]) -> Vec<u8> {
    vector.iter().flat_map(|x| x.to_le_bytes()).collect()
}

fn read_vector(bytes: &[u8]) -> Result<Vec<f32>, StoreError> {
    let (numbers, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(StoreError::corrupt("vectors", "a vector is cut short"));
    }
    Ok(numbers.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

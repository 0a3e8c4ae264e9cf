//! What one person may read: a handle that never returns anything outside what was permitted.

use crate::connection::Store;
use crate::error::StoreError;
use crate::files::parse_metadata;
use crate::in_force::{in_force_on, in_force_on_or_after};
use crate::sequence::parse_draft;
use cloister_domain::{
    CollectionId, Day, DocumentId, DocumentMetadata, FileHash, Page, Passage, PassageId, Permitted,
    RevisionId, Timestamp,
};
use serde::Serialize;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite};
use std::collections::HashMap;

/// The documents that one person may read, for one request.
#[derive(Clone, Debug)]
pub struct Library {
    store: Store,
    // INVARIANT: every query of this handle is joined with these collections.
    permitted: Permitted,
    today: Day,
}

/// A revision: one content of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevisionRecord {
    /// Its id.
    pub id: RevisionId,
    /// The document.
    pub document: DocumentId,
    /// The collection.
    pub collection: CollectionId,
    /// The collection's name.
    pub collection_name: String,
    /// The path inside the collection.
    pub path: String,
    /// SHA-256 of its bytes.
    pub hash: FileHash,
    /// The title.
    pub title: String,
    /// The format as which it was read.
    pub format: String,
    /// ISO 639-3 code of its main language, if it was detected.
    pub language: Option<String>,
    /// The day of its last change, according to the file.
    pub dated: Option<Day>,
    /// The day since which it is in force, by its own words.
    #[serde(default)]
    pub stated_effective: Option<Day>,
    /// How many pages it has.
    pub pages: u32,
    /// The time from which it answers. In the future if its first day has not come.
    pub effective_from: Timestamp,
    /// The time from which a newer revision answers instead; `None` until the newer revision's
    /// first day has come.
    pub superseded_at: Option<Timestamp>,
    /// Whether its reading lost a material part of the file.
    pub incomplete: bool,
    /// Its metadata.
    #[serde(rename = "labels")]
    pub metadata: DocumentMetadata,
}

/// A document, as its current or future revision.
pub type DocumentRecord = RevisionRecord;

const REVISION: &str = "SELECT r.id, r.document_id, d.collection_id, c.name AS collection_name, \
                        d.path, r.hash, r.title, r.format, r.language, r.dated, r.stated_effective, r.pages, \
                        r.effective_from, r.superseded_at, r.labels, \
                        EXISTS (SELECT 1 FROM reading_accounts a WHERE a.revision_id = r.id \
                        AND a.finding = 'not-understood') AS incomplete \
                        FROM revisions r JOIN documents d ON d.id = r.document_id \
                        JOIN collections c ON c.id = d.collection_id \
                        WHERE d.deleted_at IS NULL";

impl Store {
    /// Whether a revision exists and its document was not removed. Permissions are not checked.
    pub async fn is_revision_of_present_document(
        &self,
        id: RevisionId,
    ) -> Result<bool, StoreError> {
        let found: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM revisions r JOIN documents d ON d.id = r.document_id
             WHERE r.id = $1 AND d.deleted_at IS NULL",
        )
        .bind(id.0)
        .fetch_one(&self.readers)
        .await?;
        Ok(found > 0)
    }

    /// The documents inside `permitted`, as they are in force `today`.
    pub fn library(&self, permitted: Permitted, today: Day) -> Library {
        Library {
            store: self.clone(),
            permitted,
            today,
        }
    }
}

impl Library {
    /// The collections that may be read.
    pub fn permitted(&self) -> &Permitted {
        &self.permitted
    }

    /// The day whose revisions are in force.
    pub(crate) fn today(&self) -> Day {
        self.today
    }

    /// The revisions that are in force today.
    pub async fn current_revisions(&self) -> Result<Vec<RevisionId>, StoreError> {
        if self.permitted.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(
            "SELECT r.id FROM revisions r JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL",
        );
        in_force_on(&mut query, self.today);
        self.narrow(&mut query);
        let ids: Vec<i64> = query
            .build_query_scalar()
            .fetch_all(&self.store.readers)
            .await?;
        Ok(ids.into_iter().map(RevisionId).collect())
    }

    /// The documents by title: their revisions that are in force today or will be later.
    pub async fn documents(&self) -> Result<Vec<DocumentRecord>, StoreError> {
        let mut query = QueryBuilder::new(REVISION);
        in_force_on_or_after(&mut query, self.today);
        let mut documents = self.records(query).await?;
        documents.sort_by(|a, b| (&a.title, a.id).cmp(&(&b.title, b.id)));
        Ok(documents)
    }

    /// The revisions in force on `day`.
    pub(crate) async fn in_force_on(&self, day: Day) -> Result<Vec<RevisionRecord>, StoreError> {
        let mut query = QueryBuilder::new(REVISION);
        in_force_on(&mut query, day);
        self.records(query).await
    }

    /// The revisions that answered once and are superseded today, of documents that still exist.
    pub(crate) async fn superseded_records(&self) -> Result<Vec<RevisionRecord>, StoreError> {
        let mut query = QueryBuilder::new(REVISION);
        // A revision that was replaced before its first day never answered.
        query.push(" AND r.superseded_at > r.effective_from");
        let mut replaced = self.records(query).await?;
        replaced.retain(|revision| revision.superseded_at.is_some());
        Ok(replaced)
    }

    /// These revisions, superseded or not. Those that may not be read are left out.
    pub async fn revisions_by_id(
        &self,
        ids: &[RevisionId],
    ) -> Result<HashMap<RevisionId, RevisionRecord>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut query = QueryBuilder::new(REVISION);
        query.push(" AND r.id IN (");
        push_list(&mut query, ids.iter().map(|id| id.0));
        let records = self.records(query).await?.into_iter();
        Ok(records.map(|record| (record.id, record)).collect())
    }

    /// A revision, superseded or not, so that old citations can be opened.
    pub async fn revision(&self, id: RevisionId) -> Result<Option<RevisionRecord>, StoreError> {
        Ok(self.revisions_by_id(&[id]).await?.remove(&id))
    }

    /// A page of a revision.
    pub async fn page(&self, id: RevisionId, number: u32) -> Result<Option<Page>, StoreError> {
        if self.permitted.is_empty() {
            return Ok(None);
        }
        let mut query = QueryBuilder::new(
            "SELECT pg.content FROM pages pg JOIN revisions r ON r.id = pg.revision_id
             JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL AND pg.revision_id = ",
        );
        query
            .push_bind(id.0)
            .push(" AND pg.number = ")
            .push_bind(i64::from(number));
        self.narrow(&mut query);
        let content: Option<String> = query
            .build_query_scalar()
            .fetch_optional(&self.store.readers)
            .await?;
        content
            .map(|json| serde_json::from_str(&json).map_err(|e| StoreError::corrupt("pages", e)))
            .transpose()
    }

    /// These passages, in the given order. Those that may not be read are left out.
    pub async fn passages(&self, ids: &[PassageId]) -> Result<Vec<Passage>, StoreError> {
        if self.permitted.is_empty() || ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(
            "SELECT p.id, p.revision_id, p.row_of, p.draft, r.document_id, d.collection_id
             FROM passages p JOIN revisions r ON r.id = p.revision_id
             JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL AND p.id IN (",
        );
        push_list(&mut query, ids.iter().map(|id| id.0));
        self.narrow(&mut query);
        let rows = query.build().fetch_all(&self.store.readers).await?;
        let mut found: Vec<Passage> = rows.iter().map(parse_passage).collect::<Result<_, _>>()?;
        found.sort_by_key(|passage| ids.iter().position(|id| *id == passage.id));
        Ok(found)
    }

    /// At most `count` passages in force, spread over all documents. The selection is the same
    /// until a document is added.
    pub async fn sample(&self, count: u32) -> Result<Vec<Passage>, StoreError> {
        if self.permitted.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(
            "SELECT p.id, p.revision_id, p.row_of, p.draft, r.document_id, d.collection_id
             FROM passages p JOIN revisions r ON r.id = p.revision_id
             JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL AND p.row_of IS NULL",
        );
        in_force_on(&mut query, self.today);
        self.narrow(&mut query);
        // Multiplying by a prime gives an order that is unrelated to the documents'.
        query.push(" ORDER BY (p.id * 7919) % 10007, p.id LIMIT ");
        query.push_bind(i64::from(count));
        let rows = query.build().fetch_all(&self.store.readers).await?;
        rows.iter().map(parse_passage).collect()
    }

    /// Runs a query over [`REVISION`], restricted to what may be read.
    async fn records(
        &self,
        mut query: QueryBuilder<Sqlite>,
    ) -> Result<Vec<RevisionRecord>, StoreError> {
        if self.permitted.is_empty() {
            return Ok(Vec::new());
        }
        self.narrow(&mut query);
        let rows = query.build().fetch_all(&self.store.readers).await?;
        rows.iter()
            .map(|row| parse_revision(row, self.today))
            .collect()
    }

    fn narrow(&self, query: &mut QueryBuilder<Sqlite>) {
        query.push(" AND d.collection_id IN (");
        push_list(query, self.permitted.collections().map(|id| id.0));
    }
}

/// Completes an `IN (` with these ids.
fn push_list(query: &mut QueryBuilder<Sqlite>, ids: impl Iterator<Item = i64>) {
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id);
    }
    query.push(")");
}

fn parse_passage(row: &SqliteRow) -> Result<Passage, StoreError> {
    let draft: String = row.try_get("draft")?;
    Ok(Passage {
        id: PassageId(row.try_get("id")?),
        revision: RevisionId(row.try_get("revision_id")?),
        document: DocumentId(row.try_get("document_id")?),
        collection: CollectionId(row.try_get("collection_id")?),
        row_of: row.try_get::<Option<i64>, _>("row_of")?.map(PassageId),
        draft: parse_draft(&draft)?,
    })
}

fn parse_day(row: &SqliteRow, column: &str) -> Result<Option<Day>, StoreError> {
    row.try_get::<Option<String>, _>(column)?
        .map(|day| Day::try_from(day).map_err(|e| StoreError::corrupt("revisions", e)))
        .transpose()
}

fn parse_revision(row: &SqliteRow, today: Day) -> Result<RevisionRecord, StoreError> {
    let hash: String = row.try_get("hash")?;
    let pages: i64 = row.try_get("pages")?;
    let superseded_at: Option<i64> = row.try_get("superseded_at")?;
    Ok(RevisionRecord {
        id: RevisionId(row.try_get("id")?),
        document: DocumentId(row.try_get("document_id")?),
        collection: CollectionId(row.try_get("collection_id")?),
        collection_name: row.try_get("collection_name")?,
        path: row.try_get("path")?,
        hash: FileHash::try_from(hash).map_err(|e| StoreError::corrupt("revisions", e))?,
        title: row.try_get("title")?,
        format: row.try_get("format")?,
        language: row.try_get("language")?,
        dated: parse_day(row, "dated")?,
        stated_effective: parse_day(row, "stated_effective")?,
        pages: u32::try_from(pages).unwrap_or(0),
        effective_from: Timestamp::from_millis(row.try_get("effective_from")?),
        superseded_at: superseded_at
            .map(Timestamp::from_millis)
            .filter(|moment| Day::from_timestamp(*moment) <= today),
        incomplete: row.try_get("incomplete")?,
        metadata: parse_metadata(Some(row.try_get("labels")?))?,
    })
}

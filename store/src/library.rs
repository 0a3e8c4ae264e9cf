//! What one person may read: a handle that never reaches outside what was permitted.

use crate::connection::Store;
use crate::error::StoreError;
use crate::files::read_labels;
use crate::in_force::{in_force_on, in_force_on_or_after};
use crate::sequence::parse_draft;
use cloister_domain::{
    CollectionId, Day, DocumentId, FileHash, Labels, Page, Passage, PassageId, Permitted,
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

/// One content of a document.
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
    /// The format it was read as.
    pub format: String,
    /// ISO 639-3 code of its main language, where it could be told.
    pub language: Option<String>,
    /// The day of its last change, as it says itself.
    pub dated: Option<Day>,
    /// How many pages it has.
    pub pages: u32,
    /// Since when it answers: when it was taken in, or its day began; a moment to come where its
    /// day is yet to come.
    pub effective_from: Timestamp,
    /// Since when a newer one answers instead; absent until the newer one's day has come.
    pub superseded_at: Option<Timestamp>,
    /// What is said about it.
    pub labels: Labels,
}

/// A document and what it says today, or will say from a day on.
pub type DocumentRecord = RevisionRecord;

const REVISION: &str = "SELECT r.id, r.document_id, d.collection_id, c.name AS collection_name, \
                        d.path, r.hash, r.title, r.format, r.language, r.dated, r.pages, \
                        r.effective_from, r.superseded_at, r.labels \
                        FROM revisions r JOIN documents d ON d.id = r.document_id \
                        JOIN collections c ON c.id = d.collection_id \
                        WHERE d.deleted_at IS NULL";

impl Store {
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
    /// The collections that this handle reaches.
    pub fn permitted(&self) -> &Permitted {
        &self.permitted
    }

    /// The day whose revisions answer.
    pub(crate) fn today(&self) -> Day {
        self.today
    }

    /// The revisions that answer today.
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

    /// The documents by title: what answers today, and what is to answer from a later day on.
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

    /// The revisions that answered once and are superseded by today, of documents that are there.
    pub(crate) async fn superseded_records(&self) -> Result<Vec<RevisionRecord>, StoreError> {
        let mut query = QueryBuilder::new(REVISION);
        // One that was replaced before its day never answered.
        query.push(" AND r.superseded_at > r.effective_from");
        let replaced = self.records(query).await?.into_iter();
        Ok(replaced.filter(|r| r.superseded_at.is_some()).collect())
    }

    /// These revisions, superseded or not; those that may not be read are left out.
    pub async fn revisions_of(
        &self,
        ids: &[RevisionId],
    ) -> Result<HashMap<RevisionId, RevisionRecord>, StoreError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut query = QueryBuilder::new(REVISION);
        query.push(" AND r.id IN (");
        push_list(&mut query, ids.iter().map(|id| id.0));
        let known = self.records(query).await?.into_iter();
        Ok(known.map(|r| (r.id, r)).collect())
    }

    /// A revision, superseded or not, so that an old citation still opens.
    pub async fn revision(&self, id: RevisionId) -> Result<Option<RevisionRecord>, StoreError> {
        Ok(self.revisions_of(&[id]).await?.remove(&id))
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

    /// These passages, in the order asked for; those that may not be read are left out.
    pub async fn passages(&self, ids: &[PassageId]) -> Result<Vec<Passage>, StoreError> {
        if self.permitted.is_empty() || ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(
            "SELECT p.id, p.revision_id, p.draft, r.document_id, d.collection_id
             FROM passages p JOIN revisions r ON r.id = p.revision_id
             JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL AND p.id IN (",
        );
        push_list(&mut query, ids.iter().map(|id| id.0));
        self.narrow(&mut query);
        let rows = query.build().fetch_all(&self.store.readers).await?;
        let mut found: Vec<Passage> = rows.iter().map(passage).collect::<Result<_, _>>()?;
        let place = |id: PassageId| ids.iter().position(|asked| *asked == id);
        found.sort_by_key(|passage| place(passage.id));
        Ok(found)
    }

    /// About so many passages of documents that answer today, from all over them; the same ones
    /// each time, as long as nothing is added.
    pub async fn sample(&self, count: u32) -> Result<Vec<Passage>, StoreError> {
        if self.permitted.is_empty() {
            return Ok(Vec::new());
        }
        let mut query = QueryBuilder::new(
            "SELECT p.id, p.revision_id, p.draft, r.document_id, d.collection_id
             FROM passages p JOIN revisions r ON r.id = p.revision_id
             JOIN documents d ON d.id = r.document_id
             WHERE d.deleted_at IS NULL",
        );
        in_force_on(&mut query, self.today);
        self.narrow(&mut query);
        // A prime takes the passages in an order that has nothing to do with their documents'.
        query.push(" ORDER BY (p.id * 7919) % 10007, p.id LIMIT ");
        query.push_bind(i64::from(count));
        let rows = query.build().fetch_all(&self.store.readers).await?;
        rows.iter().map(passage).collect()
    }

    /// The revisions that a query over [`REVISION`] asks for, as far as they may be read.
    async fn records(
        &self,
        mut query: QueryBuilder<Sqlite>,
    ) -> Result<Vec<RevisionRecord>, StoreError> {
        if self.permitted.is_empty() {
            return Ok(Vec::new());
        }
        self.narrow(&mut query);
        let rows = query.build().fetch_all(&self.store.readers).await?;
        rows.iter().map(|row| revision(row, self.today)).collect()
    }

    fn narrow(&self, query: &mut QueryBuilder<Sqlite>) {
        query.push(" AND d.collection_id IN (");
        push_list(query, self.permitted.collections().map(|id| id.0));
    }
}

/// Ends an `IN (` with these ids.
fn push_list(query: &mut QueryBuilder<Sqlite>, ids: impl Iterator<Item = i64>) {
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(id);
    }
    query.push(")");
}

fn passage(row: &SqliteRow) -> Result<Passage, StoreError> {
    let draft: String = row.try_get("draft")?;
    Ok(Passage {
        id: PassageId(row.try_get("id")?),
        revision: RevisionId(row.try_get("revision_id")?),
        document: DocumentId(row.try_get("document_id")?),
        collection: CollectionId(row.try_get("collection_id")?),
        draft: parse_draft(&draft)?,
    })
}

fn revision(row: &SqliteRow, today: Day) -> Result<RevisionRecord, StoreError> {
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
        dated: row
            .try_get::<Option<String>, _>("dated")?
            .map(|day| Day::try_from(day).map_err(|e| StoreError::corrupt("revisions", e)))
            .transpose()?,
        pages: u32::try_from(pages).unwrap_or(0),
        effective_from: Timestamp::from_millis(row.try_get("effective_from")?),
        superseded_at: superseded_at
            .map(Timestamp::from_millis)
            .filter(|moment| Day::of(*moment) <= today),
        labels: read_labels(Some(row.try_get("labels")?))?,
    })
}

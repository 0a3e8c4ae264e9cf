//! What the readings of documents left out, and what they did not understand.

use crate::connection::Store;
use crate::error::StoreError;
use crate::files::FileRecord;
use crate::numbers::to_count;
use cloister_domain::{FileId, LossKind, OmissionKind, ReadingAccount, RevisionId};
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use std::collections::{BTreeMap, HashMap};

const LEFT_OUT: &str = "left-out";
const NOT_UNDERSTOOD: &str = "not-understood";

/// For each kind, the number of current documents whose reading has something of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadingCounts {
    /// What was left out on purpose.
    pub left_out: BTreeMap<OmissionKind, u64>,
    /// What was not understood.
    pub not_understood: BTreeMap<LossKind, u64>,
    /// The number of current documents that are incomplete.
    pub incomplete: u64,
}

/// Writes the account of a revision.
pub(crate) async fn insert_account(
    transaction: &mut Transaction<'_, Sqlite>,
    revision: RevisionId,
    account: &ReadingAccount,
) -> Result<(), StoreError> {
    let left_out = account.left_out.iter();
    let left_out = left_out.map(|(kind, count)| (LEFT_OUT, kind.name(), *count));
    let lost = account.not_understood.iter();
    let lost = lost.map(|(kind, count)| (NOT_UNDERSTOOD, kind.name(), *count));
    for (finding, kind, count) in left_out.chain(lost) {
        sqlx::query(
            "INSERT INTO reading_accounts (revision_id, finding, kind, count)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(revision.0)
        .bind(finding)
        .bind(kind)
        .bind(i64::from(count))
        .execute(&mut **transaction)
        .await?;
    }
    Ok(())
}

/// Adds one to the pictures that were left out of the document that a file is an attachment of.
pub(crate) async fn count_left_out_picture(
    transaction: &mut Transaction<'_, Sqlite>,
    attachment: FileId,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO reading_accounts (revision_id, finding, kind, count)
         SELECT r.id, $2, $3, 1 FROM files f
         JOIN files p ON p.id = f.parent_id
         JOIN documents d ON d.collection_id = p.collection_id AND d.path = p.path
         JOIN revisions r ON r.document_id = d.id AND r.superseded_at IS NULL
         WHERE f.id = $1
         ON CONFLICT (revision_id, finding, kind) DO UPDATE SET count = count + 1",
    )
    .bind(attachment.0)
    .bind(LEFT_OUT)
    .bind(OmissionKind::Picture.name())
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

impl Store {
    /// The accounts of these files, for those that are published.
    pub async fn file_accounts(
        &self,
        files: &[FileRecord],
    ) -> Result<HashMap<FileId, ReadingAccount>, StoreError> {
        if files.is_empty() {
            return Ok(HashMap::new());
        }
        let mut query = QueryBuilder::new(
            "SELECT f.id, a.finding, a.kind, a.count FROM files f
             JOIN documents d ON d.collection_id = f.collection_id AND d.path = f.path
             JOIN revisions r ON r.document_id = d.id AND r.superseded_at IS NULL
             JOIN reading_accounts a ON a.revision_id = r.id
             WHERE f.id IN (",
        );
        let mut list = query.separated(", ");
        for file in files {
            list.push_bind(file.id.0);
        }
        query.push(")");
        let mut accounts: HashMap<FileId, ReadingAccount> = HashMap::new();
        for row in query.build().fetch_all(&self.readers).await? {
            let account = accounts.entry(FileId(row.try_get("id")?)).or_default();
            let count: i64 = row.try_get("count")?;
            let count = usize::try_from(count).unwrap_or(0);
            match parse_finding(&row)? {
                Finding::LeftOut(kind) => account.leave_out(kind, count),
                Finding::NotUnderstood(kind) => account.lose(kind, count),
            }
        }
        Ok(accounts)
    }

    /// The number of current documents for each kind of finding.
    pub async fn count_readings(&self) -> Result<ReadingCounts, StoreError> {
        let rows = sqlx::query(
            "SELECT a.finding, a.kind, COUNT(*) AS count FROM reading_accounts a
             JOIN revisions r ON r.id = a.revision_id AND r.superseded_at IS NULL
             JOIN documents d ON d.id = r.document_id AND d.deleted_at IS NULL
             GROUP BY a.finding, a.kind",
        )
        .fetch_all(&self.readers)
        .await?;
        let incomplete: i64 = sqlx::query_scalar(
            "SELECT COUNT(DISTINCT r.id) FROM reading_accounts a
             JOIN revisions r ON r.id = a.revision_id AND r.superseded_at IS NULL
             JOIN documents d ON d.id = r.document_id AND d.deleted_at IS NULL
             WHERE a.finding = $1",
        )
        .bind(NOT_UNDERSTOOD)
        .fetch_one(&self.readers)
        .await?;
        let mut counts = ReadingCounts {
            incomplete: to_count(incomplete),
            ..ReadingCounts::default()
        };
        for row in rows {
            let count = to_count(row.try_get("count")?);
            match parse_finding(&row)? {
                Finding::LeftOut(kind) => counts.left_out.insert(kind, count),
                Finding::NotUnderstood(kind) => counts.not_understood.insert(kind, count),
            };
        }
        Ok(counts)
    }
}

enum Finding {
    LeftOut(OmissionKind),
    NotUnderstood(LossKind),
}

fn parse_finding(row: &SqliteRow) -> Result<Finding, StoreError> {
    let (finding, kind): (String, String) = (row.try_get("finding")?, row.try_get("kind")?);
    let omission = OmissionKind::ALL.into_iter().find(|k| k.name() == kind);
    let loss = LossKind::ALL.into_iter().find(|k| k.name() == kind);
    match (finding.as_str(), omission, loss) {
        (LEFT_OUT, Some(kind), _) => Ok(Finding::LeftOut(kind)),
        (NOT_UNDERSTOOD, _, Some(kind)) => Ok(Finding::NotUnderstood(kind)),
        _ => Err(StoreError::corrupt(
            "reading_accounts",
            format!("the kind `{finding}`/`{kind}` is unknown"),
        )),
    }
}

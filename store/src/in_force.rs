//! Which revision of a document is in force on a day.
//!
//! It is the revision that was ingested last, among those whose first day has come. So a new
//! revision waits for its first day while the previous one answers, a corrected day or other
//! metadata counts at once, and a revision that is replaced before its first day never answers.
//! Nothing needs to happen on the day itself.

use cloister_domain::{Day, DocumentMetadata, Timestamp};
use sqlx::{QueryBuilder, Sqlite};

/// Excludes the revisions `r` that have a later one whose first day has come. The day follows.
const NO_LATER_REVISION_BY: &str = " AND NOT EXISTS (SELECT 1 FROM revisions later \
                             WHERE later.document_id = r.document_id AND later.id > r.id \
                             AND later.in_force_from <= ";

/// Restricts a query of revisions `r` to those in force on `day`.
pub fn in_force_on(query: &mut QueryBuilder<Sqlite>, day: Day) {
    query.push(" AND r.in_force_from <= ");
    query.push_bind(day.to_string());
    push_no_later_revision(query, day);
}

/// Restricts a query of revisions `r` to those that are in force on `day`, or will be in force
/// later.
pub fn in_force_on_or_after(query: &mut QueryBuilder<Sqlite>, day: Day) {
    push_no_later_revision(query, day);
    query.push(NO_LATER_REVISION_BY).push("r.in_force_from)");
}

fn push_no_later_revision(query: &mut QueryBuilder<Sqlite>, day: Day) {
    query.push(NO_LATER_REVISION_BY);
    query.push_bind(day.to_string()).push(")");
}

/// The first day of a revision: as in its metadata, else the day on which it was ingested.
pub fn first_day(metadata: &DocumentMetadata, ingested_at: Timestamp) -> Day {
    metadata
        .effective
        .unwrap_or_else(|| Day::from_timestamp(ingested_at))
}

/// The time from which a revision answers: not before it was ingested, and not before its first
/// day.
pub fn answers_from(metadata: &DocumentMetadata, ingested_at: Timestamp) -> Timestamp {
    ingested_at.max(first_day(metadata, ingested_at).start())
}

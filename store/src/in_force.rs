//! Which of a document's revisions is in force on a day: one rule, for today and for any other day.
//!
//! It is the one that was taken in last, among those whose day has come by then. So a revision
//! waits for its day while the one before it answers, a corrected day or label counts at once, and
//! what was replaced before its day never comes. Nothing happens on the day itself.

use cloister_domain::{Day, Labels, Timestamp};
use sqlx::{QueryBuilder, Sqlite};

/// Leaves out the revisions `r` that have a later one whose day has come by the day that follows.
const NONE_LATER_BY: &str = " AND NOT EXISTS (SELECT 1 FROM revisions later \
                             WHERE later.document_id = r.document_id AND later.id > r.id \
                             AND later.in_force_from <= ";

/// Narrows a query of revisions `r` to those that are in force on `day`.
pub fn in_force_on(query: &mut QueryBuilder<Sqlite>, day: Day) {
    query.push(" AND r.in_force_from <= ");
    query.push_bind(day.to_string());
    none_later_by(query, day);
}

/// Narrows a query of revisions `r` to those that are in force on `day`, or come into force later
/// as things stand.
pub fn in_force_on_or_after(query: &mut QueryBuilder<Sqlite>, day: Day) {
    none_later_by(query, day);
    query.push(NONE_LATER_BY).push("r.in_force_from)");
}

fn none_later_by(query: &mut QueryBuilder<Sqlite>, day: Day) {
    query.push(NONE_LATER_BY);
    query.push_bind(day.to_string()).push(")");
}

/// The first day of a revision that was taken in at a moment: the one that is said, or that day.
pub fn first_day(labels: &Labels, taken_in: Timestamp) -> Day {
    labels.effective.unwrap_or_else(|| Day::of(taken_in))
}

/// Since when it answers: not before it was taken in, and not before its first day.
pub fn answers_from(labels: &Labels, taken_in: Timestamp) -> Timestamp {
    taken_in.max(first_day(labels, taken_in).begins())
}

//! What a search of the log selects.

use crate::event::{Entry, EventKind, Outcome};
use cloister_domain::Timestamp;

/// Selects entries. A field that is `None` selects all.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// Kinds of events; empty selects all.
    pub kinds: Vec<EventKind>,
    /// How the event ended.
    pub outcome: Option<Outcome>,
    /// The name of the person who caused it.
    pub actor: Option<String>,
    /// A text that the entry contains, ignoring case.
    pub text: Option<String>,
    /// The id of the request.
    pub request: Option<String>,
    /// Logged at or after this time.
    pub from: Option<Timestamp>,
    /// Logged before this time.
    pub until: Option<Timestamp>,
    /// Before this position in the log.
    pub before: Option<u64>,
}

/// How far the clock of the machine may have been set back between two entries.
const MAX_CLOCK_CHANGE_MS: i64 = 24 * 3600 * 1000;

impl EntryFilter {
    /// Whether no entry before this one can match, since entries are in the order of their times.
    pub(crate) fn is_past(&self, entry: &Entry) -> bool {
        self.from.is_some_and(|from| {
            entry.at.as_millis() < from.as_millis().saturating_sub(MAX_CLOCK_CHANGE_MS)
        })
    }

    /// Whether everything but the text matches.
    pub(crate) fn matches(&self, entry: &Entry) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&entry.kind))
            && self.outcome.is_none_or(|outcome| outcome == entry.outcome)
            && self
                .actor
                .as_ref()
                .is_none_or(|name| *name == entry.actor.name)
            && self
                .request
                .as_ref()
                .is_none_or(|id| Some(id) == entry.request.as_ref())
            && self.from.is_none_or(|from| entry.at >= from)
            && self.until.is_none_or(|until| entry.at < until)
    }
}

//! Searching entries, newest first.

use crate::error::AuditError;
use crate::event::{Entry, EventKind, Outcome};
use crate::log::AuditLog;
use cloister_domain::Timestamp;
use std::fs::File;
use std::os::unix::fs::FileExt;

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

/// A page of entries, newest first.
#[derive(Clone, Debug)]
pub struct EntryPage {
    /// The entries.
    pub entries: Vec<Entry>,
    /// The `before` of the filter for the next page; `None` at the start of the log.
    pub next: Option<u64>,
}

impl EntryFilter {
    fn matches(&self, entry: &Entry, line: &str) -> bool {
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
            && self
                .text
                .as_ref()
                .is_none_or(|text| line.contains(&text.to_lowercase()))
    }
}

impl AuditLog {
    /// The newest `limit` entries that match the filter.
    pub fn find(&self, filter: &EntryFilter, limit: usize) -> Result<EntryPage, AuditError> {
        let path = self.shared().files.entries();
        let offsets = self.shared().offsets();
        let file = File::open(&path).map_err(|cause| AuditError::file(&path, &cause))?;
        let past = filter.before.and_then(|seq| usize::try_from(seq).ok());
        let end = past
            .unwrap_or(usize::MAX)
            .min(offsets.len().saturating_sub(1));
        let mut entries = Vec::new();
        let bounds = offsets.iter().zip(offsets.iter().skip(1)).take(end).rev();
        for (start, end) in bounds {
            let line =
                read_line(&file, *start, *end).map_err(|cause| AuditError::file(&path, &cause))?;
            let Ok(entry) = serde_json::from_str::<Entry>(&line) else {
                continue;
            };
            if filter.matches(&entry, &line.to_lowercase()) {
                entries.push(entry);
            }
            if entries.len() == limit {
                break;
            }
        }
        let full = entries.len() == limit;
        let next = entries
            .last()
            .filter(|last| full && last.seq > 0)
            .map(|last| last.seq);
        Ok(EntryPage { entries, next })
    }
}

fn read_line(file: &File, start: u64, end: u64) -> std::io::Result<String> {
    let length = end.saturating_sub(start).saturating_sub(1);
    let mut line = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    file.read_exact_at(&mut line, start)?;
    String::from_utf8(line).map_err(std::io::Error::other)
}

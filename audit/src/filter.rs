//! Looking entries up, newest first.

use crate::error::AuditError;
use crate::event::{Entry, EventKind, Outcome};
use crate::log::AuditLog;
use cloister_domain::Timestamp;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// Which entries are wanted. A field that is `None` lets everything through.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// These kinds; none means all.
    pub kinds: Vec<EventKind>,
    /// This ending.
    pub outcome: Option<Outcome>,
    /// By the person of this name.
    pub actor: Option<String>,
    /// With this text anywhere, in small letters or large.
    pub text: Option<String>,
    /// Of this request.
    pub request: Option<String>,
    /// At or after this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Before this place in the log.
    pub before: Option<u64>,
}

/// Entries found, newest first.
#[derive(Clone, Debug)]
pub struct FoundEntries {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where to go on, as the next filter's `before`; `None` at the log's beginning.
    pub next: Option<u64>,
}

impl Filter {
    fn lets_through(&self, entry: &Entry, line: &str) -> bool {
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
    /// The newest `limit` entries that the filter lets through.
    pub fn find(&self, filter: &Filter, limit: usize) -> Result<FoundEntries, AuditError> {
        let path = self.shared().layout.entries();
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
            if filter.lets_through(&entry, &line.to_lowercase()) {
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
        Ok(FoundEntries { entries, next })
    }
}

fn read_line(file: &File, start: u64, end: u64) -> std::io::Result<String> {
    let length = end.saturating_sub(start).saturating_sub(1);
    let mut line = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    file.read_exact_at(&mut line, start)?;
    String::from_utf8(line).map_err(std::io::Error::other)
}

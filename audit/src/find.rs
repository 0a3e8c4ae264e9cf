//! Searching entries, newest first, and reading them, oldest first.

use crate::error::AuditError;
use crate::event::Entry;
use crate::filter::EntryFilter;
use crate::log::AuditLog;
use std::fs::File;
use std::os::unix::fs::FileExt;

/// How many entries [`AuditLog::read_forward`] reads at once.
const MAX_EXAMINED: u64 = 10_000;

/// A page of entries.
#[derive(Clone, Debug)]
pub struct EntryPage {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Where the next page starts; `None` if this is the last.
    pub next: Option<u64>,
}

impl AuditLog {
    /// The newest `limit` entries that match the filter; `next` is the `before` of the filter for the next page. A filter with a request reads only the
    /// entries of that request. Every other filter may read the entire log, so call this on a
    /// blocking thread.
    pub fn find(&self, filter: &EntryFilter, limit: usize) -> Result<EntryPage, AuditError> {
        let shared = self.shared();
        let path = shared.files.entries();
        let failed = |cause: std::io::Error| AuditError::file(&path, &cause);
        let file = File::open(&path).map_err(failed)?;
        let text = filter.text.as_ref().map(|text| text.to_lowercase());
        let mut entries = Vec::new();
        let mut positions = shared.positions_newest_first(filter);
        while entries.len() < limit
            && let Some((start, end)) = positions.next_bounds(shared)
        {
            let line = read_line(&file, start, end).map_err(failed)?;
            let Ok(entry) = serde_json::from_str::<Entry>(&line) else {
                continue;
            };
            if filter.is_past(&entry) {
                break;
            }
            let has_text = text
                .as_ref()
                .is_none_or(|text| line.to_lowercase().contains(text));
            if has_text && filter.matches(&entry) {
                entries.push(entry);
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

impl AuditLog {
    /// Up to `limit` entries that match the filter, oldest first, from the position `from` on; `next` is where the
    /// next page starts, or `None` at the end of the log. Reads at most 10,000 entries.
    pub fn read_forward(
        &self,
        filter: &EntryFilter,
        from: u64,
        limit: usize,
    ) -> Result<EntryPage, AuditError> {
        let shared = self.shared();
        let path = shared.files.entries();
        let failed = |cause: std::io::Error| AuditError::file(&path, &cause);
        let file = File::open(&path).map_err(failed)?;
        let end = shared.len();
        let mut entries = Vec::new();
        let mut seq = from;
        while seq < end.min(from + MAX_EXAMINED) && entries.len() < limit {
            let Some((start, stop)) = shared.bounds(seq) else {
                break;
            };
            let line = read_line(&file, start, stop).map_err(failed)?;
            seq += 1;
            entries.extend(
                serde_json::from_str::<Entry>(&line)
                    .ok()
                    .filter(|entry| filter.matches(entry)),
            );
        }
        let next = (seq < end).then_some(seq);
        Ok(EntryPage { entries, next })
    }
}

fn read_line(file: &File, start: u64, end: u64) -> std::io::Result<String> {
    let length = end.saturating_sub(start).saturating_sub(1);
    let mut line = vec![0; usize::try_from(length).map_err(std::io::Error::other)?];
    file.read_exact_at(&mut line, start)?;
    String::from_utf8(line).map_err(std::io::Error::other)
}

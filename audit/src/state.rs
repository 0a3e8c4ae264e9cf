//! What the log and the thread that writes it share.

use crate::checkpoint::PublicKey;
use crate::error::AuditError;
use crate::filter::EntryFilter;
use crate::recovery::LogFiles;
use crate::requests::RequestIndex;
use parking_lot::RwLock;
use std::fs::File;

/// The position of an entry that is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Counted from 0.
    pub seq: u64,
}

/// What readers share with the writer.
pub(crate) struct SharedState {
    pub(crate) files: LogFiles,
    /// Where each entry starts, and as the last element where the next one will start.
    pub(crate) offsets: RwLock<Vec<u64>>,
    /// Which entries belong to a request.
    pub(crate) requests: RwLock<RequestIndex>,
    pub(crate) failure: RwLock<Option<AuditError>>,
    pub(crate) key: PublicKey,
    // Held while the log is open, so that no second process writes it.
    pub(crate) _lock: File,
}

/// Positions of entries, newest first.
pub(crate) enum Positions {
    /// All positions below this one.
    Descending(u64),
    /// These positions, the newest last.
    Listed(Vec<u64>),
}

impl Positions {
    /// The bounds of the next entry.
    pub(crate) fn next_bounds(&mut self, shared: &SharedState) -> Option<(u64, u64)> {
        let seq = match self {
            Self::Descending(end) => {
                *end = end.checked_sub(1)?;
                *end
            }
            Self::Listed(positions) => positions.pop()?,
        };
        shared.bounds(seq)
    }
}

impl SharedState {
    /// The number of entries.
    pub(crate) fn len(&self) -> u64 {
        self.offsets.read().len().saturating_sub(1) as u64
    }

    /// Where the entry at this position starts and ends, without its line break.
    pub(crate) fn bounds(&self, seq: u64) -> Option<(u64, u64)> {
        let offsets = self.offsets.read();
        let at = usize::try_from(seq).ok()?;
        Some((*offsets.get(at)?, *offsets.get(at + 1)?))
    }

    /// The positions that a filter has to look at, newest first.
    pub(crate) fn positions_newest_first(&self, filter: &EntryFilter) -> Positions {
        let end = filter.before.unwrap_or(u64::MAX).min(self.len());
        match &filter.request {
            None => Positions::Descending(end),
            Some(request) => {
                let mut found = self.requests.read().positions(request);
                found.retain(|seq| *seq < end);
                Positions::Listed(found)
            }
        }
    }

    pub(crate) fn fail(&self, cause: AuditError) {
        *self.failure.write() = Some(cause);
    }

    pub(crate) fn recover(&self) {
        *self.failure.write() = None;
    }
}

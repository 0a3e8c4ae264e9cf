//! What the log and the thread that writes it share.

use crate::checkpoint::PublicKey;
use crate::error::AuditError;
use crate::recovery::LogFiles;
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
    pub(crate) failure: RwLock<Option<AuditError>>,
    pub(crate) key: PublicKey,
    // Held while the log is open, so that no second process writes it.
    pub(crate) _lock: File,
}

impl SharedState {
    /// A copy of the offsets.
    pub(crate) fn offsets(&self) -> Vec<u64> {
        self.offsets.read().clone()
    }

    pub(crate) fn fail(&self, cause: AuditError) {
        *self.failure.write() = Some(cause);
    }

    pub(crate) fn recover(&self) {
        *self.failure.write() = None;
    }
}

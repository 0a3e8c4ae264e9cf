//! Progress of ingestion, for people.

use super::meter::{Meter, Throughput};
use cloister_domain::Clock;
use cloister_store::{FileCount, FileState};

/// How many files of the inbox are ingested.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Files that are ready or quarantined.
    pub processed: u64,
    /// All files.
    pub total: u64,
    /// The current throughput; `None` while no work is done.
    pub throughput: Option<Throughput>,
}

impl Progress {
    /// Computes the progress from the number of files in each state.
    pub fn from_counts(counts: &[FileCount], meter: &Meter, clock: &dyn Clock) -> Self {
        let mut progress = Self {
            processed: 0,
            total: 0,
            throughput: None,
        };
        let mut bytes_left = 0;
        for count in counts {
            progress.total += count.files;
            if matches!(count.state, FileState::Ready | FileState::Quarantined) {
                progress.processed += count.files;
            } else {
                bytes_left += count.bytes;
            }
        }
        progress.throughput = meter.throughput(clock, bytes_left);
        progress
    }
}

//! The files of the inbox. Each path has one row, which is also its entry in the queue.

mod metadata;
mod progress;
mod queue;
mod record;
mod scanned;

pub(crate) use metadata::{encode_metadata, parse_metadata};
pub use record::{FileCount, FileRecord, FileState, ScannedFile};

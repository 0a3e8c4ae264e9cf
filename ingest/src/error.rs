//! Why ingestion itself stopped.

use crate::quarantine::Quarantine;
use cloister_audit::AuditError;
use cloister_index::IndexError;
use cloister_inference::InferenceError;
use cloister_store::StoreError;
use std::path::PathBuf;

/// Why ingestion itself stopped. A problem with one file is a [`Quarantine`] in that file's row.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The database or the disk failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index failed.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The audit log failed.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The embedder failed.
    #[error(transparent)]
    Inference(#[from] InferenceError),
    /// The inbox could not be scanned.
    #[error("the inbox `{0}` cannot be scanned: {1}. No file is removed until it can be")]
    Inbox(PathBuf, std::io::Error),
    /// The folder of an index could not be used.
    #[error("the folder `{0}` cannot be used: {1}")]
    Folder(PathBuf, std::io::Error),
    /// The reader could not be started or confined. The file is not at fault.
    #[error(transparent)]
    Reader(#[from] Quarantine),
    /// A background task panicked or was cancelled.
    #[error("a step of the ingestion was aborted: {0}")]
    Aborted(#[from] tokio::task::JoinError),
}

//! Errors that end an answer. A refusal is not an error.

use cloister_audit::AuditError;
use cloister_index::IndexError;
use cloister_inference::InferenceError;
use cloister_store::StoreError;

/// Why a question got neither an answer nor a refusal.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The database could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index could not be searched.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The audit log could not be written, so nothing is shown.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A model failed.
    #[error(transparent)]
    Inference(InferenceError),
    /// A task of the pipeline panicked or was cancelled.
    #[error("a step of the answer stopped early: {0}")]
    Task(#[from] tokio::task::JoinError),
    /// A log entry does not have the fields of an answer. A bug, or an unknown version wrote it.
    #[error("could not read the log entry as an answer: {0}")]
    LogEntry(#[from] serde_json::Error),
    /// The queue of a model is full.
    #[error("too many questions at once; try again in {retry_after_s} seconds")]
    Busy {
        /// Seconds after which another try makes sense.
        retry_after_s: u64,
    },
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every error of a model except a full queue is passed on unchanged"
)]
impl From<InferenceError> for AnswerError {
    fn from(cause: InferenceError) -> Self {
        match cause {
            InferenceError::Busy { retry_after_s } => Self::Busy {
                retry_after_s: retry_after_s.into(),
            },
            other => Self::Inference(other),
        }
    }
}

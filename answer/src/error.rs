//! Why there is no answer, not even a refusal.

use cloister_audit::AuditError;
use cloister_index::IndexError;
use cloister_inference::InferenceError;
use cloister_store::StoreError;

/// Why there is no answer, not even a refusal.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The rows could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The indexes could not be searched.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// The audit log could not be written, so nothing is shown.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// A model failed.
    #[error(transparent)]
    Inference(InferenceError),
    /// A step of ours ended early.
    #[error("a step of the answer broke off: {0}")]
    Broken(#[from] tokio::task::JoinError),
    /// Us, or an older version: an entry of the log does not say what an answer was made of.
    #[error("the log's entry cannot be read as an answer: {0}")]
    Entry(#[from] serde_json::Error),
    /// Too many questions at once.
    #[error("too many questions at once; try again in {retry_after_s} seconds")]
    Busy {
        /// When another try makes sense.
        retry_after_s: u64,
    },
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "every fault of a model but being busy is told in the model's own words"
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

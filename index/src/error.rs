//! The errors of an index. The database still has everything.

use crate::comparison::Comparison;
use std::path::PathBuf;

/// An error of an index.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The machine: a file could not be read or written.
    #[error("`{path}` cannot be read or written: {source}")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Us or the machine: the keyword index refused.
    #[error("the keyword index failed: {0}. `cloister index rebuild` makes a new one")]
    Lexical(String),
    /// The caller: a vector of another model.
    #[error(
        "a vector has {found} dimensions and this index keeps {expected}. Rebuild it after a change of model"
    )]
    Dimensions {
        /// The index's.
        expected: usize,
        /// The vector's.
        found: usize,
    },
    /// The caller: a vector that is not of length 1, or not of numbers.
    #[error("the vector of passage `{0}` is not of length 1")]
    NotNormalised(i64),
    /// The caller: an id that does not fit the permission bitmap.
    #[error("revision `{0}` does not fit in 32 bits")]
    RevisionTooLarge(i64),
    /// Us: what was just written cannot be read back.
    #[error("the index is damaged: {0}. `cloister index rebuild` makes a new one")]
    Damaged(String),
    /// The caller: another process has the index open.
    #[error("another process has the index open. Stop it first, or ask it")]
    Busy,
    /// The caller: the rows of a rebuild could not be read to their end.
    #[error("the passages could not be read to the last one")]
    RowsUnreadable,
    /// Us or the rows: a rebuild finds less than what it was to replace.
    #[error(
        "{0}, so the one in use stays. `cloister index rebuild --even-if-worse` takes the new one all the same"
    )]
    Regression(Comparison),
    /// The machine: a thread could not be started.
    #[error("no thread for the index: {0}")]
    Thread(std::io::Error),
}

impl IndexError {
    /// Whether the stored files can be intact: another process has them open, or the disk is full.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            Self::Busy => true,
            Self::File { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Self::Lexical(_)
            | Self::Dimensions { .. }
            | Self::NotNormalised(_)
            | Self::RevisionTooLarge(_)
            | Self::Damaged(_)
            | Self::RowsUnreadable
            | Self::Regression(_)
            | Self::Thread(_) => false,
        }
    }
}

impl From<tantivy::TantivyError> for IndexError {
    fn from(error: tantivy::TantivyError) -> Self {
        if let tantivy::TantivyError::LockFailure(..) = error {
            Self::Busy
        } else {
            Self::Lexical(error.to_string())
        }
    }
}

/// The crate's result.
pub type Result<T, E = IndexError> = std::result::Result<T, E>;

//! Errors of backups.

use std::io;
use std::path::{Path, PathBuf};

/// Why a backup could not be made, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder cannot be used.
    #[error("`{}`: {cause}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// A text is no key of age.
    #[error("that is no {expected} of age")]
    Key {
        /// What was expected.
        expected: &'static str,
    },
    /// The identity does not open a file, or the file was changed.
    #[error("`{name}` cannot be decrypted: it is for another key, or it was changed: {cause}")]
    Decryption {
        /// The chunk or snapshot.
        name: String,
        /// The cause.
        cause: String,
    },
    /// A chunk does not have the content that its name promises.
    #[error("the chunk `{0}` is damaged")]
    Damaged(String),
    /// There is no such snapshot.
    #[error("there is no snapshot `{0}`")]
    NoSnapshot(String),
    /// A manifest cannot be parsed, or names a path outside its folder.
    #[error("the manifest of `{name}` is not valid: {cause}")]
    Manifest {
        /// The snapshot.
        name: String,
        /// The cause.
        cause: String,
    },
}

impl BackupError {
    pub(crate) fn file(path: &Path, cause: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            cause,
        }
    }
}

//! Why the log could not be written or read.

use std::path::{Path, PathBuf};

/// Why the log could not be written or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AuditError {
    /// The disk is full. Nothing was lost, and the next attempt may succeed.
    #[error(
        "the audit log cannot be written, because its disk is full; answering has stopped. Free \
         some space, and it goes on by itself"
    )]
    DiskFull,
    /// A write could not be made durable. The content of the disk is uncertain, so nothing more is
    /// written.
    #[error(
        "the audit log could not be made durable ({0}); answering has stopped. Check the disk, \
         then restart the appliance"
    )]
    Stopped(String),
    /// The log on the disk is not the one that was signed.
    #[error(
        "the audit log in `{folder}` was altered: {finding}. Answering does not start. Keep a copy \
         of the folder as evidence. Then restore it from a backup, or run `cloister audit recover \
         --reason TEXT`, which goes on with what is there and logs that it did"
    )]
    Altered {
        /// The log's folder.
        folder: PathBuf,
        /// What does not match.
        finding: String,
    },
    /// A log that opens needs no recovery.
    #[error("the audit log opens; there is nothing to recover")]
    Intact,
    /// Another process writes this log.
    #[error("`{0}` is in use by another process. Stop it, or use the running appliance")]
    InUse(PathBuf),
    /// A file could not be read or written.
    #[error("`{path}` could not be used: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: String,
    },
    /// A key file does not contain a key.
    #[error("`{0}` does not hold a key of an audit log")]
    BadKey(String),
    /// A checkpoint file does not contain a checkpoint.
    #[error("that is not a checkpoint: {0}")]
    BadCheckpoint(&'static str),
    /// A checkpoint is not signed by the key of the log.
    #[error("it is not signed by this log's key")]
    NotSigned,
    /// A file does not contain a proof.
    #[error("that is not a C2SP proof with an entry")]
    NotAProof,
    /// A proof does not prove its entry.
    #[error("the proof does not hold: {0}")]
    BadProof(&'static str),
    /// No checkpoint covers the entry.
    #[error("entry {index} cannot be proven: the last checkpoint covers {sealed} entries")]
    NotSealed {
        /// The position of the entry, counted from 0.
        index: u64,
        /// The number of entries that the checkpoint covers.
        sealed: u64,
    },
    /// The operating system provided no random bytes for the key.
    #[error(transparent)]
    EntropyError(#[from] cloister_domain::entropy::EntropyError),
}

impl AuditError {
    pub(crate) fn file(path: &Path, cause: &std::io::Error) -> Self {
        if cause.kind() == std::io::ErrorKind::StorageFull {
            return Self::DiskFull;
        }
        Self::File {
            path: path.to_owned(),
            cause: cause.to_string(),
        }
    }
}

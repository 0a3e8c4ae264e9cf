//! Errors of the store, and who is at fault.

use std::path::PathBuf;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The name is taken.
    #[error("`{0}` already exists. Choose another name")]
    NameTaken(String),
    /// The name is not allowed.
    #[error("`{0}` is not a name. Use 1 to 64 letters, digits, `-`, `_`, `.` or spaces")]
    BadName(String),
    /// The name could be mistaken for another one.
    #[error("`{0}` can be mistaken for another name. Use letters of one script")]
    ConfusableName(String),
    /// The name means something else in the audit log.
    #[error("`{0}` is reserved. Choose another name")]
    ReservedName(String),
    /// Nobody could administer the appliance any more.
    #[error(
        "this person is the last administrator who may sign in. Make somebody else an administrator \
         first"
    )]
    LastAdministrator,
    /// The row does not exist, or no longer does.
    #[error("{0} does not exist")]
    NotFound(&'static str),
    /// Another embedder was activated while the vectors were made.
    #[error("another embedder was activated in the meantime")]
    EmbedderChanged,
    /// The disk is full.
    #[error(
        "the disk that holds the data folder is full. Free some space; nothing that was \
         acknowledged is lost, and the work goes on by itself"
    )]
    DiskFull,
    /// The SQLite library can corrupt its write-ahead log.
    #[error("SQLite {0} can corrupt its write-ahead log. Build with 3.51.3 or newer")]
    UnsafeSqlite(String),
    /// A row is not what this version writes.
    #[error("a row of `{table}` cannot be read: {cause}. Restore the database from a backup")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong.
        cause: String,
    },
    /// A file of the data folder could not be read or written.
    #[error("`{path}` in the data folder could not be used: {cause}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// The database returned an error.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
    /// The schema could not be migrated.
    #[error("the database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

impl From<sqlx::Error> for StoreError {
    fn from(cause: sqlx::Error) -> Self {
        let code = cause
            .as_database_error()
            .and_then(|e| e.code().map(std::borrow::Cow::into_owned));
        match code.as_deref() {
            Some("13") => Self::DiskFull,
            _ => Self::Database(cause),
        }
    }
}

impl StoreError {
    pub(crate) fn corrupt(table: &'static str, cause: impl std::fmt::Display) -> Self {
        Self::Corrupt {
            table,
            cause: cause.to_string(),
        }
    }

    pub(crate) fn file(path: &std::path::Path, cause: std::io::Error) -> Self {
        if cause.kind() == std::io::ErrorKind::StorageFull {
            return Self::DiskFull;
        }
        Self::File {
            path: path.to_owned(),
            cause,
        }
    }
}

/// Names the duplicate instead of the violated constraint.
pub(crate) fn name_duplicate(name: &str) -> impl FnOnce(sqlx::Error) -> StoreError + '_ {
    move |cause| match cause.as_database_error() {
        Some(e) if e.is_unique_violation() => StoreError::NameTaken(name.to_owned()),
        _ => cause.into(),
    }
}

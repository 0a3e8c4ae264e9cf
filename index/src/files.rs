//! Reading and replacing files.

use crate::error::{IndexError, Result};
use cloister_domain::atomic_file;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

/// The content of a file; `None` if it does not exist.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(file_error(path, source)),
    }
}

/// Creates a folder and its parents.
pub(crate) fn create_dir(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|source| file_error(path, source))
}

/// The names in a folder.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(dir).map_err(|source| file_error(dir, source))?;
    entries
        .map(|entry| {
            let entry = entry.map_err(|source| file_error(dir, source))?;
            Ok(entry.file_name().to_string_lossy().into_owned())
        })
        .collect()
}

/// The SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

pub(crate) fn file_error(path: &Path, source: io::Error) -> IndexError {
    IndexError::File {
        path: path.to_owned(),
        source,
    }
}

/// Replaces the file at `path` atomically with `bytes`.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    atomic_file::write(path, bytes).map_err(|source| file_error(path, source))
}

/// Replaces the file at `path` atomically with what `write` writes.
pub(crate) fn replace_with(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> Result<()> {
    atomic_file::write_with(path, write).map_err(|source| file_error(path, source))
}

/// Parses JSON from a file of the index; `what` names it in the error.
pub(crate) fn parse_json<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| IndexError::Damaged(format!("{what} cannot be read: {error}")))
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| IndexError::Damaged(error.to_string()))
}

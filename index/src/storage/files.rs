//! Reading files and folders.

use crate::error::{IndexError, Result};
use sha2::{Digest, Sha256};
use std::io;
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

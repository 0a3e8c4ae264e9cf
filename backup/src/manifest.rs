//! What a snapshot contains.

use crate::error::BackupError;
use serde::{Deserialize, Serialize};
use std::path::{Component, Path, PathBuf};

/// The files of a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of this format.
    pub version: u32,
    /// The version of the program that made it.
    pub program: String,
    /// The files, in the order in which they were read.
    pub files: Vec<BackedUpFile>,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackedUpFile {
    /// The path in the data folder.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
    /// SHA-256 of each chunk, in order, in hexadecimal.
    pub chunks: Vec<String>,
}

impl Manifest {
    pub(crate) const VERSION: u32 = 1;

    /// Parses a manifest. Its names of chunks and its paths are checked, because they become paths.
    pub(crate) fn parse(name: &str, json: &[u8]) -> Result<Self, BackupError> {
        let invalid = |cause: String| BackupError::Manifest {
            name: name.to_owned(),
            cause,
        };
        let manifest: Self =
            serde_json::from_slice(json).map_err(|cause| invalid(cause.to_string()))?;
        if manifest.version != Self::VERSION {
            return Err(invalid(format!("version {} is unknown", manifest.version)));
        }
        for file in &manifest.files {
            if file.relative_path().is_none() {
                return Err(invalid(format!("`{}` is no path", file.path)));
            }
            if !file.chunks.iter().all(|chunk| is_chunk_name(chunk)) {
                return Err(invalid(format!("`{}` has no chunks", file.path)));
            }
        }
        Ok(manifest)
    }
}

impl BackedUpFile {
    /// The path, if it stays inside its folder.
    pub(crate) fn relative_path(&self) -> Option<PathBuf> {
        let path = Path::new(&self.path);
        let is_inside = path
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        (is_inside && !self.path.is_empty()).then(|| path.to_owned())
    }
}

/// Whether a text is a SHA-256 in hexadecimal.
pub(crate) fn is_chunk_name(name: &str) -> bool {
    name.len() == 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

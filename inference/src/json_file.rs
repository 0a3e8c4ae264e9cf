//! The JSON files of a model's folder.

use crate::error::{InferenceError, Result};
use serde::de::DeserializeOwned;
use std::path::Path;

/// Reads a file that the folder must have.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read(path).map_err(|source| InferenceError::file(path, source))?;
    serde_json::from_slice(&text).map_err(|error| InferenceError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

//! Document metadata as a JSON column.

use crate::error::StoreError;
use cloister_domain::DocumentMetadata;

/// Encodes metadata. Empty metadata is stored as `NULL`.
pub(crate) fn encode_metadata(metadata: &DocumentMetadata) -> Result<Option<String>, StoreError> {
    if metadata.is_empty() {
        return Ok(None);
    }
    let json = serde_json::to_string(metadata).map_err(|e| StoreError::corrupt("labels", e))?;
    Ok(Some(json))
}

/// Parses a column with metadata.
pub(crate) fn parse_metadata(json: Option<String>) -> Result<DocumentMetadata, StoreError> {
    let Some(json) = json else {
        return Ok(DocumentMetadata::default());
    };
    serde_json::from_str(&json).map_err(|e| StoreError::corrupt("labels", e))
}

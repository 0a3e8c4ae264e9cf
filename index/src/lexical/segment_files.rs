//! The files of the lexical index: finding damaged ones, and continuing without their segments.

use crate::error::{IndexError, Result};
use crate::files;
use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tantivy::Index;

/// tantivy's list of segments.
const SEGMENTS_FILE: &str = "meta.json";

/// The segment files that are missing or have another checksum than they should.
pub(crate) fn find_damaged(index: &Index) -> Result<BTreeSet<PathBuf>> {
    let managed = index.directory().list_managed_files();
    let files = index.load_metas()?.list_segment_files();
    Ok(files
        .into_par_iter()
        .filter(|file| managed.contains(file))
        .filter(|file| !index.directory().validate_checksum(file).unwrap_or(false))
        .collect())
}

/// Removes the segments of these files from the list of an index without a writer.
pub(crate) fn drop_segments(dir: &Path, damaged: &BTreeSet<PathBuf>) -> Result<()> {
    if damaged.is_empty() {
        return Ok(());
    }
    let path = dir.join(SEGMENTS_FILE);
    let bytes = files::read(&path)?
        .ok_or_else(|| IndexError::Damaged(format!("`{SEGMENTS_FILE}` is missing")))?;
    let mut list: Value = files::parse_json(&bytes, "the keyword index's records")?;
    if let Some(segments) = list.get_mut("segments").and_then(Value::as_array_mut) {
        segments.retain(|segment| {
            let id = segment.get("segment_id").and_then(Value::as_str);
            let id = id.unwrap_or_default().replace('-', "");
            !damaged
                .iter()
                .any(|file| file.to_string_lossy().starts_with(&id))
        });
    }
    files::replace(&path, files::to_json(&list)?.as_bytes())
}

//! The keyword index's files: which hold, and how to go on without those that do not.

use crate::error::{IndexError, Result};
use crate::files;
use crate::seal;
use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tantivy::Index;

const RECORDS: &str = "meta.json";

/// The files of segments that are missing or have another sum than they should.
pub(crate) fn damaged(index: &Index) -> Result<BTreeSet<PathBuf>> {
    let managed = index.directory().list_managed_files();
    let files = index.load_metas()?.list_segment_files();
    let holds = |file: &PathBuf| index.directory().validate_checksum(file).unwrap_or(false);
    Ok(files
        .into_par_iter()
        .filter(|file| managed.contains(file) && !holds(file))
        .collect())
}

/// Takes the segments of these files out of the records of a keyword index that nobody writes to
/// any more.
pub(crate) fn leave_out(dir: &Path, damaged: &BTreeSet<PathBuf>) -> Result<()> {
    if damaged.is_empty() {
        return Ok(());
    }
    let path = dir.join(RECORDS);
    let bytes = files::read(&path)?
        .ok_or_else(|| IndexError::Damaged(format!("`{RECORDS}` is missing")))?;
    let mut records: Value = seal::parse(&bytes, "the keyword index's records")?;
    if let Some(listed) = records.get_mut("segments").and_then(Value::as_array_mut) {
        listed.retain(|segment| {
            let id = segment.get("segment_id").and_then(Value::as_str);
            let id = id.unwrap_or_default().replace('-', "");
            let of_it = |file: &PathBuf| file.to_string_lossy().starts_with(&id);
            !damaged.iter().any(of_it)
        });
    }
    files::write_whole(&path, seal::to_json(&records)?.as_bytes())
}

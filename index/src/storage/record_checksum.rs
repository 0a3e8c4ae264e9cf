//! The checksum of tantivy's own records, which have none. It distinguishes a crash from a change by
//! something else: it is invalidated before each commit and recorded again after it, so that records
//! that differ from a valid checksum were not changed by this program.

use super::FORMAT;
use crate::error::{IndexError, Result};
use crate::files::{self, parse_json, to_json};
use serde::{Deserialize, Serialize};
use std::path::Path;

const FILE: &str = "seal.json";

/// tantivy's records.
const RECORDS: [&str; 2] = ["meta.json", ".managed.json"];

/// The content of [`FILE`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordChecksum {
    format: u32,
    /// Whether a commit is in progress, so that the records can have any content.
    #[serde(rename = "open")]
    invalidated: bool,
    /// The SHA-256 of each record; `None` if it does not exist.
    #[serde(rename = "records")]
    record_sums: Vec<Option<String>>,
    /// The SHA-256 of the fields above.
    #[serde(rename = "sum")]
    own_sum: String,
}

impl RecordChecksum {
    fn new(invalidated: bool, record_sums: Vec<Option<String>>) -> Self {
        let mut checksum = Self {
            format: FORMAT,
            invalidated,
            record_sums,
            own_sum: String::new(),
        };
        checksum.own_sum = checksum.compute_own_sum();
        checksum
    }

    fn compute_own_sum(&self) -> String {
        let fields = format!(
            "{} {} {:?}",
            self.format, self.invalidated, self.record_sums
        );
        files::sha256(fields.as_bytes())
    }
}

/// To be called before the records change.
pub(super) fn invalidate(dir: &Path) -> Result<()> {
    write(dir, &RecordChecksum::new(true, Vec::new()))
}

/// Records the checksum of the records in `lexical_dir`.
pub(super) fn record(dir: &Path, lexical_dir: &Path) -> Result<()> {
    write(dir, &RecordChecksum::new(false, record_sums(lexical_dir)?))
}

/// Verifies the records. `Ok(false)` if a crash left the checksum invalidated: then the records have to
/// be verified against the files.
pub(super) fn verify(dir: &Path, lexical_dir: &Path) -> Result<bool> {
    let bytes = files::read(&dir.join(FILE))?
        .ok_or_else(|| IndexError::Damaged("its seal is missing".into()))?;
    let checksum: RecordChecksum = parse_json(&bytes, "its seal")?;
    if checksum.own_sum != checksum.compute_own_sum() || checksum.format != FORMAT {
        return Err(IndexError::Damaged("its seal has changed".into()));
    }
    if checksum.invalidated {
        return Ok(false);
    }
    if checksum.record_sums != record_sums(lexical_dir)? {
        return Err(IndexError::Damaged(
            "the keyword index's records have changed".into(),
        ));
    }
    Ok(true)
}

fn write(dir: &Path, checksum: &RecordChecksum) -> Result<()> {
    files::replace(&dir.join(FILE), to_json(checksum)?.as_bytes())
}

fn record_sums(lexical_dir: &Path) -> Result<Vec<Option<String>>> {
    let mut sums = Vec::with_capacity(RECORDS.len());
    for name in RECORDS {
        let record = files::read(&lexical_dir.join(name))?;
        sums.push(record.map(|bytes| files::sha256(&bytes)));
    }
    Ok(sums)
}

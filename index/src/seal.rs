//! What a generation remembers beside its rows, and how a change from outside is told from a
//! crash.
//!
//! The manifest travels inside tantivy's commit, so words, vectors and sequence number become
//! durable in one rename. The seal beside it holds the SHA-256 of tantivy's own records. Before a
//! commit the seal is opened, afterwards it is closed: a record that differs under a closed seal
//! was changed by something else.

use crate::error::{IndexError, Result};
use crate::files;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeSet;
use std::path::Path;

/// The version of everything in a generation's folder.
pub(crate) const FORMAT: u32 = 2;

const SEAL: &str = "seal.json";
/// tantivy's own records, which carry no checksum.
const RECORDS: [&str; 2] = ["meta.json", ".managed.json"];

/// What a commit of tantivy carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub format: u32,
    pub dimensions: usize,
    /// Counts commits, so that every state of a generation has a name.
    pub commit: u64,
    /// The highest passage ever committed.
    pub sequence: i64,
    /// Passages that are there.
    pub passages: u64,
    pub vectors: Vec<VectorFile>,
}

/// A file of vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VectorFile {
    pub name: String,
    /// Of its codes; each vector has a sum of its own.
    pub sha256: String,
    /// The revisions in it that were forgotten since it was written.
    pub forgotten: BTreeSet<u32>,
}

impl Manifest {
    pub(crate) fn empty(dimensions: usize) -> Self {
        Self {
            format: FORMAT,
            dimensions,
            commit: 0,
            sequence: 0,
            passages: 0,
            vectors: Vec::new(),
        }
    }
}

/// The state of a generation's records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seal {
    format: u32,
    open: bool,
    records: Vec<Option<String>>,
    /// SHA-256 over the fields above.
    sum: String,
}

impl Seal {
    fn new(open: bool, records: Vec<Option<String>>) -> Self {
        let mut seal = Self {
            format: FORMAT,
            open,
            records,
            sum: String::new(),
        };
        seal.sum = seal.expected_sum();
        seal
    }

    fn expected_sum(&self) -> String {
        files::sha256(format!("{} {} {:?}", self.format, self.open, self.records).as_bytes())
    }
}

/// Says that the records are about to change.
pub(crate) fn open(dir: &Path) -> Result<()> {
    write(dir, &Seal::new(true, Vec::new()))
}

/// Says that the records are as they should be.
pub(crate) fn close(dir: &Path, keywords: &Path) -> Result<()> {
    write(dir, &Seal::new(false, sums(keywords)?))
}

/// Checks the records. `Ok(false)` where a crash left the seal open: then everything that the
/// records say is to be checked against the files.
pub(crate) fn check(dir: &Path, keywords: &Path) -> Result<bool> {
    let bytes = files::read(&dir.join(SEAL))?
        .ok_or_else(|| IndexError::Damaged("its seal is missing".into()))?;
    let seal: Seal = parse(&bytes, "its seal")?;
    if seal.sum != seal.expected_sum() || seal.format != FORMAT {
        return Err(IndexError::Damaged("its seal has changed".into()));
    }
    if seal.open {
        return Ok(false);
    }
    if seal.records != sums(keywords)? {
        return Err(IndexError::Damaged(
            "the keyword index's records have changed".into(),
        ));
    }
    Ok(true)
}

pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| IndexError::Damaged(format!("{what} cannot be read: {error}")))
}

pub(crate) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| IndexError::Damaged(error.to_string()))
}

fn write(dir: &Path, seal: &Seal) -> Result<()> {
    files::write_whole(&dir.join(SEAL), to_json(seal)?.as_bytes())
}

fn sums(keywords: &Path) -> Result<Vec<Option<String>>> {
    RECORDS
        .iter()
        .map(|name| Ok(files::read(&keywords.join(name))?.map(|bytes| files::sha256(&bytes))))
        .collect()
}

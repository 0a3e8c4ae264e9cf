//! The manifest of a generation. It is stored in tantivy's commits, so that words, vectors and the
//! sequence number become durable with one rename.

use super::FORMAT;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The state of a generation at one commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub format: u32,
    pub dimensions: usize,
    /// The number of the commit, which is part of the name of this state.
    pub commit: u64,
    /// The highest passage ever committed.
    pub sequence: i64,
    /// The number of passages.
    pub passages: u64,
    pub vectors: Vec<VectorFile>,
}

/// A file of vectors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VectorFile {
    pub name: String,
    /// The SHA-256 of its codes. Each vector has its own checksum.
    pub sha256: String,
    /// The revisions that were deleted from it since it was written.
    #[serde(rename = "forgotten")]
    pub deleted_revisions: BTreeSet<u32>,
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

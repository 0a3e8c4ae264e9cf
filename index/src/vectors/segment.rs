//! A file of vectors, and the same in memory.
//!
//! Layout, little-endian: `CLVEC001`, dimensions `u32`, count `u32`, then `count` passages `i64`
//! in growing order, `count` revisions `u32`, `count · dimensions` values `f32`, and the SHA-256
//! of all that.

use crate::error::{IndexError, Result};
use crate::files;
use sha2::{Digest, Sha256};
use std::path::Path;

const MAGIC: &[u8; 8] = b"CLVEC001";
const HEAD: usize = 16;
const SUM: usize = 32;

/// Some passages' vectors, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Segment {
    pub dimensions: usize,
    pub passages: Vec<i64>,
    pub revisions: Vec<u32>,
    pub values: Vec<f32>,
}

impl Segment {
    pub(crate) fn empty(dimensions: usize) -> Self {
        Self {
            dimensions,
            ..Self::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.passages.len()
    }

    pub(crate) fn push(&mut self, passage: i64, revision: u32, vector: &[f32]) {
        self.passages.push(passage);
        self.revisions.push(revision);
        self.values.extend_from_slice(vector);
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (i64, u32, &[f32])> {
        let ids = self
            .passages
            .iter()
            .copied()
            .zip(self.revisions.iter().copied());
        let vectors = self.values.chunks_exact(self.dimensions.max(1));
        ids.zip(vectors)
            .map(|((passage, revision), vector)| (passage, revision, vector))
    }

    /// The vector of a passage.
    pub(crate) fn vector(&self, passage: i64) -> Option<&[f32]> {
        let row = self.passages.binary_search(&passage).ok()?;
        self.values
            .get(row * self.dimensions..(row + 1) * self.dimensions)
    }

    /// The rows for which `keep` holds.
    pub(crate) fn filtered(&self, keep: impl Fn(u32) -> bool) -> Self {
        let mut kept = Self::empty(self.dimensions);
        for (passage, revision, vector) in self.rows().filter(|(_, revision, _)| keep(*revision)) {
            kept.push(passage, revision, vector);
        }
        kept
    }

    /// The rows of all, one after the other.
    pub(crate) fn joined<'a>(dimensions: usize, parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut whole = Self::empty(dimensions);
        for part in parts {
            whole.passages.extend_from_slice(&part.passages);
            whole.revisions.extend_from_slice(&part.revisions);
            whole.values.extend_from_slice(&part.values);
        }
        whole
    }

    /// Writes the file; returns its SHA-256 (that of the whole file, sum included).
    pub(crate) fn write(&self, path: &Path) -> Result<String> {
        let size = HEAD + self.len() * 12 + self.values.len() * 4 + SUM;
        let mut bytes = Vec::with_capacity(size);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&small(self.dimensions)?.to_le_bytes());
        bytes.extend_from_slice(&small(self.len())?.to_le_bytes());
        bytes.extend(self.passages.iter().flat_map(|id| id.to_le_bytes()));
        bytes.extend(self.revisions.iter().flat_map(|id| id.to_le_bytes()));
        bytes.extend(self.values.iter().flat_map(|value| value.to_le_bytes()));
        let sum = Sha256::digest(&bytes);
        bytes.extend_from_slice(&sum);
        files::write_whole(path, &bytes)?;
        Ok(files::sha256(&bytes))
    }

    /// Reads a file whose SHA-256 must be `expected`.
    pub(crate) fn read(path: &Path, expected: &str, dimensions: usize) -> Result<Self> {
        let bytes = files::read(path)?
            .ok_or_else(|| IndexError::Damaged(format!("`{}` is missing", path.display())))?;
        if files::sha256(&bytes) != expected {
            return Err(IndexError::Damaged(format!(
                "`{}` has changed",
                path.display()
            )));
        }
        Self::parse(&bytes, dimensions).ok_or_else(|| {
            IndexError::Damaged(format!("`{}` is of another format", path.display()))
        })
    }

    fn parse(bytes: &[u8], dimensions: usize) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let (magic, sizes) = head.split_first_chunk::<8>()?;
        let (sizes, _) = sizes.as_chunks::<4>();
        let [stored, count] = [*sizes.first()?, *sizes.get(1)?].map(u32::from_le_bytes);
        let count = usize::try_from(count).ok()?;
        let expected = count.checked_mul(12 + dimensions * 4)?.checked_add(SUM)?;
        if magic != MAGIC || usize::try_from(stored).ok()? != dimensions || rest.len() != expected {
            return None;
        }
        let (passages, rest) = rest.split_at(count * 8);
        let (revisions, rest) = rest.split_at(count * 4);
        let (values, _) = rest.split_at(count * dimensions * 4);
        let read_ids = |bytes: &[u8]| {
            bytes
                .as_chunks()
                .0
                .iter()
                .map(|b| i64::from_le_bytes(*b))
                .collect()
        };
        Some(Self {
            dimensions,
            passages: read_ids(passages),
            revisions: revisions
                .as_chunks()
                .0
                .iter()
                .map(|b| u32::from_le_bytes(*b))
                .collect(),
            values: values
                .as_chunks()
                .0
                .iter()
                .map(|b| f32::from_le_bytes(*b))
                .collect(),
        })
    }
}

fn small(number: usize) -> Result<u32> {
    u32::try_from(number).map_err(|_too_large| {
        IndexError::Damaged(format!("`{number}` is too large for a vector file"))
    })
}

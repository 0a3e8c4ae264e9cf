//! Vector files of format 1, so that an old index can be searched until it is rebuilt.
//!
//! Layout, little-endian: `CLVEC001`, dimensions `u32`, count `u32`, then `count` passages `i64`
//! in ascending order, `count` revisions `u32`, `count · dimensions` values `f32`, and the SHA-256
//! of all that.

use super::codes::SegmentCodes;
use super::segment::Segment;
use super::segment_file::{VectorReader, parse_numbers};
use crate::files;
use sha2::{Digest, Sha256};
use std::path::Path;

const MAGIC: &[u8; 8] = b"CLVEC001";
const HEADER_BYTES: usize = 16;
const SHA256_BYTES: usize = 32;

/// Reads a file of format 1; `None` if it is another format or damaged.
pub(crate) fn read(path: &Path, dimensions: usize) -> Option<Segment> {
    let bytes = files::read(path).ok()??;
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(SHA256_BYTES)?)?;
    let (header, rest) = content.split_first_chunk::<HEADER_BYTES>()?;
    let (magic, sizes) = header.split_first_chunk::<8>()?;
    let sizes = parse_numbers(sizes, u32::from_le_bytes);
    let [stored, count] = [*sizes.first()?, *sizes.get(1)?].map(|n| n as usize);
    let expected = count.checked_mul(12 + dimensions * 4)?;
    if magic != MAGIC
        || stored != dimensions
        || rest.len() != expected
        || Sha256::digest(content).as_slice() != sum
    {
        return None;
    }
    let (passages, rest) = rest.split_at(count * 8);
    let (revisions, values) = rest.split_at(count * 4);
    let passages = parse_numbers(passages, i64::from_le_bytes);
    let revisions = parse_numbers(revisions, u32::from_le_bytes);
    let values = parse_numbers(values, f32::from_le_bytes);
    let ids = passages.into_iter().zip(revisions);
    let rows = ids
        .zip(values.chunks_exact(dimensions))
        .map(|((passage, revision), vector)| (passage, revision, vector));
    let mut codes = SegmentCodes::default();
    codes.encode(dimensions, rows);
    let vectors = VectorReader::in_memory(path, dimensions, values);
    Some(Segment::new(dimensions, codes, vectors))
}

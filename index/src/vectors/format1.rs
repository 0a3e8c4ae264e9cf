//! Files of vectors as format 1 had them, so that an index of that time answers until it is rebuilt.
//!
//! Layout, little-endian: `CLVEC001`, dimensions `u32`, count `u32`, then `count` passages `i64`
//! in growing order, `count` revisions `u32`, `count · dimensions` values `f32`, and the SHA-256
//! of all that.

use super::segment::{Codes, Segment, encode};
use super::segment_file::{RowFile, numbers};
use crate::files;
use sha2::{Digest, Sha256};
use std::path::Path;

const MAGIC: &[u8; 8] = b"CLVEC001";
const HEAD: usize = 16;
const SUM: usize = 32;

/// Reads a file of format 1; `None` where it is not one, or does not hold.
pub(crate) fn read(path: &Path, dimensions: usize) -> Option<Segment> {
    let bytes = files::read(path).ok()??;
    let (content, sum) = bytes.split_at_checked(bytes.len().checked_sub(SUM)?)?;
    let (head, rest) = content.split_first_chunk::<HEAD>()?;
    let (magic, sizes) = head.split_first_chunk::<8>()?;
    let sizes = numbers(sizes, u32::from_le_bytes);
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
    let passages = numbers(passages, i64::from_le_bytes);
    let revisions = numbers(revisions, u32::from_le_bytes);
    let values = numbers(values, f32::from_le_bytes);
    let ids = passages.into_iter().zip(revisions);
    let rows = ids
        .zip(values.chunks_exact(dimensions))
        .map(|((passage, revision), vector)| (passage, revision, vector));
    let mut codes = Codes::default();
    encode(&mut codes, dimensions, rows);
    let rows = RowFile::in_memory(path, dimensions, values);
    Some(Segment::new(dimensions, codes, rows))
}

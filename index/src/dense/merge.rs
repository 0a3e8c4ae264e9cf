//! Merging segments.

use super::Segment;
use super::codes::SegmentCodes;
use super::rabitq::Quantizer;
use crate::error::Result;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The maximum of rows of a merged segment.
const MAX_MERGED_ROWS: usize = 1 << 16;

/// The minimum of small adjacent segments that are merged.
const MIN_MERGED_SEGMENTS: usize = 4;

/// The first adjacent segments that should be merged: several small ones, or one with a quarter or more
/// of its rows deleted.
pub(crate) fn next_merge(segments: &[Arc<Segment>]) -> Option<Range<usize>> {
    let is_sparse = |s: &Arc<Segment>| s.live_rows() * 4 <= s.rows() * 3;
    if let Some(index) = segments.iter().position(is_sparse) {
        return Some(index..index + 1);
    }
    let is_small = |s: &Arc<Segment>| s.live_rows() <= MAX_MERGED_ROWS / 2;
    for start in 0..segments.len() {
        let mut rows = 0;
        let window = segments.get(start..).unwrap_or_default().iter();
        let count = window
            .take_while(|segment| {
                rows += segment.live_rows();
                is_small(segment) && rows <= MAX_MERGED_ROWS
            })
            .count();
        if count >= MIN_MERGED_SEGMENTS {
            return Some(start..start + count);
        }
    }
    None
}

/// A new row: passage, revision, vector.
pub(crate) type Row<'a> = (i64, u32, &'a [f32]);

/// Writes the live rows of `sources`, followed by the `new` ones, to one file; returns the SHA-256 of its
/// codes, and the segment.
pub(crate) fn merge(
    path: &Path,
    dimensions: usize,
    sources: &[Arc<Segment>],
    new: &[Row<'_>],
) -> Result<(String, Segment)> {
    let (mut codes, origins) = gather(sources);
    codes.encode(dimensions, new.iter().copied());
    Segment::write(path, dimensions, codes, |row, out| {
        if let Some((source, row)) = origins.get(row)
            && let Some(source) = sources.get(*source)
        {
            return source.read_vector(*row, out);
        }
        out.clear();
        let vector = new.get(row - origins.len()).map(|(_, _, vector)| *vector);
        out.extend_from_slice(vector.unwrap_or_default());
        Ok(())
    })
}

/// The codes of all live rows of `sources`, and the source and the row of each.
fn gather(sources: &[Arc<Segment>]) -> (SegmentCodes, Vec<(usize, usize)>) {
    let mut merged = SegmentCodes::default();
    let mut origins = Vec::new();
    for (index, source) in sources.iter().enumerate() {
        let codes = source.codes();
        let binary_codes = source.binary_codes();
        let mut binary = vec![0; Quantizer::words(source.dimensions())];
        for row in source.live_row_indices() {
            binary_codes.read(row, &mut binary);
            let (int8, step) = source.int8_code(row);
            if let (Some(passage), Some(revision), Some(correction)) = (
                codes.passages.get(row),
                codes.revisions.get(row),
                codes.corrections.get(row),
            ) {
                merged.push((*passage, *revision), (*correction, step), int8, &binary);
                origins.push((index, row));
            }
        }
    }
    (merged, origins)
}

//! Merging segments.

use super::Segment;
use super::codes::SegmentCodes;
use super::rabitq::Quantizer;
use crate::error::Result;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// The maximum of rows of a merged segment. One graph over many rows is faster than several over few, and the
/// construction of a graph takes about two kilobytes of memory per row.
const MAX_MERGED_ROWS: usize = 1 << 18;

/// The minimum of small adjacent segments that are merged.
const MIN_MERGED_SEGMENTS: usize = 4;

/// Whether a segment with so many rows is merged only if rows of it are deleted.
pub(crate) fn is_too_large_to_merge(rows: usize) -> bool {
    rows > MAX_MERGED_ROWS / 2
}

/// The first adjacent segments that should be merged: several small ones, none of which has more than half of
/// the rows, so that a row is written once for each doubling; or one with a quarter or more of its rows deleted.
pub(crate) fn next_merge(segments: &[Arc<Segment>]) -> Option<Range<usize>> {
    if let Some(index) = segments
        .iter()
        .position(|s| s.live_rows() * 4 <= s.rows() * 3)
    {
        return Some(index..index + 1);
    }
    for start in 0..segments.len() {
        let (mut rows, mut largest, mut count) = (0, 0, 0);
        for segment in segments.get(start..).unwrap_or_default() {
            let own = segment.live_rows();
            if is_too_large_to_merge(own) || rows + own > MAX_MERGED_ROWS {
                break;
            }
            (rows, largest, count) = (rows + own, largest.max(own), count + 1);
        }
        if count >= MIN_MERGED_SEGMENTS && largest * 2 <= rows {
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

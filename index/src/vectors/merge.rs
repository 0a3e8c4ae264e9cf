//! Which segments become one, and how.

use super::Segment;
use super::segment::{encode, gather};
use crate::error::Result;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Segments grow together up to this many rows; larger ones are left alone.
const MOST_ROWS: usize = 1 << 16;

/// So many small neighbours are worth a merge.
const FEWEST: usize = 4;

/// The first neighbours that are worth becoming one: several small ones, or one of which a quarter
/// or more was forgotten.
pub(crate) fn wanted(segments: &[Arc<Segment>]) -> Option<Range<usize>> {
    let hollow = |s: &Arc<Segment>| s.live() * 4 <= s.rows() * 3;
    if let Some(place) = segments.iter().position(hollow) {
        return Some(place..place + 1);
    }
    let small = |s: &Arc<Segment>| s.live() <= MOST_ROWS / 2;
    for start in 0..segments.len() {
        let mut rows = 0;
        let window = segments.get(start..).unwrap_or_default().iter();
        let count = window
            .take_while(|segment| {
                rows += segment.live();
                small(segment) && rows <= MOST_ROWS
            })
            .count();
        if count >= FEWEST {
            return Some(start..start + count);
        }
    }
    None
}

/// A new row: passage, revision, vector.
pub(crate) type Row<'a> = (i64, u32, &'a [f32]);

/// Writes the live rows of `parts` and then the `new` ones to one file; returns the sum of its
/// codes and the segment.
pub(crate) fn join(
    path: &Path,
    dimensions: usize,
    parts: &[Arc<Segment>],
    new: &[Row<'_>],
) -> Result<(String, Segment)> {
    let (mut codes, origins) = gather(parts);
    encode(&mut codes, dimensions, new.iter().copied());
    Segment::write(path, dimensions, codes, |row, out| {
        let origin = origins.get(row);
        if let Some((part, row)) = origin.and_then(|(part, row)| Some((parts.get(*part)?, *row))) {
            return part.vector(row, out);
        }
        out.clear();
        let vector = new.get(row - origins.len()).map(|(_, _, vector)| *vector);
        out.extend_from_slice(vector.unwrap_or_default());
        Ok(())
    })
}

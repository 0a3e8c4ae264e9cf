//! The dense arm.
//!
//! A segment keeps two codes of each vector in memory, with one bit and with eight bits per coordinate,
//! and the vector itself in a file. [`nearest`] plans a search: [`scan_exact`] scans the codes of all
//! permitted rows and reads the few vectors that decide the ranking; in larger indexes, a walk on a graph
//! compares a few hundred rows, or the rows in the clusters near the query are scanned.

mod candidate;
mod clusters;
mod codes;
mod format1;
mod graph;
mod merge;
mod nearest;
mod rabitq;
mod rotation;
mod scan;
mod segment;
mod segment_file;

pub(crate) use candidate::kth_largest;
pub(crate) use cloister_kernels::codes::dot;
pub(crate) use graph::{GRAPH_EXTENSION, build_certified};
pub(crate) use merge::{Row, is_too_large_to_merge, merge, next_merge};
pub(crate) use nearest::{NearestRequest, nearest};
pub(crate) use rabitq::{DenseQuery, Quantizer};
pub(crate) use scan::scan_exact;
use scan::select_nearest;
pub(crate) use segment::{Segment, find_row};

use std::path::Path;

/// If fewer rows than one of this many are permitted, all permitted ones are scanned: a walk would
/// mostly pass hidden rows, and clusters with few permitted rows are not faster.
const MIN_PERMITTED_SHARE: usize = 3;

/// A passage found by its vector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DenseHit {
    pub passage: i64,
    pub revision: u32,
    pub score: ScoreEstimate,
}

/// The cosine of a passage's vector and the query, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ScoreEstimate {
    pub value: f32,
    /// The maximum error; 0 if the vector itself was compared.
    pub error: f32,
}

impl ScoreEstimate {
    pub(crate) fn exact(value: f32) -> Self {
        Self { value, error: 0.0 }
    }

    pub(crate) fn lower_bound(self) -> f32 {
        self.value - self.error
    }

    pub(crate) fn upper_bound(self) -> f32 {
        self.value + self.error
    }
}

/// Sorts exact hits, best first. Equal scores are ordered by id, so that the order is reproducible.
pub(crate) fn sort(hits: &mut [DenseHit]) {
    hits.sort_unstable_by(|a, b| {
        let by_score = b.score.value.total_cmp(&a.score.value);
        by_score.then(a.passage.cmp(&b.passage))
    });
}

/// A segment from a file of any format, without a manifest; `None` if it is damaged.
pub(crate) fn recover(path: &Path, dimensions: usize) -> Option<Segment> {
    let segment = Segment::read(path, None, dimensions).ok();
    segment.or_else(|| format1::read(path, dimensions))
}

//! The arm of meaning.
//!
//! A segment keeps two codes of each vector in memory, one bit and eight bits a coordinate, and the
//! vector itself in a file. [`nearest`] scans the codes under the permission filter and reads the
//! few vectors that decide; past a measured size [`nearest_in_cells`] scans those near the question.

mod candidate;
mod cells;
mod format1;
mod kernels;
mod merge;
mod quantise;
mod rotation;
mod scan;
mod segment;
mod segment_file;

pub(crate) use candidate::kth_largest;
pub(crate) use kernels::dot;
pub(crate) use merge::{Row, join, wanted as wanted_merge};
pub(crate) use quantise::{Quantiser, Question};
pub(crate) use scan::{nearest, nearest_in_cells};
pub(crate) use segment::{Segment, row_of};

use std::path::Path;

/// A passage that its vector found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct VectorHit {
    pub passage: i64,
    pub revision: u32,
    pub cosine: Cosine,
}

/// The cosine of a passage's vector and a question's, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cosine {
    pub about: f32,
    /// How far that may be off; 0 where the vector itself was compared.
    pub off: f32,
}

impl Cosine {
    pub(crate) fn exactly(value: f32) -> Self {
        Self {
            about: value,
            off: 0.0,
        }
    }

    pub(crate) fn lowest(self) -> f32 {
        self.about - self.off
    }

    pub(crate) fn highest(self) -> f32 {
        self.about + self.off
    }
}

/// Best first, where all of them are known exactly; equals in the order of their ids, so that every search agrees.
pub(crate) fn sort(hits: &mut [VectorHit]) {
    hits.sort_unstable_by(|a, b| {
        b.cosine
            .about
            .total_cmp(&a.cosine.about)
            .then(a.passage.cmp(&b.passage))
    });
}

/// A segment from a file of any format, judged by the file alone; `None` where it does not hold.
pub(crate) fn salvage(path: &Path, dimensions: usize) -> Option<Segment> {
    let segment = Segment::read(path, None, dimensions).ok();
    segment.or_else(|| format1::read(path, dimensions))
}

//! The arm of meaning: every vector in memory, compared one by one or along a graph.

mod graph;
mod scan;
mod segment;

pub(crate) use graph::Graph;
pub(crate) use scan::{dot, nearest};
pub(crate) use segment::Segment;

/// A passage that its vector found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct VectorHit {
    pub passage: i64,
    pub revision: u32,
    pub cosine: f32,
}

/// Best first; equals in the order of their ids, so that every search agrees.
pub(crate) fn sort(hits: &mut [VectorHit]) {
    hits.sort_unstable_by(|a, b| {
        b.cosine
            .total_cmp(&a.cosine)
            .then(a.passage.cmp(&b.passage))
    });
}

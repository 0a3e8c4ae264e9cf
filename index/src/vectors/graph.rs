//! The graph for large collections: HNSW (Malkov and Yashunin 2018) by `hnsw_rs`.
//!
//! It is never stored: it is built in the background from the checked vector files, and until it
//! is ready every search is exact. Nothing can be taken out of it, so what is forgotten or not
//! permitted is passed over by the filter.

use super::{Segment, VectorHit, dot, sort};
use hnsw_rs::prelude::{Distance, Hnsw};
use rayon::prelude::*;
use roaring::RoaringBitmap;
use std::sync::Arc;

const NEIGHBOURS: usize = 16;
const LAYERS: usize = 16;
const BUILD_EFFORT: usize = 200;
/// Candidates kept while searching: recall .99 on 60,000 real sentences (`hnsw_rs` at 128).
const SEARCH_EFFORT: usize = 256;
/// Rows inserted between two looks at whether the graph is still wanted.
const BUILD_STEP: usize = 4096;

struct OneMinusDot;

impl Distance<f32> for OneMinusDot {
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        // Rounding may take the product of two unit vectors past 1.
        (1.0 - dot(a, b)).max(0.0)
    }
}

/// A graph over the passages up to [`Graph::sequence`].
pub(crate) struct Graph {
    hnsw: Hnsw<'static, f32, OneMinusDot>,
    passages: Vec<i64>,
    revisions: Vec<u32>,
}

impl Graph {
    /// Builds it, on all threads. `None` where `wanted` said no in between.
    pub(crate) fn build(segments: &[Arc<Segment>], wanted: impl Fn() -> bool) -> Option<Self> {
        let count = segments.iter().map(|segment| segment.len()).sum();
        let hnsw = Hnsw::new(NEIGHBOURS, count, LAYERS, BUILD_EFFORT, OneMinusDot);
        let rows: Vec<_> = segments.iter().flat_map(|segment| segment.rows()).collect();
        let mut ids = 0..count;
        for step in rows.chunks(BUILD_STEP) {
            if !wanted() {
                return None;
            }
            let step: Vec<_> = step.iter().zip(ids.by_ref().take(step.len())).collect();
            step.par_iter()
                .for_each(|((_, _, vector), id)| hnsw.insert_slice((vector, *id)));
        }
        Some(Self {
            hnsw,
            passages: rows.iter().map(|(passage, _, _)| *passage).collect(),
            revisions: rows.iter().map(|(_, revision, _)| *revision).collect(),
        })
    }

    /// The highest passage in it.
    pub(crate) fn sequence(&self) -> i64 {
        self.passages.last().copied().unwrap_or(0)
    }

    pub(crate) fn len(&self) -> usize {
        self.passages.len()
    }

    /// About the `limit` nearest permitted passages, best first; it may find fewer.
    pub(crate) fn nearest(
        &self,
        question: &[f32],
        permitted: &RoaringBitmap,
        limit: usize,
    ) -> Vec<VectorHit> {
        let allowed = |id: &usize| {
            self.revisions
                .get(*id)
                .is_some_and(|r| permitted.contains(*r))
        };
        let effort = SEARCH_EFFORT.max(2 * limit);
        let found = self
            .hnsw
            .search_filter(question, limit, effort, Some(&allowed));
        let mut hits: Vec<VectorHit> = found
            .into_iter()
            .filter_map(|neighbour| {
                Some(VectorHit {
                    passage: *self.passages.get(neighbour.d_id)?,
                    revision: *self.revisions.get(neighbour.d_id)?,
                    cosine: 1.0 - neighbour.distance,
                })
            })
            .collect();
        sort(&mut hits);
        hits
    }
}

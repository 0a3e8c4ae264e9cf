//! The search along a graph, for more vectors than can be compared one by one: `hnsw_rs` over
//! int8 codes.
//!
//! It is never stored: it is built in the background from the checked codes, and until it is ready
//! every search is a scan. Nothing can be taken out of it, so what is forgotten or not permitted is
//! passed over by the filter.

use super::quantise::Question;
use super::{Cosine, Segment, VectorHit, row_of, sort};
use crate::readable::Readable;
use hnsw_rs::prelude::{Distance, Hnsw};
use rayon::prelude::*;
use std::sync::Arc;

const NEIGHBOURS: usize = 16;
const LAYERS: usize = 16;
const BUILD_EFFORT: usize = 200;
/// Candidates kept while searching: recall .99 on 60,000 real sentences (`hnsw_rs` at 128).
const SEARCH_EFFORT: usize = 256;
/// Rows inserted between two looks at whether the graph is still wanted.
const BUILD_STEP: usize = 4096;

/// Bytes of a code's step, which follow its coordinates.
const STEP: usize = 4;

struct OneMinusDot;

impl Distance<i8> for OneMinusDot {
    fn eval(&self, a: &[i8], b: &[i8]) -> f32 {
        let (Some((a, a_step)), Some((b, b_step))) =
            (a.split_last_chunk::<STEP>(), b.split_last_chunk::<STEP>())
        else {
            return 1.0;
        };
        let products = a.iter().zip(b).map(|(a, b)| i32::from(*a) * i32::from(*b));
        let step = |bytes: &[i8; STEP]| f32::from_le_bytes(bytes.map(i8::cast_unsigned));
        // Rounding may take the product of two unit vectors past 1.
        (1.0 - products.sum::<i32>() as f32 * (step(a_step) * step(b_step))).max(0.0)
    }
}

/// Coordinates and step as the graph keeps them.
fn point(int8: &[i8], step: f32) -> Vec<i8> {
    let mut point = int8.to_vec();
    point.extend(step.to_le_bytes().map(u8::cast_signed));
    point
}

/// A graph over the passages up to [`Graph::sequence`].
pub(crate) struct Graph {
    hnsw: Hnsw<'static, i8, OneMinusDot>,
    passages: Vec<i64>,
    revisions: Vec<u32>,
}

impl Graph {
    /// Builds it, on all threads. `None` where `wanted` said no in between.
    pub(crate) fn build(segments: &[Arc<Segment>], wanted: impl Fn() -> bool) -> Option<Self> {
        let count = segments.iter().map(|segment| segment.live()).sum();
        let hnsw = Hnsw::new(NEIGHBOURS, count, LAYERS, BUILD_EFFORT, OneMinusDot);
        let mut graph = Self {
            hnsw,
            passages: Vec::with_capacity(count),
            revisions: Vec::with_capacity(count),
        };
        for segment in segments {
            let (codes, width) = (segment.codes(), segment.dimensions());
            let rows: Vec<usize> = segment.live_rows().collect();
            for rows in rows.chunks(BUILD_STEP) {
                if !wanted() {
                    return None;
                }
                let first = graph.passages.len();
                rows.par_iter().enumerate().for_each(|(id, row)| {
                    let int8 = codes.int8.get(row * width..(row + 1) * width);
                    let step = codes.steps.get(*row).copied();
                    let point = point(int8.unwrap_or_default(), step.unwrap_or(0.0));
                    graph.hnsw.insert_slice((&point, first + id));
                });
                let ids = rows.iter().filter_map(|row| codes.passages.get(*row));
                graph.passages.extend(ids);
                let ids = rows.iter().filter_map(|row| codes.revisions.get(*row));
                graph.revisions.extend(ids);
            }
        }
        Some(graph)
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
        segments: &[Arc<Segment>],
        question: &Question,
        readable: &Readable,
        limit: usize,
    ) -> Vec<VectorHit> {
        let allowed = |id: &usize| {
            self.revisions
                .get(*id)
                .is_some_and(|r| readable.contains(*r))
        };
        let effort = SEARCH_EFFORT.max(2 * limit);
        let (int8, step) = question.int8();
        let found = self
            .hnsw
            .search_filter(&point(&int8, step), limit, effort, Some(&allowed));
        let passages = found
            .iter()
            .filter_map(|neighbour| self.passages.get(neighbour.d_id));
        let hit = |passage: &i64| {
            let (segment, row) = row_of(segments, *passage)?;
            segment.hit(row, Cosine::exactly(segment.exact(row, question)))
        };
        let mut hits: Vec<VectorHit> = passages.filter_map(hit).collect();
        sort(&mut hits);
        hits
    }
}

//! The plan of a dense search: the exact scan, the clusters near the query, or a walk on a graph.
//!
//! The plan depends on the numbers of permitted rows and on the graphs' certificates, never on what is
//! hidden in them.

use super::candidate::Candidate;
use super::graph::walk;
use super::scan::{for_each, scan_all_rows, scan_clusters, select_nearest};
use super::{DenseHit, DenseQuery, MIN_PERMITTED_SHARE, Segment};
use crate::request::{DenseMethod, IndexSettings};
use crate::revisions::ReadableRevisions;
use std::sync::Arc;

/// The depth of an approximate search. In an index of that size, passages after it are among the best hits by
/// their words or not at all.
const APPROXIMATE_DEPTH: usize = 100;

/// The minimum length of a walk's beam, as a percentage of the number of hits.
const MIN_BEAM_PERCENT: usize = 125;

/// What is searched for.
#[derive(Clone, Copy)]
pub(crate) struct NearestRequest<'a> {
    pub segments: &'a [Arc<Segment>],
    pub query: &'a DenseQuery,
    pub readable: &'a ReadableRevisions,
    /// The number of readable rows, and of all rows.
    pub permitted: usize,
    pub rows: usize,
    /// The number of hits, and the minimum of them if the search is approximate.
    pub depth: usize,
    pub limit: usize,
    pub settings: &'a IndexSettings,
}

/// The nearest permitted rows, in any order, and how they were found.
pub(crate) fn nearest(request: NearestRequest<'_>) -> (Vec<DenseHit>, DenseMethod) {
    let (method, candidates, depth) = if request.permitted <= request.settings.graph_from {
        request.scan()
    } else {
        request.walk_or_scan()
    };
    (select_nearest(candidates, request.query, depth), method)
}

type Found<'a> = (DenseMethod, Vec<Candidate<'a>>, usize);

impl<'a> NearestRequest<'a> {
    fn approximate_depth(&self) -> usize {
        self.depth.min(APPROXIMATE_DEPTH.max(self.limit))
    }

    /// Scans all permitted rows, or those in the nearest clusters if there are many.
    fn scan(&self) -> Found<'a> {
        let segments = self.segments.iter().map(|segment| &**segment);
        let is_exact = self.permitted <= self.settings.exact_limit
            || self.permitted * MIN_PERMITTED_SHARE < self.rows
            || self
                .segments
                .iter()
                .all(|segment| segment.clusters().is_none());
        if is_exact {
            let candidates = scan_all_rows(segments, self.query, self.readable, self.depth);
            return (DenseMethod::Exact, candidates, self.depth);
        }
        let depth = self.approximate_depth();
        let found = scan_clusters(segments, self.query, self.readable, self.permitted, depth);
        (DenseMethod::Clusters, found, depth)
    }

    /// Walks the graphs, and scans the segments for which a walk is not planned.
    fn walk_or_scan(&self) -> Found<'a> {
        let depth = self.approximate_depth();
        let walked = for_each(self.segments, self.query, |segment| {
            self.walk(segment, depth)
        });
        let rest = self.segments.iter().zip(&walked);
        let rest = rest.filter(|(_, found)| found.is_none());
        let rest: Vec<&Segment> = rest.map(|(segment, _)| &**segment).collect();
        if rest.len() == self.segments.len() {
            return self.scan();
        }
        let mut candidates: Vec<Candidate<'a>> = walked.into_iter().flatten().flatten().collect();
        candidates.extend(scan_all_rows(rest, self.query, self.readable, depth));
        (DenseMethod::Graph, candidates, depth)
    }

    /// The candidates of a segment by its graph; `None` if scanning it is as good, or if the walk found
    /// fewer than there are.
    fn walk(&self, segment: &'a Arc<Segment>, depth: usize) -> Option<Vec<Candidate<'a>>> {
        let certified = segment.graph()?;
        let graph = certified.graph.as_ref()?;
        let certificate = &certified.certificate;
        let permitted = segment.readable_rows(self.readable);
        // A compared row costs a walk as much as a scanned row costs a scan.
        if permitted.len() * MIN_PERMITTED_SHARE < segment.rows()
            || permitted.len() <= certificate.comparisons
        {
            return None;
        }
        let ef = match permitted.filter() {
            None => certificate.ef,
            Some(_) => certificate.filtered_ef,
        };
        let ef = ef.max(depth * MIN_BEAM_PERCENT / 100);
        let found = walk(graph, segment, self.query, permitted.filter(), ef);
        let is_complete = found.candidates.len() >= depth.min(permitted.len());
        is_complete.then_some(found.candidates)
    }
}

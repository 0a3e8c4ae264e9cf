//! The dense search: scans the binary codes of all permitted rows, or of those in the clusters nearest to
//! the query.
//!
//! Binary codes give upper bounds. Rows whose bound is below the threshold are skipped, the others are
//! ranked by their int8 codes, and the vectors of those that these do not decide are read from the disk.
//! The result does not depend on the number of threads or their scheduling.

use super::candidate::{Candidate, Partitioned, certain_threshold, kth_largest};
use super::clusters::{ClusterDistance, Clusters};
use super::codes::BinaryCodes;
use super::rabitq::DenseQuery;
use super::{DenseHit, Segment};
use crate::revisions::ReadableRevisions;
use cloister_kernels::codes::{self, BLOCK};
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Blocks of rows per task of a thread.
const BLOCKS_PER_TASK: usize = 512;

/// Vectors that a thread reads from the disk per task.
const READ_BATCH: usize = 32;

/// Up to this many permitted rows, int8 codes alone are faster than binary codes before them.
const INT8_ONLY_BELOW: usize = 4096;

/// The share of the permitted rows that a search in clusters scans: one of this many.
const PROBE_FRACTION: usize = 4;

/// The minimum share of the clusters that are selected at a time: one of this many.
const PROBE_STEP: usize = 128;

/// The rows of a segment that are scanned.
struct ReadableSegment<'a> {
    segment: &'a Segment,
    codes: BinaryCodes<'a>,
    /// The row of each index of `codes`, if it is not the index itself.
    rows: Option<&'a [u32]>,
    /// Indices of `codes`, ascending and disjoint.
    ranges: Vec<Range<usize>>,
    /// Whether no row of the segment is deleted.
    all_live: bool,
}

/// The `limit` nearest permitted rows of all segments, in any order. Their scores are exact only as far as
/// the selection required it.
pub(crate) fn scan_exact(
    segments: &[Arc<Segment>],
    query: &DenseQuery,
    readable: &ReadableRevisions,
    limit: usize,
) -> Vec<DenseHit> {
    let candidates = scan_all_rows(segments.iter().map(|s| &**s), query, readable, limit);
    select_nearest(candidates, query, limit)
}

/// The candidates for the `limit` nearest of all permitted rows.
pub(super) fn scan_all_rows<'a>(
    segments: impl IntoIterator<Item = &'a Segment>,
    query: &DenseQuery,
    readable: &ReadableRevisions,
    limit: usize,
) -> Vec<Candidate<'a>> {
    let segments = segments.into_iter();
    let views = segments.map(|segment| ReadableSegment::of_all_rows(segment, readable));
    candidates_in_views(&views.collect::<Vec<_>>(), query, limit)
}

/// An approximation of [`scan_all_rows`]: in segments with clusters, scans only the nearest ones.
/// `permitted` is the number of permitted rows.
pub(super) fn scan_clusters<'a>(
    segments: impl IntoIterator<Item = &'a Segment>,
    query: &DenseQuery,
    readable: &ReadableRevisions,
    permitted: usize,
    limit: usize,
) -> Vec<Candidate<'a>> {
    let mut clusters: Vec<(ClusterDistance, usize)> = Vec::new();
    let mut views: Vec<ReadableSegment<'a>> = Vec::new();
    for (number, segment) in segments.into_iter().enumerate() {
        let Some(own) = segment.clusters() else {
            views.push(ReadableSegment::of_all_rows(segment, readable));
            continue;
        };
        clusters.extend(own.distances(query).map(|cluster| (cluster, number)));
        views.push(ReadableSegment::of_no_cluster(segment, own));
    }
    let filter = (!readable.is_everything()).then_some(readable);
    let (count, min_step) = (clusters.len(), clusters.len() / PROBE_STEP + 1);
    let mut missing_rows = (permitted / PROBE_FRACTION).max(2 * limit);
    let mut rest = clusters.as_mut_slice();
    while missing_rows > 0 && !rest.is_empty() {
        // The order of the scanned clusters is irrelevant, so several are selected at a time: fewer than
        // the estimate, so that not too many rows are scanned.
        let estimate = missing_rows * count / permitted.max(1) * 7 / 8;
        let step = estimate.max(min_step).min(rest.len());
        rest.select_nth_unstable_by(step - 1, by_distance);
        let (near, far) = rest.split_at_mut(step);
        for (ClusterDistance { cluster, .. }, number) in near {
            if let Some(view) = views.get_mut(*number) {
                missing_rows = missing_rows.saturating_sub(view.add_cluster(*cluster, filter));
            }
        }
        rest = far;
    }
    for view in &mut views {
        view.merge_ranges();
    }
    candidates_in_views(&views, query, limit)
}

/// The nearest clusters first.
fn by_distance(
    (a, a_segment): &(ClusterDistance, usize),
    (b, b_segment): &(ClusterDistance, usize),
) -> Ordering {
    let by_similarity = b.similarity.total_cmp(&a.similarity);
    by_similarity.then((a_segment, a.cluster).cmp(&(b_segment, b.cluster)))
}

/// The candidates for the `limit` nearest rows of the views.
fn candidates_in_views<'a>(
    views: &[ReadableSegment<'a>],
    query: &DenseQuery,
    limit: usize,
) -> Vec<Candidate<'a>> {
    let ranges = views.iter().flat_map(|view| &view.ranges);
    let rows: usize = ranges.map(Range::len).sum();
    if rows > INT8_ONLY_BELOW {
        return candidates_by_bounds(views, query, limit);
    }
    // This is faster than waking other threads.
    let scored = views.iter().flat_map(|view| view.score_all(query));
    scored.collect()
}

/// The `limit` nearest candidates, in any order. Their scores are exact only as far as the selection
/// required it.
pub(super) fn select_nearest(
    candidates: Vec<Candidate<'_>>,
    query: &DenseQuery,
    limit: usize,
) -> Vec<DenseHit> {
    let partitioned = Partitioned::new(candidates, limit);
    let batches: Vec<&[Candidate<'_>]> = partitioned.undecided.chunks(READ_BATCH).collect();
    partitioned.best(
        for_each(&batches, query, |rows| -> Vec<DenseHit> {
            rows.iter().filter_map(|row| row.exact_hit(query)).collect()
        })
        .concat(),
    )
}

/// Calls `work` with each item, on all threads if the query may use them. Results are in the order of the
/// items.
pub(super) fn for_each<'t, T: Sync, R: Send>(
    items: &'t [T],
    query: &DenseQuery,
    work: impl Fn(&'t T) -> R + Sync + Send,
) -> Vec<R> {
    if query.all_threads {
        items.par_iter().map(work).collect()
    } else {
        items.iter().map(work).collect()
    }
}

/// The rows that can be among the best, by the bounds of their binary codes.
fn candidates_by_bounds<'a>(
    views: &[ReadableSegment<'a>],
    query: &DenseQuery,
    limit: usize,
) -> Vec<Candidate<'a>> {
    let parts: Vec<ViewPart<'_, 'a>> = views.iter().flat_map(ReadableSegment::parts).collect();
    let maxima: Vec<BlockMaxima> = for_each(&parts, query, |part| part.maxima(query));
    let low = first_threshold(&maxima, 2 * limit);
    let parts: Vec<(ViewPart<'_, 'a>, BlockMaxima)> = parts.into_iter().zip(maxima).collect();
    let first = for_each(&parts, query, |(part, maxima)| {
        part.with_bounds_in(&(low..f32::INFINITY), maxima, query)
    });
    // Many more rows than wanted can reach it, if near rows are adjacent.
    let mut highest: Vec<f32> = first.iter().flatten().map(|(bound, _)| *bound).collect();
    let start = kth_largest(&mut highest, 2 * limit).max(low);
    let parts: Vec<_> = parts.into_iter().zip(first).collect();
    let scored_between = |wanted: &Range<f32>| -> Vec<Candidate<'a>> {
        let scored = for_each(&parts, query, |((part, maxima), first)| {
            let known = first.iter().filter(|(bound, _)| wanted.contains(bound));
            let mut indices: Vec<usize> = known.map(|(_, index)| *index).collect();
            if wanted.start < low {
                let below = wanted.start..wanted.end.min(low);
                let more = part.with_bounds_in(&below, maxima, query);
                indices.extend(more.iter().map(|(_, index)| index));
            }
            part.view.score(indices, query)
        });
        scored.concat()
    };
    let mut bounds = start..f32::INFINITY;
    let mut found = scored_between(&bounds);
    // The scores of the rows with the highest bounds give a threshold for the others. It is raised with a
    // few more rows before all remaining ones are scored.
    for share in [0.5, 0.0] {
        let threshold = certain_threshold(&found, limit);
        if threshold < bounds.start {
            let next = threshold + share * (bounds.start - threshold);
            bounds = next.max(threshold)..bounds.start;
            found.extend(scored_between(&bounds));
        }
    }
    found
}

/// The highest bounds of adjacent blocks.
struct BlockMaxima {
    /// Of each block.
    blocks: Vec<f32>,
    /// Of each [`BLOCK`] blocks.
    groups: Vec<f32>,
}

impl BlockMaxima {
    fn new(blocks: Vec<f32>) -> Self {
        let mut groups = vec![f32::NEG_INFINITY; blocks.len().div_ceil(BLOCK)];
        codes::block_maxima(&blocks, &mut groups);
        Self { blocks, groups }
    }

    /// The indices of the blocks whose highest bound reaches `threshold`.
    fn reaching(&self, threshold: f32) -> impl Iterator<Item = usize> {
        let groups = self.groups.iter().enumerate();
        let groups = groups.filter(move |(_, bound)| **bound >= threshold);
        let blocks = groups.flat_map(|(group, _)| group * BLOCK..(group + 1) * BLOCK);
        blocks.filter(move |block| {
            let bound = self.blocks.get(*block);
            bound.is_some_and(|bound| *bound >= threshold)
        })
    }
}

/// A threshold that the bounds of about `wanted` rows reach, or of all rows if there are few.
fn first_threshold(maxima: &[BlockMaxima], wanted: usize) -> f32 {
    let mut bounds = finite(maxima.iter().flat_map(|part| &part.groups));
    if bounds.len() < 4 * wanted {
        bounds = finite(maxima.iter().flat_map(|part| &part.blocks));
    }
    kth_largest(&mut bounds, wanted)
}

fn finite<'a>(bounds: impl Iterator<Item = &'a f32>) -> Vec<f32> {
    bounds.copied().filter(|bound| bound.is_finite()).collect()
}

impl<'a> ReadableSegment<'a> {
    /// All permitted rows of a segment.
    fn of_all_rows(segment: &'a Segment, readable: &ReadableRevisions) -> Self {
        Self {
            segment,
            codes: segment.binary_codes(),
            rows: None,
            ranges: segment.readable_ranges(readable),
            all_live: false,
        }
    }

    /// A view of a segment with clusters, to which clusters are added.
    fn of_no_cluster(segment: &'a Segment, clusters: &'a Clusters) -> Self {
        Self {
            segment,
            codes: clusters.binary_codes(segment.dimensions()),
            rows: Some(&clusters.rows),
            ranges: Vec::new(),
            all_live: segment.live_rows() == segment.rows(),
        }
    }

    /// Adds the live rows of a cluster, or the readable ones of them; returns their number.
    fn add_cluster(&mut self, cluster: usize, filter: Option<&ReadableRevisions>) -> usize {
        let Some(clusters) = self.segment.clusters() else {
            return 0;
        };
        let indices = clusters.indices(cluster);
        if self.all_live && filter.is_none() {
            self.ranges.push(indices.clone());
            return indices.len();
        }
        let before = self.ranges.len();
        let mut added = 0;
        for index in indices {
            let revision = clusters.revisions.get(index);
            let row = clusters.rows.get(index).map(|row| *row as usize);
            if !filter.is_none_or(|filter| revision.is_some_and(|r| filter.contains(*r)))
                || !(self.all_live || (row.is_some_and(|row| self.segment.is_live(row))))
            {
                continue;
            }
            added += 1;
            let new = self.ranges.get_mut(before..).unwrap_or_default();
            match new.last_mut() {
                Some(last) if last.end == index => last.end += 1,
                _ => self.ranges.push(index..index + 1),
            }
        }
        added
    }

    /// Sorts the ranges and merges adjacent ones.
    fn merge_ranges(&mut self) {
        self.ranges.sort_unstable_by_key(|range| range.start);
        self.ranges.dedup_by(|next, last| {
            let adjacent = last.end == next.start;
            if adjacent {
                last.end = next.end;
            }
            adjacent
        });
    }

    fn score_all(&self, query: &DenseQuery) -> Vec<Candidate<'a>> {
        let indices: Vec<usize> = self.ranges.iter().cloned().flatten().collect();
        self.score(indices, query)
    }

    /// The rows at these indices with the scores of their int8 codes.
    fn score(&self, indices: Vec<usize>, query: &DenseQuery) -> Vec<Candidate<'a>> {
        let rows = match self.rows {
            Some(rows) => indices
                .iter()
                .filter_map(|index| rows.get(*index).map(|row| *row as usize))
                .collect(),
            None => indices,
        };
        let segment_codes = self.segment.codes();
        let mut dots = vec![0; rows.len()];
        codes::dots_int8(&segment_codes.int8, &rows, &query.int12, &mut dots);
        let scored = rows.iter().zip(dots).map(|(row, dot)| {
            let step = segment_codes.steps.get(*row).copied().unwrap_or(0.0);
            Candidate {
                segment: self.segment,
                row: *row,
                score: query.int8_score(dot, step),
            }
        });
        scored.collect()
    }

    fn parts<'v>(&'v self) -> impl Iterator<Item = ViewPart<'v, 'a>> {
        let blocks = self.segment.rows().div_ceil(BLOCK);
        (0..blocks)
            .step_by(BLOCKS_PER_TASK)
            .filter_map(move |first| {
                let rows = first * BLOCK..(first + BLOCKS_PER_TASK) * BLOCK;
                let from = self.ranges.partition_point(|range| range.end <= rows.start);
                let to = self.ranges.partition_point(|range| range.start < rows.end);
                let ranges = self
                    .ranges
                    .get(from..to)
                    .filter(|ranges| !ranges.is_empty())?;
                Some(ViewPart {
                    view: self,
                    rows,
                    ranges,
                })
            })
    }
}

/// Adjacent rows of a view: the work of one task.
struct ViewPart<'v, 'a> {
    view: &'v ReadableSegment<'a>,
    /// Whole blocks of indices.
    rows: Range<usize>,
    /// The view's ranges that overlap `rows`.
    ranges: &'v [Range<usize>],
}

impl ViewPart<'_, '_> {
    /// The scanned indices.
    fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let rows = self.rows.clone();
        self.ranges
            .iter()
            .map(move |range| range.start.max(rows.start)..range.end.min(rows.end))
    }

    fn contains(&self, index: usize) -> bool {
        let next = self.ranges.partition_point(|range| range.end <= index);
        self.ranges
            .get(next)
            .is_some_and(|range| range.contains(&index))
    }

    /// The highest bound of the scanned rows of each block; minus infinity if it has none.
    fn maxima(&self, query: &DenseQuery) -> BlockMaxima {
        let (mut blocks, mut starts) = (Vec::new(), Vec::new());
        for range in self.ranges() {
            let mut reached = range.start / BLOCK..range.end.div_ceil(BLOCK);
            // Several short ranges can be in one block.
            let known = usize::from(blocks.last() == Some(&reached.start));
            starts.push((blocks.len() - known) * BLOCK + range.start % BLOCK);
            reached.start += known;
            blocks.extend(reached);
        }
        let mut bounds = vec![0.0; blocks.len() * BLOCK];
        self.view.codes.upper_bounds(&blocks, query, &mut bounds);
        let mut permitted = vec![f32::NEG_INFINITY; bounds.len()];
        for (start, range) in starts.into_iter().zip(self.ranges()) {
            let inside = start..start + range.len();
            if let (Some(to), Some(from)) = (permitted.get_mut(inside.clone()), bounds.get(inside))
            {
                to.copy_from_slice(from);
            }
        }
        let mut tops = vec![0.0; blocks.len()];
        codes::block_maxima(&permitted, &mut tops);
        let first = self.rows.start / BLOCK;
        let mut maxima = vec![f32::NEG_INFINITY; BLOCKS_PER_TASK];
        for (block, top) in blocks.iter().zip(tops) {
            if let Some(target) = maxima.get_mut(block - first) {
                *target = top;
            }
        }
        BlockMaxima::new(maxima)
    }

    /// The scanned indices whose bounds are in `wanted`, with these bounds.
    fn with_bounds_in(
        &self,
        wanted: &Range<f32>,
        maxima: &BlockMaxima,
        query: &DenseQuery,
    ) -> Vec<(f32, usize)> {
        let first = self.rows.start / BLOCK;
        let reaching = maxima.reaching(wanted.start);
        let blocks: Vec<usize> = reaching.map(|block| first + block).collect();
        let mut bounds = vec![0.0; blocks.len() * BLOCK];
        self.view.codes.upper_bounds(&blocks, query, &mut bounds);
        let indices = blocks
            .iter()
            .flat_map(|block| block * BLOCK..(block + 1) * BLOCK);
        let found = bounds.into_iter().zip(indices);
        found
            .filter(|(bound, index)| wanted.contains(bound) && self.contains(*index))
            .collect()
    }
}

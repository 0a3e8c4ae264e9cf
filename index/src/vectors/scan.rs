//! The search without a graph: every permitted vector's binary code against the question.
//!
//! Codes give bounds. A row whose upper bound lies below what is found already is passed over, the
//! others are ranked by their int8 codes, and of what may or may not belong to the best the vectors
//! are read from the disk. Nothing depends on the number of threads or on how they take turns.

use super::candidate::{Candidate, Sorted, kth_largest, surely_reached};
use super::kernels::{self, BLOCK};
use super::quantise::Question;
use super::{Segment, VectorHit};
use crate::readable::Readable;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Blocks of rows that one thread compares at a time.
const PART: usize = 512;

/// Blocks whose bounds are made together, in a buffer on the stack.
const STEP: usize = 64;

/// Vectors that one thread reads from the disk at a time.
const READ: usize = 32;

/// Up to so many permitted rows int8 codes alone are faster than bounds first.
const FEW: usize = 4096;

/// The permitted rows of a segment.
struct View<'a> {
    segment: &'a Segment,
    ranges: Vec<Range<usize>>,
}

/// The `limit` nearest permitted rows of all segments with a passage after `after`, in no order, and
/// how near they are, as far as that had to be known to choose them.
pub(crate) fn nearest(
    segments: &[Arc<Segment>],
    question: &Question,
    readable: &Readable,
    after: i64,
    limit: usize,
) -> Vec<VectorHit> {
    let views: Vec<View<'_>> = segments
        .iter()
        .map(|segment| View {
            segment,
            ranges: segment.readable(readable, after),
        })
        .collect();
    let rows: usize = views
        .iter()
        .flat_map(|view| &view.ranges)
        .map(Range::len)
        .sum();
    let candidates = if rows <= FEW {
        // So little is done sooner than other threads are woken for it.
        views.iter().flat_map(|view| view.all(question)).collect()
    } else {
        by_bounds(&views, question, limit)
    };
    let sorted = Sorted::new(candidates, limit);
    let open: Vec<&[Candidate<'_>]> = sorted.open.chunks(READ).collect();
    let read = |rows: &&[Candidate<'_>]| -> Vec<VectorHit> {
        rows.iter().filter_map(|row| row.read(question)).collect()
    };
    sorted.best(each(&open, question, read).concat())
}

/// Calls `work` with each item, on as many threads as the question may take; results are in the
/// order of the items.
fn each<T: Sync, R: Send>(
    items: &[T],
    question: &Question,
    work: impl Fn(&T) -> R + Sync + Send,
) -> Vec<R> {
    if question.all_threads {
        items.par_iter().map(work).collect()
    } else {
        items.iter().map(work).collect()
    }
}

/// How many permitted rows with a passage after `after` there are.
pub(crate) fn count(segments: &[Arc<Segment>], readable: &Readable, after: i64) -> usize {
    let ranges = segments
        .iter()
        .flat_map(|segment| segment.readable(readable, after));
    ranges.map(|range| range.len()).sum()
}

fn by_bounds<'a>(views: &'a [View<'a>], question: &Question, limit: usize) -> Vec<Candidate<'a>> {
    let parts: Vec<Part<'_>> = views.iter().flat_map(View::parts).collect();
    let maxima: Vec<Maxima> = each(&parts, question, |part| part.maxima(question));
    let mut bounds = first_threshold(&maxima, 2 * limit)..f32::INFINITY;
    let parts: Vec<(Part<'_>, Maxima)> = parts.into_iter().zip(maxima).collect();
    let between = |bounds: &Range<f32>| -> Vec<Candidate<'a>> {
        let rows = each(&parts, question, |(part, maxima)| {
            let rows = part.between(bounds, maxima, question);
            part.view.scored(&rows, question)
        });
        rows.concat()
    };
    let mut found = between(&bounds);
    // What the rows with the highest bounds are worth tells which others still matter. A few
    // more of them tell it better, before all the others are looked at.
    for share in [0.5, 0.0] {
        let reached = surely_reached(&found, limit);
        if reached < bounds.start {
            let next = reached + share * (bounds.start - reached);
            bounds = next.max(reached)..bounds.start;
            found.extend(between(&bounds));
        }
    }
    found
}

/// The highest bounds of some blocks.
struct Maxima {
    /// Of each block.
    blocks: Vec<f32>,
    /// Of each [`BLOCK`] blocks.
    groups: Vec<f32>,
}

impl Maxima {
    fn new(blocks: Vec<f32>) -> Self {
        let mut groups = vec![f32::NEG_INFINITY; blocks.len().div_ceil(BLOCK)];
        kernels::block_maxima(&blocks, &mut groups);
        Self { blocks, groups }
    }

    /// The places of the blocks whose highest bounds reach `threshold`, within `range`.
    fn reaching(&self, threshold: f32, range: Range<usize>) -> impl Iterator<Item = usize> {
        let reaches = move |bound: Option<&f32>| bound.is_some_and(|bound| *bound >= threshold);
        let groups = range.start / BLOCK..range.end.div_ceil(BLOCK);
        let groups = groups.filter(move |group| reaches(self.groups.get(*group)));
        let blocks = groups.flat_map(|group| group * BLOCK..(group + 1) * BLOCK);
        blocks.filter(move |block| range.contains(block) && reaches(self.blocks.get(*block)))
    }
}

/// A value that the bounds of about `wanted` rows reach, or of all where there are not many more.
fn first_threshold(maxima: &[Maxima], wanted: usize) -> f32 {
    let finite = |bounds: &mut dyn Iterator<Item = &f32>| -> Vec<f32> {
        bounds.copied().filter(|bound| bound.is_finite()).collect()
    };
    let mut bounds = finite(&mut maxima.iter().flat_map(|part| &part.groups));
    if bounds.len() < 4 * wanted {
        bounds = finite(&mut maxima.iter().flat_map(|part| &part.blocks));
    }
    kth_largest(&mut bounds, wanted)
}

impl<'a> View<'a> {
    fn all(&self, question: &Question) -> Vec<Candidate<'a>> {
        let rows: Vec<usize> = self.ranges.iter().cloned().flatten().collect();
        self.scored(&rows, question)
    }

    /// The rows with the dot products of their int8 codes.
    fn scored(&self, rows: &[usize], question: &Question) -> Vec<Candidate<'a>> {
        let codes = self.segment.codes();
        let mut sums = vec![0; rows.len()];
        kernels::dots_int8(&codes.int8, rows, &question.twelve_bits, &mut sums);
        let scored = rows.iter().zip(sums).map(|(row, sum)| {
            let step = codes.steps.get(*row).copied().unwrap_or(0.0);
            Candidate {
                segment: self.segment,
                row: *row,
                cosine: question.dot_of(sum, step),
            }
        });
        scored.collect()
    }

    fn parts(&'a self) -> impl Iterator<Item = Part<'a>> {
        let blocks = self.segment.rows().div_ceil(BLOCK);
        (0..blocks).step_by(PART).filter_map(move |first| {
            let rows = first * BLOCK..(first + PART) * BLOCK;
            let from = self.ranges.partition_point(|range| range.end <= rows.start);
            let to = self.ranges.partition_point(|range| range.start < rows.end);
            let ranges = self
                .ranges
                .get(from..to)
                .filter(|ranges| !ranges.is_empty())?;
            Some(Part {
                view: self,
                rows,
                ranges,
            })
        })
    }
}

/// Some neighbouring rows of a segment, and which of them are permitted.
struct Part<'a> {
    view: &'a View<'a>,
    /// Whole blocks.
    rows: Range<usize>,
    /// Those that reach into `rows`.
    ranges: &'a [Range<usize>],
}

impl Part<'_> {
    fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let rows = self.rows.clone();
        let inside =
            move |range: &Range<usize>| range.start.max(rows.start)..range.end.min(rows.end);
        self.ranges.iter().map(inside)
    }

    /// The highest bound of the permitted rows of each block; minus infinity where there is none.
    fn maxima(&self, question: &Question) -> Maxima {
        let first = self.rows.start / BLOCK;
        let mut maxima = vec![f32::NEG_INFINITY; PART];
        let mut bounds = [0.0; STEP * BLOCK];
        let mut tops = [0.0; STEP];
        for range in self.ranges() {
            let blocks = range.start / BLOCK..range.end.div_ceil(BLOCK);
            for start in blocks.clone().step_by(STEP) {
                let step = start..(start + STEP).min(blocks.end);
                let count = step.len();
                let bounds = bounds.split_at_mut(count * BLOCK).0;
                let tops = tops.split_at_mut(count).0;
                self.permitted_bounds(step, &range, question, bounds);
                kernels::block_maxima(bounds, tops);
                let places = maxima.iter_mut().skip(start - first);
                for (place, top) in places.zip(tops) {
                    *place = place.max(*top);
                }
            }
        }
        Maxima::new(maxima)
    }

    /// The permitted rows whose bounds lie in `wanted`.
    fn between(&self, wanted: &Range<f32>, maxima: &Maxima, question: &Question) -> Vec<usize> {
        let first = self.rows.start / BLOCK;
        let mut rows = Vec::new();
        let mut bounds = Vec::new();
        for range in self.ranges() {
            let blocks = range.start / BLOCK - first..range.end.div_ceil(BLOCK) - first;
            let blocks = maxima.reaching(wanted.start, blocks);
            let blocks: Vec<usize> = blocks.map(|block| first + block).collect();
            bounds.resize(blocks.len() * BLOCK, 0.0);
            let segment = self.view.segment;
            segment.upper_bounds_of(&blocks, question, &mut bounds);
            for (block, bounds) in blocks.iter().zip(bounds.chunks(BLOCK)) {
                let inside = bounds.iter().zip(block * BLOCK..);
                let inside =
                    inside.filter(|(bound, row)| wanted.contains(bound) && range.contains(row));
                rows.extend(inside.map(|(_, row)| row));
            }
        }
        rows
    }

    /// Upper bounds of the rows of `blocks`; minus infinity outside `permitted`.
    fn permitted_bounds(
        &self,
        blocks: Range<usize>,
        permitted: &Range<usize>,
        question: &Question,
        bounds: &mut [f32],
    ) {
        let rows = blocks.start * BLOCK..blocks.end * BLOCK;
        self.view.segment.upper_bounds(blocks, question, bounds);
        let before = permitted.start.saturating_sub(rows.start);
        let after = rows.end.saturating_sub(permitted.end);
        let outside = bounds.len() - after.min(bounds.len());
        for bound in bounds.iter_mut().take(before) {
            *bound = f32::NEG_INFINITY;
        }
        for bound in bounds.iter_mut().skip(outside) {
            *bound = f32::NEG_INFINITY;
        }
    }
}

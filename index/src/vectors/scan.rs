//! The search by meaning: permitted vectors' binary codes against the question, those of all, or of the
//! cells that lie towards it.
//!
//! Codes give bounds. A row whose upper bound lies below what is found already is passed over, the
//! others are ranked by their int8 codes, and of what may or may not belong to the best the vectors
//! are read from the disk. Nothing depends on the number of threads or on how they take turns.

use super::candidate::{Candidate, Sorted, kth_largest, surely_reached};
use super::cells::{Cells, Towards};
use super::kernels::{self, BLOCK};
use super::quantise::Question;
use super::segment::Bits;
use super::{Segment, VectorHit};
use crate::revisions::Readable;
use rayon::prelude::*;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

/// Blocks of rows that one thread compares at a time.
const PART: usize = 512;

/// Vectors that one thread reads from the disk at a time.
const READ: usize = 32;

/// Up to so many permitted rows int8 codes alone are faster than bounds first.
const FEW: usize = 4096;

/// Of the permitted rows one in so many is compared where not all are, those of the nearest cells:
/// of the ten best, 99 of 100 on 70,000 real sentences and passages.
const COMPARED: usize = 4;

/// At least one in so many of the cells is taken at a time.
const LOTS: usize = 128;

/// The permitted rows of a segment that are compared.
struct View<'a> {
    segment: &'a Segment,
    bits: Bits<'a>,
    /// The row in each place of `bits`, where that is not the place itself.
    rows: Option<&'a [u32]>,
    /// Places, apart and ascending.
    ranges: Vec<Range<usize>>,
    /// Whether nothing of the segment was forgotten.
    whole: bool,
}

/// The `limit` nearest permitted rows of all segments, in no order, and how near they are, as far as
/// that had to be known to choose them.
pub(crate) fn nearest(
    segments: &[Arc<Segment>],
    question: &Question,
    readable: &Readable,
    limit: usize,
) -> Vec<VectorHit> {
    let views = segments.iter().map(|s| View::all_of(s, readable));
    best(&views.collect::<Vec<_>>(), question, limit)
}

/// About the same, from the cells that lie nearest where segments have cells. `permitted` is how many
/// rows are.
pub(crate) fn nearest_in_cells(
    segments: &[Arc<Segment>],
    question: &Question,
    readable: &Readable,
    permitted: usize,
    limit: usize,
) -> Vec<VectorHit> {
    let mut cells: Vec<(Towards, usize)> = Vec::new();
    let mut views: Vec<View<'_>> = Vec::with_capacity(segments.len());
    for (number, segment) in segments.iter().enumerate() {
        let Some(own) = segment.cells() else {
            views.push(View::all_of(segment, readable));
            continue;
        };
        cells.extend(own.towards(question).map(|cell| (cell, number)));
        views.push(View::in_cells(segment, own));
    }
    let only = (!readable.is_everything()).then_some(readable);
    let (all, least) = (cells.len(), cells.len() / LOTS + 1);
    let mut left = (permitted / COMPARED).max(2 * limit);
    let mut rest = cells.as_mut_slice();
    while left > 0 && !rest.is_empty() {
        // Among those that are compared cells need no order, so whole lots of them are taken: somewhat
        // fewer than seem to be wanted, and again.
        let wanted = left * all / permitted.max(1) * 7 / 8;
        let lot = wanted.max(least).min(rest.len());
        rest.select_nth_unstable_by(lot - 1, nearer);
        let (near, far) = rest.split_at_mut(lot);
        for (Towards { cell, .. }, number) in near {
            if let Some(view) = views.get_mut(*number) {
                left = left.saturating_sub(view.add(*cell, only));
            }
        }
        rest = far;
    }
    for view in &mut views {
        view.join_ranges();
    }
    best(&views, question, limit)
}

/// The order in which cells are compared: the nearest first.
fn nearer((a, x): &(Towards, usize), (b, y): &(Towards, usize)) -> Ordering {
    let nearness = b.nearness.total_cmp(&a.nearness);
    nearness.then((x, a.cell).cmp(&(y, b.cell)))
}

/// The `limit` nearest of the rows that are compared.
fn best(views: &[View<'_>], question: &Question, limit: usize) -> Vec<VectorHit> {
    let rows: usize = views
        .iter()
        .flat_map(|view| &view.ranges)
        .map(Range::len)
        .sum();
    let candidates = if rows <= FEW {
        // So little is done sooner than other threads are woken for it.
        views.iter().flat_map(|view| view.all(question)).collect()
    } else {
        by_bounds(views, question, limit)
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

fn by_bounds<'a>(views: &'a [View<'a>], question: &Question, limit: usize) -> Vec<Candidate<'a>> {
    let parts: Vec<Part<'_>> = views.iter().flat_map(View::parts).collect();
    let maxima: Vec<Maxima> = each(&parts, question, |part| part.maxima(question));
    let low = first_threshold(&maxima, 2 * limit);
    let parts: Vec<(Part<'_>, Maxima)> = parts.into_iter().zip(maxima).collect();
    let first = each(&parts, question, |(part, maxima)| {
        part.between(&(low..f32::INFINITY), maxima, question)
    });
    // Where near rows stand together, many more of them reach it than were wanted.
    let mut highest: Vec<f32> = first.iter().flatten().map(|(bound, _)| *bound).collect();
    let start = kth_largest(&mut highest, 2 * limit).max(low);
    let parts: Vec<_> = parts.into_iter().zip(first).collect();
    let between = |wanted: &Range<f32>| -> Vec<Candidate<'a>> {
        let scored = each(&parts, question, |((part, maxima), first)| {
            let known = first.iter().filter(|(bound, _)| wanted.contains(bound));
            let mut places: Vec<usize> = known.map(|(_, place)| *place).collect();
            if wanted.start < low {
                let below = wanted.start..wanted.end.min(low);
                let more = part.between(&below, maxima, question);
                places.extend(more.iter().map(|(_, place)| place));
            }
            part.view.scored(places, question)
        });
        scored.concat()
    };
    let mut bounds = start..f32::INFINITY;
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

    /// The places of the blocks whose highest bounds reach `threshold`.
    fn reaching(&self, threshold: f32) -> impl Iterator<Item = usize> {
        let reaches = move |bound: Option<&f32>| bound.is_some_and(|bound| *bound >= threshold);
        let groups = 0..self.groups.len();
        let groups = groups.filter(move |group| reaches(self.groups.get(*group)));
        let blocks = groups.flat_map(|group| group * BLOCK..(group + 1) * BLOCK);
        blocks.filter(move |block| reaches(self.blocks.get(*block)))
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
    /// All permitted rows of a segment.
    fn all_of(segment: &'a Segment, readable: &Readable) -> Self {
        Self {
            segment,
            bits: segment.bits(),
            rows: None,
            ranges: segment.readable(readable),
            whole: false,
        }
    }

    /// No row yet of a segment with these cells.
    fn in_cells(segment: &'a Segment, cells: &'a Cells) -> Self {
        Self {
            segment,
            bits: cells.bits(segment.dimensions()),
            rows: Some(&cells.rows),
            ranges: Vec::new(),
            whole: segment.live() == segment.rows(),
        }
    }

    /// Adds the rows of a cell that can be found, all or those of readable revisions; returns how
    /// many they are.
    fn add(&mut self, cell: usize, only: Option<&Readable>) -> usize {
        let Some(cells) = self.segment.cells() else {
            return 0;
        };
        let places = cells.places(cell);
        if self.whole && only.is_none() {
            self.ranges.push(places.clone());
            return places.len();
        }
        let before = self.ranges.len();
        let mut found = 0;
        for place in places {
            let revision = cells.revisions.get(place);
            let readable = only.is_none_or(|only| revision.is_some_and(|r| only.contains(*r)));
            let row = cells.rows.get(place).map(|row| *row as usize);
            if !readable || !(self.whole || row.is_some_and(|row| self.segment.holds(row))) {
                continue;
            }
            found += 1;
            let new = self.ranges.get_mut(before..).unwrap_or_default();
            match new.last_mut() {
                Some(last) if last.end == place => last.end += 1,
                _ => self.ranges.push(place..place + 1),
            }
        }
        found
    }

    /// Puts the ranges in order and joins those that touch.
    fn join_ranges(&mut self) {
        self.ranges.sort_unstable_by_key(|range| range.start);
        self.ranges.dedup_by(|next, last| {
            let touching = last.end == next.start;
            if touching {
                last.end = next.end;
            }
            touching
        });
    }

    fn all(&self, question: &Question) -> Vec<Candidate<'a>> {
        let places: Vec<usize> = self.ranges.iter().cloned().flatten().collect();
        self.scored(places, question)
    }

    /// What stands in these places, with the dot products of the int8 codes.
    fn scored(&self, places: Vec<usize>, question: &Question) -> Vec<Candidate<'a>> {
        let rows = match self.rows {
            Some(rows) => {
                let of = |place: &usize| rows.get(*place).map(|row| *row as usize);
                places.iter().filter_map(of).collect()
            }
            None => places,
        };
        let codes = self.segment.codes();
        let mut sums = vec![0; rows.len()];
        kernels::dots_int8(&codes.int8, &rows, &question.twelve_bits, &mut sums);
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
    /// The permitted places.
    fn ranges(&self) -> impl Iterator<Item = Range<usize>> {
        let rows = self.rows.clone();
        let inside =
            move |range: &Range<usize>| range.start.max(rows.start)..range.end.min(rows.end);
        self.ranges.iter().map(inside)
    }

    fn permits(&self, place: usize) -> bool {
        let next = self.ranges.partition_point(|range| range.end <= place);
        self.ranges
            .get(next)
            .is_some_and(|range| range.contains(&place))
    }

    /// The highest bound of the permitted rows of each block; minus infinity where there is none.
    fn maxima(&self, question: &Question) -> Maxima {
        let (mut blocks, mut starts) = (Vec::new(), Vec::new());
        for range in self.ranges() {
            let mut reached = range.start / BLOCK..range.end.div_ceil(BLOCK);
            // Where ranges are short, several reach into one block.
            let known = usize::from(blocks.last() == Some(&reached.start));
            starts.push((blocks.len() - known) * BLOCK + range.start % BLOCK);
            reached.start += known;
            blocks.extend(reached);
        }
        let mut bounds = vec![0.0; blocks.len() * BLOCK];
        self.view.bits.upper_bounds(&blocks, question, &mut bounds);
        let mut permitted = vec![f32::NEG_INFINITY; bounds.len()];
        for (start, range) in starts.into_iter().zip(self.ranges()) {
            let inside = start..start + range.len();
            if let (Some(to), Some(from)) = (permitted.get_mut(inside.clone()), bounds.get(inside))
            {
                to.copy_from_slice(from);
            }
        }
        let mut tops = vec![0.0; blocks.len()];
        kernels::block_maxima(&permitted, &mut tops);
        let first = self.rows.start / BLOCK;
        let mut maxima = vec![f32::NEG_INFINITY; PART];
        for (block, top) in blocks.iter().zip(tops) {
            if let Some(place) = maxima.get_mut(block - first) {
                *place = top;
            }
        }
        Maxima::new(maxima)
    }

    /// The places of permitted rows whose bounds lie in `wanted`, with these.
    fn between(
        &self,
        wanted: &Range<f32>,
        maxima: &Maxima,
        question: &Question,
    ) -> Vec<(f32, usize)> {
        let first = self.rows.start / BLOCK;
        let reaching = maxima.reaching(wanted.start);
        let blocks: Vec<usize> = reaching.map(|block| first + block).collect();
        let mut bounds = vec![0.0; blocks.len() * BLOCK];
        self.view.bits.upper_bounds(&blocks, question, &mut bounds);
        let places = blocks
            .iter()
            .flat_map(|block| block * BLOCK..(block + 1) * BLOCK);
        let found = bounds.into_iter().zip(places);
        found
            .filter(|(bound, place)| wanted.contains(bound) && self.permits(*place))
            .collect()
    }
}

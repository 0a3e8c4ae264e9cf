//! Cells: the rows of a segment in groups of near neighbours, so that a search of many segments
//! compares the cells that lie towards the question and passes over the others.
//!
//! It is an inverted file (Sivic and Zisserman, ICCV 2003) over the codes that are in memory for the
//! scan. It is never stored: it is made in the background from the checked codes, in half a second
//! for a segment of 65,536 rows, and until it is there all rows of the segment are compared.

#[cfg(test)]
mod tests;

use super::kernels;
use super::quantise::{Question, round_to_int8};
use super::segment::Bits;
use super::{Quantiser, Segment};

/// Rows of a cell, on average.
const ROWS: usize = 64;

/// How often rows are put to the nearest middle, and middles moved to their rows.
const ROUNDS: usize = 4;

/// What the spread of a cell's rows adds to its nearness, since some lie on this side of its middle:
/// the best of 0 to 0.3 on 70,000 real sentences and passages.
const REACH: f32 = 0.15;

/// How much of their margin the bounds here keep: a search that passes over cells need not be surer of
/// a row. Those among the ten best lie far above the least of the hundreds that are asked for.
const LESS_SURE: f32 = 0.4;

/// The rows of a segment, cell by cell.
#[derive(Debug)]
pub(crate) struct Cells {
    /// The row in each place; those of a cell in growing order.
    pub rows: Vec<u32>,
    /// The revision in each place.
    pub revisions: Vec<u32>,
    /// The first place of each cell, and how many there are after the last one's.
    firsts: Vec<usize>,
    centres: Centres,
    /// The root of the mean square of the distances from a cell's middle.
    spreads: Vec<f32>,
    /// The binary codes in the order of `rows`, whole blocks.
    binary: Vec<u64>,
    reach: Vec<f32>,
    margins: Vec<f32>,
}

/// A cell as a search weighs it.
#[derive(Clone, Copy)]
pub(crate) struct Towards {
    pub nearness: f32,
    pub cell: usize,
}

impl Cells {
    /// Makes the cells of a segment.
    pub(super) fn new(segment: &Segment) -> Self {
        let all: Vec<u32> = (0..u32::MAX).take(segment.rows()).collect();
        let wanted = all.len().div_ceil(ROWS);
        // Two levels: a row is compared with the roots of so many middles rather than with all.
        let mut groups = Vec::new();
        for group in grouped(segment, &all, wanted.isqrt().max(1)) {
            let wanted = (group.len() * wanted / all.len()).max(1);
            groups.extend(grouped(segment, &group, wanted));
        }
        Self::of(segment, &groups)
    }

    fn of(segment: &Segment, groups: &[Vec<u32>]) -> Self {
        let rows = groups.concat();
        let mut firsts = vec![0];
        firsts.extend(groups.iter().scan(0, |sum, group| {
            *sum += group.len();
            Some(*sum)
        }));
        let (centres, spreads) = Centres::of(segment, groups);
        let (binary, reach, mut margins) = segment.bits().in_order(&rows);
        for margin in &mut margins {
            *margin *= LESS_SURE;
        }
        let revisions = &segment.codes().revisions;
        let revision = |row: &u32| revisions.get(*row as usize).copied().unwrap_or(0);
        Self {
            revisions: rows.iter().map(revision).collect(),
            rows,
            firsts,
            centres,
            spreads,
            binary,
            reach,
            margins,
        }
    }

    /// Every cell, and how near to a question its rows may be.
    pub(super) fn towards(&self, question: &Question) -> impl Iterator<Item = Towards> {
        let nearness = self.centres.nearness(question);
        let cells = nearness.into_iter().zip(&self.spreads).enumerate();
        cells.map(|(cell, (nearness, spread))| Towards {
            nearness: nearness + REACH * spread,
            cell,
        })
    }

    /// The places of a cell's rows.
    pub(super) fn places(&self, cell: usize) -> std::ops::Range<usize> {
        let at = |cell: usize| self.firsts.get(cell).copied().unwrap_or(self.rows.len());
        at(cell)..at(cell + 1)
    }

    pub(super) fn bits(&self, dimensions: usize) -> Bits<'_> {
        Bits {
            words: Quantiser::words(dimensions),
            binary: &self.binary,
            reach: &self.reach,
            margins: &self.margins,
        }
    }
}

/// The middles of some groups of rows, as int8 codes.
#[derive(Debug)]
struct Centres {
    codes: Vec<i8>,
    steps: Vec<f32>,
    all: Vec<usize>,
}

impl Centres {
    fn of(segment: &Segment, groups: &[Vec<u32>]) -> (Self, Vec<f32>) {
        let width = segment.dimensions();
        let mut centres = Self {
            codes: vec![0; groups.len() * width],
            steps: Vec::with_capacity(groups.len()),
            all: (0..groups.len()).collect(),
        };
        let mut spreads = Vec::with_capacity(groups.len());
        for (group, code) in groups.iter().zip(centres.codes.chunks_mut(width.max(1))) {
            let middle = middle(segment, group);
            let square: f32 = middle.iter().map(|x| x * x).sum();
            // Rows are of length 1.
            spreads.push((1.0 - square).max(0.0).sqrt());
            centres.steps.push(round_to_int8(&middle, code));
        }
        (centres, spreads)
    }

    /// The dot products with a question.
    fn nearness(&self, question: &Question) -> Vec<f32> {
        let mut sums = vec![0; self.all.len()];
        kernels::dots_int8(&self.codes, &self.all, &question.twelve_bits, &mut sums);
        let steps = sums.iter().zip(&self.steps);
        steps
            .map(|(sum, step)| question.dot_of(*sum, *step).about)
            .collect()
    }

    /// The middle that is nearest to a row's direction: of unit length all count alike.
    fn nearest(&self, code: &[i16], lengths: &[f32], sums: &mut [i32]) -> usize {
        kernels::dots_int8(&self.codes, &self.all, code, sums);
        let mut best = (f32::NEG_INFINITY, 0);
        for (cell, ((sum, step), length)) in sums.iter().zip(&self.steps).zip(lengths).enumerate() {
            let nearness = *sum as f32 * step / length;
            if nearness > best.0 {
                best = (nearness, cell);
            }
        }
        best.1
    }
}

/// The mean of some rows.
fn middle(segment: &Segment, rows: &[u32]) -> Vec<f32> {
    let mut middle = vec![0.0; segment.dimensions()];
    for row in rows {
        let (code, step) = segment.code(*row as usize);
        for (sum, x) in middle.iter_mut().zip(code) {
            *sum += f32::from(*x) * step;
        }
    }
    let count = rows.len().max(1) as f32;
    for x in &mut middle {
        *x /= count;
    }
    middle
}

/// Some rows in at most `wanted` groups of near ones (spherical k-means: Dhillon and Modha, 2001).
/// Nothing is drawn by lot: the same rows make the same groups.
fn grouped(segment: &Segment, rows: &[u32], wanted: usize) -> Vec<Vec<u32>> {
    let every = (rows.len() / wanted.max(1)).max(1);
    let mut groups: Vec<Vec<u32>> = rows
        .iter()
        .step_by(every)
        .take(wanted)
        .map(|row| vec![*row])
        .collect();
    for _ in 0..ROUNDS {
        let (centres, spreads) = Centres::of(segment, &groups);
        let lengths: Vec<f32> = spreads
            .iter()
            .map(|spread| (1.0 - spread * spread).max(f32::EPSILON).sqrt())
            .collect();
        let mut sums = vec![0; groups.len()];
        let mut next = vec![Vec::new(); groups.len()];
        let mut wide = vec![0; segment.dimensions()];
        for row in rows {
            for (wide, x) in wide.iter_mut().zip(segment.code(*row as usize).0) {
                *wide = i16::from(*x);
            }
            let nearest = centres.nearest(&wide, &lengths, &mut sums);
            if let Some(group) = next.get_mut(nearest) {
                group.push(*row);
            }
        }
        next.retain(|group: &Vec<u32>| !group.is_empty());
        groups = next;
    }
    groups
}

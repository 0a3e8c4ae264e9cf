//! The search of a graph: a best-first walk with a beam of the nearest rows so far.
//!
//! Only permitted rows are compared with the query and enter the beam. If rows are hidden, the walk passes
//! them by their links alone: it also considers the permitted neighbours of hidden neighbours, without
//! reading the codes of the hidden ones ("ACORN", Patel et al., SIGMOD 2024).

use super::{DEGREE, Graph, RowSet};
use crate::dense::candidate::Candidate;
use crate::dense::rabitq::DenseQuery;
use crate::dense::{ScoreEstimate, Segment};
use cloister_kernels::codes;

/// The nearest entries, from which a walk starts.
const STARTS: usize = 8;

/// A row in the beam.
#[derive(Clone, Copy)]
struct BeamEntry {
    score: f32,
    row: usize,
    /// Whether its neighbours were considered.
    expanded: bool,
}

/// What a walk found, the nearest first.
pub(in crate::dense) struct WalkResult<'a> {
    pub candidates: Vec<Candidate<'a>>,
    /// The rows that were compared with the query.
    pub comparisons: usize,
}

/// The state of a walk.
struct Walk<'a, 'p> {
    graph: &'a Graph,
    segment: &'a Segment,
    query: &'p DenseQuery,
    /// `None` if all rows are permitted.
    permitted: Option<&'p RowSet>,
    /// The maximum length of the beam.
    ef: usize,
    /// The rows that were compared, and the hidden rows that were passed.
    seen: RowSet,
    /// In descending order of the scores.
    beam: Vec<BeamEntry>,
    /// The rows to compare next, and their dot products.
    rows: Vec<usize>,
    dots: Vec<i32>,
    comparisons: usize,
}

/// Walks to the nearest permitted rows, at most `ef` of them. It is empty if no entry is permitted.
pub(in crate::dense) fn walk<'a>(
    graph: &'a Graph,
    segment: &'a Segment,
    query: &DenseQuery,
    permitted: Option<&RowSet>,
    ef: usize,
) -> WalkResult<'a> {
    let mut walk = Walk {
        graph,
        segment,
        query,
        permitted,
        ef,
        seen: RowSet::empty(segment.rows()),
        beam: Vec::with_capacity(ef + 1),
        rows: Vec::with_capacity(2 * DEGREE),
        dots: Vec::with_capacity(2 * DEGREE),
        comparisons: 0,
    };
    walk.start();
    walk.run();
    walk.result()
}

impl<'a> Walk<'a, '_> {
    fn is_permitted(&self, row: usize) -> bool {
        self.permitted.is_none_or(|rows| rows.contains(row))
    }

    /// Compares all permitted entries, and starts at the nearest.
    fn start(&mut self) {
        for entry in &self.graph.entries {
            if self.is_permitted(*entry) {
                self.rows.push(*entry);
            }
        }
        let starts = STARTS.min(self.ef);
        let ef = std::mem::replace(&mut self.ef, starts);
        self.compare();
        self.ef = ef;
        // The walk can reach the other entries again.
        for entry in &self.beam {
            self.seen.insert(entry.row);
        }
    }

    /// Expands the nearest row of the beam that is not expanded, until there is none.
    fn run(&mut self) {
        let mut next = 0;
        while let Some(entry) = self.beam.get_mut(next) {
            if entry.expanded {
                next += 1;
                continue;
            }
            entry.expanded = true;
            let row = entry.row;
            self.collect_neighbours(row);
            next = self.compare().min(next + 1);
        }
    }

    /// Collects the permitted neighbours of a row that were not compared. If a neighbour is hidden, its own
    /// neighbours are considered instead, until there are [`DEGREE`] rows.
    fn collect_neighbours(&mut self, row: usize) {
        let neighbours = self.graph.neighbours(row);
        self.consider(neighbours);
        let Some(permitted) = self.permitted else {
            return;
        };
        for neighbour in neighbours {
            if self.rows.len() >= DEGREE {
                break;
            }
            let neighbour = *neighbour as usize;
            if !permitted.contains(neighbour) && self.seen.insert(neighbour) {
                self.consider(self.graph.neighbours(neighbour));
            }
        }
    }

    /// Adds the permitted ones of these rows that are new, and prefetches their codes.
    fn consider(&mut self, rows: &[u32]) {
        let width = self.segment.dimensions();
        let codes = self.segment.codes();
        for row in rows {
            let row = *row as usize;
            if self.is_permitted(row) && self.seen.insert(row) {
                codes::prefetch(&codes.int8, row * width..(row + 1) * width);
                codes::prefetch(&codes.steps, row..row + 1);
                self.rows.push(row);
            }
        }
    }

    /// Compares the collected rows with the query, and inserts the near ones into the beam; returns the
    /// first position that changed.
    fn compare(&mut self) -> usize {
        let codes = self.segment.codes();
        self.dots.clear();
        self.dots.resize(self.rows.len(), 0);
        codes::dots_int8(&codes.int8, &self.rows, &self.query.int12, &mut self.dots);
        self.comparisons += self.rows.len();
        let mut changed = usize::MAX;
        for (row, dot) in self.rows.drain(..).zip(&self.dots) {
            let step = codes.steps.get(row).copied().unwrap_or(0.0);
            let score = self.query.int8_value(*dot, step);
            let lowest = self
                .beam
                .last()
                .map_or(f32::NEG_INFINITY, |last| last.score);
            if self.beam.len() >= self.ef && score <= lowest {
                continue;
            }
            let position = self.beam.partition_point(|entry| entry.score >= score);
            self.beam.truncate(self.ef.saturating_sub(1));
            self.beam.insert(
                position.min(self.beam.len()),
                BeamEntry {
                    score,
                    row,
                    expanded: false,
                },
            );
            let links = self.graph.neighbours.as_flattened();
            codes::prefetch(links, row * DEGREE..(row + 1) * DEGREE);
            changed = changed.min(position);
        }
        changed
    }

    fn result(self) -> WalkResult<'a> {
        let codes = self.segment.codes();
        let candidates = self.beam.iter().map(|entry| {
            let step = codes.steps.get(entry.row).copied().unwrap_or(0.0);
            Candidate {
                segment: self.segment,
                row: entry.row,
                score: ScoreEstimate {
                    value: entry.score,
                    error: self.query.int8_error(step),
                },
            }
        });
        WalkResult {
            candidates: candidates.collect(),
            comparisons: self.comparisons,
        }
    }
}

//! A proximity graph over the rows of a segment, so that a search compares the query with a few hundred
//! rows: the base layer of a hierarchical navigable small-world graph (Malkov and Yashunin, TPAMI 2020).
//!
//! [`construction`] builds it with `hnsw_rs` over the int8 codes, [`walk`] searches it for permitted rows
//! only, [`certificate`] measures it against the exact scan before it is used, and [`graph_file`] stores
//! it, so that a start needs no construction. `docs/adr/0009-hnsw-graph-over-codes.md` has the reasons.

mod certificate;
mod construction;
mod graph_file;
mod links;
mod row_set;
#[cfg(test)]
mod tests;
mod walk;

use crate::request::GraphCertificate;
pub(crate) use certificate::build_certified;
use construction::{BuildOutcome, build};
pub(crate) use graph_file::{EXTENSION as GRAPH_EXTENSION, read, write};
pub(super) use row_set::RowSet;
pub(super) use walk::walk;

/// The maximum of neighbours of a row: twice the connections of the upper layers, as in the paper.
pub(crate) const DEGREE: usize = 32;

/// The neighbours of each row, and the rows at which a walk starts.
#[derive(Debug, PartialEq)]
pub(crate) struct Graph {
    // INVARIANT: all are rows of the segment. A row with fewer neighbours has itself in the free places.
    neighbours: Vec<[u32; DEGREE]>,
    // INVARIANT: rows of the segment, distinct.
    entries: Vec<usize>,
}

impl Graph {
    /// `None` if an entry or a neighbour is no row, or if there is no entry.
    pub(crate) fn new(neighbours: Vec<[u32; DEGREE]>, entries: Vec<usize>) -> Option<Self> {
        let rows = neighbours.len();
        let links_are_rows = neighbours
            .iter()
            .flatten()
            .all(|row| (*row as usize) < rows);
        let entries_are_rows = entries.iter().all(|row| *row < rows);
        (links_are_rows && entries_are_rows && !entries.is_empty()).then_some(Self {
            neighbours,
            entries,
        })
    }

    /// The neighbours of a row, the nearest first.
    fn neighbours(&self, row: usize) -> &[u32] {
        self.neighbours.get(row).map_or(&[], |list| list.as_slice())
    }
}

/// A graph that was measured, or why there is none.
#[derive(Debug, PartialEq)]
pub(crate) struct CertifiedGraph {
    /// `None` if it is not good enough.
    pub graph: Option<Graph>,
    pub certificate: GraphCertificate,
}

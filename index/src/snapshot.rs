//! An immutable state of a generation, which searches use.

use crate::dense::{self, DenseHit, DenseQuery, NearestRequest, Quantizer, ScoreEstimate, Segment};
use crate::error::{IndexError, Result};
use crate::fusion::DenseScores;
use crate::lexical::LexicalSearcher;
use crate::request::{DenseMethod, GraphStatus, IndexSettings};
use crate::revisions::{ReadableRevisions, Revisions};
use std::sync::Arc;

pub(crate) struct Snapshot {
    pub name: String,
    pub settings: IndexSettings,
    pub sequence: i64,
    /// `None` if the lexical index is damaged.
    pub lexical: Option<LexicalSearcher>,
    pub segments: Vec<Arc<Segment>>,
    pub revisions: Revisions,
}

impl Snapshot {
    /// The number of passages with vectors.
    pub(crate) fn rows(&self) -> usize {
        self.segments
            .iter()
            .map(|segment| segment.live_rows())
            .sum()
    }

    /// The numbers of passages in both arms, to choose the more complete of two snapshots.
    pub(crate) fn weight(&self) -> u64 {
        let lexical = self.lexical.as_ref().map_or(0, LexicalSearcher::passages);
        self.rows() as u64 + lexical
    }

    /// The snapshot without vectors.
    pub(crate) fn lexical_only(&self) -> Self {
        Self {
            name: self.name.clone(),
            settings: self.settings,
            sequence: self.sequence,
            lexical: self.lexical.clone(),
            segments: Vec::new(),
            revisions: self.revisions.clone(),
        }
    }

    /// A description of damage on the disk that was found since the index was opened.
    pub(crate) fn corruption(&self) -> Option<String> {
        self.segments
            .iter()
            .find_map(|segment| segment.corruption())
    }

    pub(crate) fn prepare_query(&self, vector: &[f32], all_threads: bool) -> DenseQuery {
        Quantizer::new(self.settings.dimensions).prepare_query(vector, all_threads)
    }

    /// The scores of all passages for a query.
    pub(crate) fn dense_scores<'a>(&'a self, query: &'a DenseQuery) -> SnapshotScores<'a> {
        SnapshotScores {
            segments: &self.segments,
            query,
        }
    }

    /// The nearest readable passages, and how they were found: `depth` of them, or fewer but at least `limit`
    /// if not all were scanned. `passages` is the number of readable passages.
    pub(crate) fn nearest(
        &self,
        query: &DenseQuery,
        readable: &ReadableRevisions,
        passages: usize,
        (depth, limit): (usize, usize),
    ) -> (Vec<DenseHit>, DenseMethod) {
        dense::nearest(NearestRequest {
            segments: &self.segments,
            query,
            readable,
            permitted: passages,
            rows: self.revisions.passages(),
            depth,
            limit,
            settings: &self.settings,
        })
    }

    /// The state of the graphs of its segments.
    pub(crate) fn graph_status(&self) -> GraphStatus {
        let certified = self.segments.iter().filter_map(|segment| segment.graph());
        let certificates = certified.map(|graph| graph.certificate.clone());
        GraphStatus {
            certificates: certificates.collect(),
        }
    }
}

/// The scores of a snapshot's passages for a query.
#[derive(Clone, Copy)]
pub(crate) struct SnapshotScores<'a> {
    segments: &'a [Arc<Segment>],
    query: &'a DenseQuery,
}

impl DenseScores for SnapshotScores<'_> {
    fn estimate(&self, passage: i64) -> Option<ScoreEstimate> {
        let (segment, row) = dense::find_row(self.segments, passage)?;
        Some(segment.int8_score(row, self.query))
    }

    fn exact(&self, passage: i64) -> Option<f32> {
        let (segment, row) = dense::find_row(self.segments, passage)?;
        Some(segment.exact_score(row, self.query))
    }
}

/// Rejects a vector with the wrong number of dimensions, or that is not of length 1. `passage` is for the
/// message.
pub(crate) fn check_vector(vector: &[f32], dimensions: usize, passage: i64) -> Result<()> {
    if vector.len() != dimensions {
        return Err(IndexError::Dimensions {
            expected: dimensions,
            found: vector.len(),
        });
    }
    let length: f32 = vector.iter().map(|x| x * x).sum();
    if (length - 1.0).abs() > 0.01 || length.is_nan() {
        return Err(IndexError::NotNormalised(passage));
    }
    Ok(())
}

//! A segment: the codes of its vectors in memory, and the vectors in a file.

use super::clusters::Clusters;
use super::codes::{BinaryCodes, SegmentCodes};
use super::graph::{self, CertifiedGraph, RowSet};
use super::rabitq::{DenseQuery, Quantizer};
use super::segment_file::{self, VectorReader};
use super::{DenseHit, ScoreEstimate};
use crate::error::Result;
use crate::interpolation_search;
use crate::revisions::ReadableRevisions;
use cloister_kernels::codes::{self, BLOCK};
use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Adjacent rows of one revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RowRun {
    revision: u32,
    start: usize,
    end: usize,
}

/// The immutable data of a segment.
#[derive(Debug)]
struct SegmentData {
    dimensions: usize,
    codes: SegmentCodes,
    /// The error bound of each row's estimate, in whole blocks.
    error_bounds: Vec<f32>,
    /// `codes.corrections`, in whole blocks.
    corrections: Vec<f32>,
    vectors: VectorReader,
    clusters: OnceLock<Clusters>,
    graph: OnceLock<CertifiedGraph>,
}

/// The vectors of a file, without those of deleted revisions.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    data: Arc<SegmentData>,
    /// The rows that are not deleted.
    runs: Vec<RowRun>,
    /// The number of these rows.
    live_rows: usize,
    /// The first and the last passage of the file.
    passages: RangeInclusive<i64>,
}

impl Segment {
    /// Writes codes and vectors to a new file. `read_vector` returns the vector of each row.
    pub(crate) fn write(
        path: &Path,
        dimensions: usize,
        codes: SegmentCodes,
        read_vector: impl FnMut(usize, &mut Vec<f32>) -> Result<()>,
    ) -> Result<(String, Self)> {
        let (sha256, vectors) = segment_file::write(path, dimensions, &codes, read_vector)?;
        Ok((sha256, Self::new(dimensions, codes, vectors)))
    }

    /// Reads the file at `path`, whose codes must have the SHA-256 `expected` if it is given.
    pub(crate) fn read(path: &Path, expected: Option<&str>, dimensions: usize) -> Result<Self> {
        let (codes, vectors) = segment_file::read(path, expected, dimensions)?;
        Ok(Self::new(dimensions, codes, vectors))
    }

    pub(crate) fn new(dimensions: usize, codes: SegmentCodes, vectors: VectorReader) -> Self {
        let quantizer = Quantizer::new(dimensions);
        let padded = codes.passages.len().next_multiple_of(BLOCK);
        let error_bounds = codes.corrections.iter();
        let error_bounds = error_bounds.map(|correction| quantizer.error_bound(*correction));
        let mut error_bounds: Vec<f32> = error_bounds.collect();
        error_bounds.resize(padded, 0.0);
        let mut corrections = codes.corrections.clone();
        corrections.resize(padded, 0.0);
        let runs = find_runs(&codes.revisions);
        let passages = match (codes.passages.first(), codes.passages.last()) {
            (Some(first), Some(last)) => *first..=*last,
            _ => RangeInclusive::new(1, 0),
        };
        let data = Arc::new(SegmentData {
            dimensions,
            codes,
            error_bounds,
            corrections,
            vectors,
            clusters: OnceLock::new(),
            graph: OnceLock::new(),
        });
        Self {
            live_rows: data.codes.passages.len(),
            data,
            runs,
            passages,
        }
    }

    /// The segment without the rows of these revisions.
    pub(crate) fn without(&self, deleted: &BTreeSet<u32>) -> Self {
        let mut runs = self.runs.clone();
        runs.retain(|run| !deleted.contains(&run.revision));
        Self {
            data: Arc::clone(&self.data),
            live_rows: runs.iter().map(|run| run.end - run.start).sum(),
            runs,
            passages: self.passages.clone(),
        }
    }

    /// The number of all rows of the file.
    pub(crate) fn rows(&self) -> usize {
        self.data.codes.passages.len()
    }

    /// The number of rows that are not deleted.
    pub(crate) fn live_rows(&self) -> usize {
        self.live_rows
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.data.dimensions
    }

    pub(crate) fn codes(&self) -> &SegmentCodes {
        &self.data.codes
    }

    /// The revision and the length of each run of live rows.
    pub(crate) fn revisions(&self) -> impl Iterator<Item = (u32, usize)> {
        let runs = self.runs.iter();
        runs.map(|run| (run.revision, run.end - run.start))
    }

    /// The indices of the live rows.
    pub(super) fn live_row_indices(&self) -> impl Iterator<Item = usize> {
        self.runs.iter().flat_map(|run| run.start..run.end)
    }

    /// The live rows of readable revisions, as the smallest number of ranges.
    pub(super) fn readable_ranges(&self, readable: &ReadableRevisions) -> Vec<Range<usize>> {
        if readable.is_everything() && self.live_rows == self.rows() {
            return std::iter::once(0..self.live_rows).collect();
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for run in self
            .runs
            .iter()
            .filter(|run| readable.contains(run.revision))
        {
            match ranges.last_mut() {
                Some(last) if last.end == run.start => last.end = run.end,
                _ => ranges.push(run.start..run.end),
            }
        }
        ranges
    }

    /// The live rows of readable revisions, as a set.
    pub(super) fn readable_rows(&self, readable: &ReadableRevisions) -> ReadableRows {
        let ranges = self.readable_ranges(readable);
        let count = ranges.iter().map(Range::len).sum();
        let is_filtered = count < self.rows();
        ReadableRows {
            count,
            set: is_filtered.then(|| RowSet::from_ranges(self.rows(), &ranges)),
        }
    }

    /// Whether a row is not deleted.
    pub(super) fn is_live(&self, row: usize) -> bool {
        let run = self.runs.partition_point(|run| run.end <= row);
        self.runs.get(run).is_some_and(|run| run.start <= row)
    }

    /// The live row of a passage.
    fn find_row(&self, passage: i64) -> Option<usize> {
        let passages = &self.codes().passages;
        let row = interpolation_search::position(passage, passages.len(), |row| {
            passages.get(row).copied().unwrap_or(i64::MAX)
        })?;
        self.is_live(row).then_some(row)
    }

    /// The binary codes in row order.
    pub(super) fn binary_codes(&self) -> BinaryCodes<'_> {
        let data = &*self.data;
        BinaryCodes {
            words: Quantizer::words(data.dimensions),
            binary: &data.codes.binary,
            corrections: &data.corrections,
            error_bounds: &data.error_bounds,
        }
    }

    /// Its clusters, if they were built.
    pub(crate) fn clusters(&self) -> Option<&Clusters> {
        self.data.clusters.get()
    }

    pub(crate) fn build_clusters(&self) {
        self.data.clusters.get_or_init(|| Clusters::build(self));
    }

    /// Its graph, or why it has none, if that was decided.
    pub(crate) fn graph(&self) -> Option<&CertifiedGraph> {
        self.data.graph.get()
    }

    /// Reads the graph that was stored at `path`. A damaged file is ignored, so that the graph is built again.
    pub(crate) fn read_graph(&self, path: &Path, codes_sha256: &str) {
        match graph::read(path, codes_sha256, self.rows()) {
            Ok(stored) => {
                stored.map(|graph| self.data.graph.set(graph));
            }
            Err(error) => tracing::warn!(%error, "a graph is built again: {error}"),
        }
    }

    /// Stores a graph at `path` and uses it, even if it cannot be stored.
    pub(crate) fn adopt_graph(
        &self,
        path: &Path,
        codes_sha256: &str,
        graph: CertifiedGraph,
    ) -> Result<()> {
        let written = graph::write(path, codes_sha256, &graph);
        // If there is one already, it is as good.
        let _ = self.data.graph.set(graph);
        written
    }

    /// The hit of a row.
    pub(super) fn hit(&self, row: usize, score: ScoreEstimate) -> Option<DenseHit> {
        Some(DenseHit {
            passage: *self.codes().passages.get(row)?,
            revision: *self.codes().revisions.get(row)?,
            score,
        })
    }

    /// The exact dot product of a row. If its vector is damaged, the dot product of its code, and
    /// [`Self::corruption`] reports it from then on.
    pub(crate) fn exact_score(&self, row: usize, query: &DenseQuery) -> f32 {
        let mut vector = Vec::new();
        match self.read_vector(row, &mut vector) {
            Ok(()) => codes::dot(&vector, &query.vector),
            Err(error) => {
                tracing::error!(%error, "a vector was read from its codes instead: {error}");
                self.int8_score(row, query).value
            }
        }
    }

    /// Reads the vector of a row into `out`.
    pub(crate) fn read_vector(&self, row: usize, out: &mut Vec<f32>) -> Result<()> {
        let passage = self.codes().passages.get(row).copied().unwrap_or(0);
        self.data.vectors.read(row, passage, out)
    }

    /// The cosine of two rows by their int8 codes.
    pub(super) fn cosine(&self, a: usize, b: usize) -> f32 {
        let (code_a, step_a) = self.int8_code(a);
        let (code_b, step_b) = self.int8_code(b);
        codes::dot_int8(code_a, code_b) as f32 * (step_a * step_b)
    }

    /// The int8 code of a row, and the value of 1 in it.
    pub(super) fn int8_code(&self, row: usize) -> (&[i8], f32) {
        let width = self.dimensions();
        let code = self.codes().int8.get(row * width..(row + 1) * width);
        let step = self.codes().steps.get(row).copied();
        (code.unwrap_or_default(), step.unwrap_or(0.0))
    }

    /// The score of a row from its int8 code.
    pub(crate) fn int8_score(&self, row: usize, query: &DenseQuery) -> ScoreEstimate {
        let mut dot = [0];
        codes::dots_int8(&self.codes().int8, &[row], &query.int12, &mut dot);
        let step = self.codes().steps.get(row).copied().unwrap_or(0.0);
        query.int8_score(dot[0], step)
    }

    /// A description of the damage, if a damaged vector was found since the file was opened.
    pub(crate) fn corruption(&self) -> Option<String> {
        self.data.vectors.corruption()
    }
}

/// The rows of a segment that a search may find.
pub(super) struct ReadableRows {
    count: usize,
    /// `None` if all rows are readable.
    set: Option<RowSet>,
}

impl ReadableRows {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// The readable rows, if not all are.
    pub(super) fn filter(&self) -> Option<&RowSet> {
        self.set.as_ref()
    }
}

/// The segment and the live row of a passage.
pub(crate) fn find_row(segments: &[Arc<Segment>], passage: i64) -> Option<(&Segment, usize)> {
    // No two segments have the same passages, but their ranges can overlap.
    let mut in_range = segments
        .iter()
        .filter(|segment| segment.passages.contains(&passage));
    in_range.find_map(|segment| Some((&**segment, segment.find_row(passage)?)))
}

fn find_runs(revisions: &[u32]) -> Vec<RowRun> {
    let mut runs = Vec::new();
    let mut start = 0;
    for part in revisions.chunk_by(|a, b| a == b) {
        let end = start + part.len();
        if let Some(revision) = part.first().copied() {
            runs.push(RowRun {
                revision,
                start,
                end,
            });
        }
        start = end;
    }
    runs
}

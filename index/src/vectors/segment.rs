//! Some passages' vectors: their codes in memory, the vectors themselves in a file.

use super::cells::Cells;
use super::kernels::{self, BLOCK};
use super::quantise::{Quantiser, Question};
use super::segment_file::{self, RowFile};
use super::{Cosine, VectorHit};
use crate::error::Result;
use crate::place::place_of;
use crate::revisions::Readable;
use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// The codes of passages, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Codes {
    pub passages: Vec<i64>,
    pub revisions: Vec<u32>,
    /// See [`super::quantise::Factors`], one for each row.
    pub reach: Vec<f32>,
    pub steps: Vec<f32>,
    /// `[row][dimension]`.
    pub int8: Vec<i8>,
    /// `[block][word][lane]`, whole blocks.
    pub binary: Vec<u64>,
}

impl Codes {
    /// Appends a row with its codes; `binary` has one word for each 64 dimensions.
    pub(crate) fn push(
        &mut self,
        (passage, revision): (i64, u32),
        (reach, step): (f32, f32),
        int8: &[i8],
        binary: &[u64],
    ) {
        let lane = self.passages.len() % BLOCK;
        if lane == 0 {
            let grown = self.binary.len() + binary.len() * BLOCK;
            self.binary.resize(grown, 0);
        }
        let block = self.binary.len() - binary.len() * BLOCK;
        for (word, bits) in binary.iter().enumerate() {
            if let Some(place) = self.binary.get_mut(block + word * BLOCK + lane) {
                *place = *bits;
            }
        }
        self.passages.push(passage);
        self.revisions.push(revision);
        self.reach.push(reach);
        self.steps.push(step);
        self.int8.extend_from_slice(int8);
    }
}

/// Neighbouring rows of one revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    revision: u32,
    start: usize,
    end: usize,
}

/// What never changes of a segment.
#[derive(Debug)]
struct Data {
    dimensions: usize,
    codes: Codes,
    /// How far the estimate of each row may be off, for whole blocks.
    margins: Vec<f32>,
    /// `codes.reach`, for whole blocks.
    reach: Vec<f32>,
    rows: RowFile,
    cells: OnceLock<Cells>,
}

/// Binary codes in some order, with what turns them into bounds: whole blocks.
#[derive(Clone, Copy)]
pub(crate) struct Bits<'a> {
    /// 64-bit words of a code.
    pub words: usize,
    /// `[block][word][lane]`.
    pub binary: &'a [u64],
    /// One for each row, and one for each lane that no row fills.
    pub reach: &'a [f32],
    pub margins: &'a [f32],
}

impl Bits<'_> {
    /// Writes the code in one place to `out`, which has a word for each of its.
    fn code(&self, place: usize, out: &mut [u64]) {
        let block = place / BLOCK * self.words * BLOCK + place % BLOCK;
        for (word, bits) in out.iter_mut().enumerate() {
            let found = self.binary.get(block + word * BLOCK);
            *bits = found.copied().unwrap_or(0);
        }
    }

    /// The same codes in another order: binary, reach and margins.
    pub(super) fn in_order(&self, rows: &[u32]) -> (Vec<u64>, Vec<f32>, Vec<f32>) {
        let mut codes = Codes::default();
        let mut word = vec![0; self.words];
        for row in rows {
            self.code(*row as usize, &mut word);
            codes.push((0, 0), (0.0, 0.0), &[], &word);
        }
        let whole = rows.len().next_multiple_of(BLOCK);
        let ordered = |values: &[f32]| {
            let of = |row: &u32| values.get(*row as usize).copied().unwrap_or(0.0);
            let mut ordered: Vec<f32> = rows.iter().map(of).collect();
            ordered.resize(whole, 0.0);
            ordered
        };
        (codes.binary, ordered(self.reach), ordered(self.margins))
    }

    /// Upper bounds of the dot products of what stands in `blocks`, `BLOCK` places each.
    pub(crate) fn upper_bounds(&self, blocks: &[usize], question: &Question, out: &mut [f32]) {
        let planes = &question.planes;
        kernels::upper_bounds(self.binary, self.reach, self.margins, blocks, planes, out);
    }
}

/// Some passages' vectors, less those of revisions that were forgotten.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    data: Arc<Data>,
    /// The runs of rows that can be found.
    runs: Vec<Run>,
    /// How many rows those are.
    live: usize,
    /// The first and the last passage of the file.
    span: RangeInclusive<i64>,
}

impl Segment {
    /// Writes codes and vectors to a new file. `row` gives the vector of each row.
    pub(crate) fn write(
        path: &Path,
        dimensions: usize,
        codes: Codes,
        row: impl FnMut(usize, &mut Vec<f32>) -> Result<()>,
    ) -> Result<(String, Self)> {
        let (sha256, rows) = segment_file::write(path, dimensions, &codes, row)?;
        Ok((sha256, Self::new(dimensions, codes, rows)))
    }

    /// Reads the file at `path`, whose codes must have the sum `expected` where one is given.
    pub(crate) fn read(path: &Path, expected: Option<&str>, dimensions: usize) -> Result<Self> {
        let (codes, rows) = segment_file::read(path, expected, dimensions)?;
        Ok(Self::new(dimensions, codes, rows))
    }

    pub(crate) fn new(dimensions: usize, codes: Codes, rows: RowFile) -> Self {
        let quantiser = Quantiser::new(dimensions);
        let whole = codes.passages.len().next_multiple_of(BLOCK);
        let mut margins: Vec<f32> = codes.reach.iter().map(|r| quantiser.margin(*r)).collect();
        margins.resize(whole, 0.0);
        let mut reach = codes.reach.clone();
        reach.resize(whole, 0.0);
        let runs = runs(&codes.revisions);
        let span = match (codes.passages.first(), codes.passages.last()) {
            (Some(first), Some(last)) => *first..=*last,
            _ => RangeInclusive::new(1, 0),
        };
        let data = Arc::new(Data {
            dimensions,
            codes,
            margins,
            reach,
            rows,
            cells: OnceLock::new(),
        });
        Self {
            live: data.codes.passages.len(),
            data,
            runs,
            span,
        }
    }

    /// The same without the rows of these revisions.
    pub(crate) fn without(&self, forgotten: &BTreeSet<u32>) -> Self {
        let mut runs = self.runs.clone();
        runs.retain(|run| !forgotten.contains(&run.revision));
        Self {
            data: Arc::clone(&self.data),
            live: runs.iter().map(|run| run.end - run.start).sum(),
            runs,
            span: self.span.clone(),
        }
    }

    /// Rows of the file, found or not.
    pub(crate) fn rows(&self) -> usize {
        self.data.codes.passages.len()
    }

    /// Rows that can be found.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    pub(crate) fn dimensions(&self) -> usize {
        self.data.dimensions
    }

    pub(crate) fn codes(&self) -> &Codes {
        &self.data.codes
    }

    /// The revisions that can be found, with the rows of each run of theirs.
    pub(crate) fn revisions(&self) -> impl Iterator<Item = (u32, usize)> {
        let runs = self.runs.iter();
        runs.map(|run| (run.revision, run.end - run.start))
    }

    /// The places of the rows that can be found.
    pub(crate) fn live_rows(&self) -> impl Iterator<Item = usize> {
        self.runs.iter().flat_map(|run| run.start..run.end)
    }

    /// The rows of readable revisions, as few ranges as they make.
    pub(crate) fn readable(&self, readable: &Readable) -> Vec<Range<usize>> {
        if readable.is_everything() && self.live == self.rows() {
            return std::iter::once(0..self.live).collect();
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

    /// Whether a row can be found: its revision was not forgotten.
    pub(crate) fn holds(&self, row: usize) -> bool {
        let run = self.runs.partition_point(|run| run.end <= row);
        self.runs.get(run).is_some_and(|run| run.start <= row)
    }

    /// The row of a passage that can be found.
    pub(crate) fn row_of(&self, passage: i64) -> Option<usize> {
        let passages = &self.codes().passages;
        let at = |row: usize| passages.get(row).copied().unwrap_or(i64::MAX);
        let row = place_of(passage, passages.len(), at)?;
        self.holds(row).then_some(row)
    }

    /// The binary codes, row by row.
    pub(crate) fn bits(&self) -> Bits<'_> {
        let data = &*self.data;
        Bits {
            words: Quantiser::words(data.dimensions),
            binary: &data.codes.binary,
            reach: &data.reach,
            margins: &data.margins,
        }
    }

    /// Its cells, where they were made.
    pub(crate) fn cells(&self) -> Option<&Cells> {
        self.data.cells.get()
    }

    /// Makes its cells.
    pub(crate) fn make_cells(&self) {
        self.data.cells.get_or_init(|| Cells::new(self));
    }

    /// What a search returns of a row.
    pub(crate) fn hit(&self, row: usize, cosine: Cosine) -> Option<VectorHit> {
        Some(VectorHit {
            passage: *self.codes().passages.get(row)?,
            revision: *self.codes().revisions.get(row)?,
            cosine,
        })
    }

    /// The exact dot product of a row. Where its bytes on the disk do not hold, that of its codes,
    /// which were checked, and the segment is [`Self::torn`] from then on.
    pub(crate) fn exact(&self, row: usize, question: &Question) -> f32 {
        let mut vector = Vec::new();
        match self.vector(row, &mut vector) {
            Ok(()) => kernels::dot(&vector, &question.exact),
            Err(error) => {
                tracing::error!(%error, "a vector was read from its codes instead: {error}");
                self.rounded(row, question).about
            }
        }
    }

    /// The vector of a row, into `out`.
    pub(crate) fn vector(&self, row: usize, out: &mut Vec<f32>) -> Result<()> {
        let passage = self.codes().passages.get(row).copied().unwrap_or(0);
        self.data.rows.read(row, passage, out)
    }

    /// The int8 code of a row and its step.
    pub(crate) fn code(&self, row: usize) -> (&[i8], f32) {
        let width = self.dimensions();
        let code = self.codes().int8.get(row * width..(row + 1) * width);
        let step = self.codes().steps.get(row).copied();
        (code.unwrap_or_default(), step.unwrap_or(0.0))
    }

    /// The dot product of a row's int8 code.
    pub(crate) fn rounded(&self, row: usize, question: &Question) -> Cosine {
        let mut sum = [0];
        kernels::dots_int8(&self.codes().int8, &[row], &question.twelve_bits, &mut sum);
        let step = self.codes().steps.get(row).copied().unwrap_or(0.0);
        question.dot_of(sum[0], step)
    }

    /// Whether a vector was found damaged since the file was opened.
    pub(crate) fn torn(&self) -> Option<String> {
        self.data.rows.torn()
    }
}

/// The segment and the row of a passage that can be found.
pub(crate) fn row_of(segments: &[Arc<Segment>], passage: i64) -> Option<(&Segment, usize)> {
    // No two segments hold the same passages, but one may lie between those of another.
    let mut holding = segments
        .iter()
        .filter(|segment| segment.span.contains(&passage));
    holding.find_map(|segment| Some((&**segment, segment.row_of(passage)?)))
}

fn runs(revisions: &[u32]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut start = 0;
    for part in revisions.chunk_by(|a, b| a == b) {
        let end = start + part.len();
        if let Some(revision) = part.first().copied() {
            runs.push(Run {
                revision,
                start,
                end,
            });
        }
        start = end;
    }
    runs
}

/// Appends the codes of new vectors, in growing order of their passages.
pub(crate) fn encode<'a>(
    codes: &mut Codes,
    dimensions: usize,
    rows: impl Iterator<Item = (i64, u32, &'a [f32])>,
) {
    let quantiser = Quantiser::new(dimensions);
    let mut binary = vec![0; Quantiser::words(dimensions)];
    let mut int8 = vec![0; dimensions];
    for (passage, revision, vector) in rows {
        let factors = quantiser.encode(vector, &mut binary, &mut int8);
        let ids = (passage, revision);
        codes.push(ids, (factors.reach, factors.step), &int8, &binary);
    }
}

/// The live rows of `parts`, one after the other, and where each comes from.
pub(crate) fn gather(parts: &[Arc<Segment>]) -> (Codes, Vec<(usize, usize)>) {
    let mut codes = Codes::default();
    let mut origins = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let from = part.codes();
        let width = part.dimensions();
        let words = Quantiser::words(width);
        let bits = part.bits();
        let mut binary = vec![0; words];
        for row in part.live_rows() {
            bits.code(row, &mut binary);
            let int8 = from.int8.get(row * width..(row + 1) * width);
            if let (Some(passage), Some(revision), Some(reach), Some(step), Some(int8)) = (
                from.passages.get(row),
                from.revisions.get(row),
                from.reach.get(row),
                from.steps.get(row),
                int8,
            ) {
                codes.push((*passage, *revision), (*reach, *step), int8, &binary);
                origins.push((index, row));
            }
        }
    }
    (codes, origins)
}

//! The codes of a segment's vectors.

use super::rabitq::{DenseQuery, Quantizer};
use cloister_kernels::codes::{self, BLOCK};

/// The codes of a segment's rows, in the order of their passages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SegmentCodes {
    pub passages: Vec<i64>,
    pub revisions: Vec<u32>,
    /// See [`super::rabitq::CodeFactors`]; one for each row.
    pub corrections: Vec<f32>,
    pub steps: Vec<f32>,
    /// `[row][dimension]`.
    pub int8: Vec<i8>,
    /// `[block][word][lane]`, in whole blocks.
    pub binary: Vec<u64>,
}

impl SegmentCodes {
    /// Appends a row. `binary` has one word for each 64 dimensions.
    pub(super) fn push(
        &mut self,
        (passage, revision): (i64, u32),
        (correction, step): (f32, f32),
        int8: &[i8],
        binary: &[u64],
    ) {
        let lane = self.passages.len() % BLOCK;
        if lane == 0 {
            let length = self.binary.len() + binary.len() * BLOCK;
            self.binary.resize(length, 0);
        }
        let block = self.binary.len() - binary.len() * BLOCK;
        for (word, bits) in binary.iter().enumerate() {
            if let Some(target) = self.binary.get_mut(block + word * BLOCK + lane) {
                *target = *bits;
            }
        }
        self.passages.push(passage);
        self.revisions.push(revision);
        self.corrections.push(correction);
        self.steps.push(step);
        self.int8.extend_from_slice(int8);
    }

    /// Encodes and appends rows, in ascending order of their passages.
    pub(super) fn encode<'a>(
        &mut self,
        dimensions: usize,
        rows: impl Iterator<Item = (i64, u32, &'a [f32])>,
    ) {
        let quantizer = Quantizer::new(dimensions);
        let mut binary = vec![0; Quantizer::words(dimensions)];
        let mut int8 = vec![0; dimensions];
        for (passage, revision, vector) in rows {
            let factors = quantizer.encode(vector, &mut binary, &mut int8);
            let ids = (passage, revision);
            self.push(ids, (factors.correction, factors.step), &int8, &binary);
        }
    }
}

/// Binary codes in any order, with the numbers that turn them into bounds. All slices have whole
/// blocks.
#[derive(Clone, Copy)]
pub(crate) struct BinaryCodes<'a> {
    /// 64-bit words per code.
    pub words: usize,
    /// `[block][word][lane]`.
    pub binary: &'a [u64],
    pub corrections: &'a [f32],
    pub error_bounds: &'a [f32],
}

/// Binary codes in another order than that of the rows.
#[derive(Debug)]
pub(super) struct ReorderedCodes {
    pub binary: Vec<u64>,
    pub corrections: Vec<f32>,
    pub error_bounds: Vec<f32>,
}

impl BinaryCodes<'_> {
    /// Writes the code at `index` to `out`.
    pub(super) fn read(&self, index: usize, out: &mut [u64]) {
        let block = index / BLOCK * self.words * BLOCK + index % BLOCK;
        for (word, bits) in out.iter_mut().enumerate() {
            let stored = self.binary.get(block + word * BLOCK);
            *bits = stored.copied().unwrap_or(0);
        }
    }

    /// The codes of these rows, in this order.
    pub(super) fn reorder(&self, rows: &[u32]) -> ReorderedCodes {
        let mut codes = SegmentCodes::default();
        let mut word = vec![0; self.words];
        for row in rows {
            self.read(*row as usize, &mut word);
            codes.push((0, 0), (0.0, 0.0), &[], &word);
        }
        ReorderedCodes {
            binary: codes.binary,
            corrections: reorder(self.corrections, rows),
            error_bounds: reorder(self.error_bounds, rows),
        }
    }

    /// Upper bounds of the dot products of all codes in these blocks.
    pub(super) fn upper_bounds(&self, blocks: &[usize], query: &DenseQuery, out: &mut [f32]) {
        codes::upper_bounds(
            self.binary,
            self.corrections,
            self.error_bounds,
            blocks,
            &query.bit_planes,
            out,
        );
    }
}

/// The values of these rows, and zeros up to a whole number of blocks.
fn reorder(values: &[f32], rows: &[u32]) -> Vec<f32> {
    let mut reordered: Vec<f32> = rows
        .iter()
        .map(|row| values.get(*row as usize).copied().unwrap_or(0.0))
        .collect();
    reordered.resize(rows.len().next_multiple_of(BLOCK), 0.0);
    reordered
}

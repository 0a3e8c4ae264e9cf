//! BM25F (Robertson, Zaragoza and Taylor, CIKM 2004): the frequencies of a term in all fields are
//! weighted and added before they are saturated.

use super::block_max::TermBlockMax;
use super::postings::Postings;
use std::ops::Range;
use std::sync::Arc;
use tantivy::DocId;
use tantivy::fieldnorm::FieldNormReader;

/// Rounding can put a score this much above its bound, because the terms are added in another order.
const ROUNDING: f32 = 1.0 + 1e-5;

/// The weight of one occurrence in a field, for each of tantivy's 256 field norm ids.
pub(super) type NormTable = [f32; 256];

/// The table of a field with this average length and weight; `b` is BM25's.
pub(super) fn norm_table(average_length: f32, weight: f32, b: f32) -> NormTable {
    std::array::from_fn(|id| {
        let id = u8::try_from(id).unwrap_or(u8::MAX);
        let length = FieldNormReader::id_to_fieldnorm(id) as f32;
        weight / (1.0 - b + b * length / average_length.max(1.0))
    })
}

/// The length normalisation of a field.
#[derive(Clone)]
pub(super) struct FieldNorms {
    /// The field norm id of each document.
    pub ids: Arc<[u8]>,
    pub table: Arc<NormTable>,
}

impl FieldNorms {
    /// The weight of one occurrence in `doc`.
    fn weight_in(&self, doc: DocId) -> f32 {
        let id = self.ids.get(doc as usize).copied();
        self.weight(id.unwrap_or(u8::MAX))
    }

    fn weight(&self, norm_id: u8) -> f32 {
        let weight = self.table.get(usize::from(norm_id));
        weight.copied().unwrap_or(0.0)
    }
}

/// A term in one field of a segment.
pub(super) struct FieldPostings {
    pub postings: Postings,
    pub bounds: TermBlockMax,
    /// `None` if the field's frequency and length have no influence.
    pub norms: Option<FieldNorms>,
}

/// The weight of a term in a query.
#[derive(Clone, Copy)]
pub(super) struct TermWeight {
    /// The inverse document frequency, times the query's weight for the term.
    pub weight: f32,
    /// BM25's `k1`.
    pub k1: f32,
}

impl TermWeight {
    /// The score of this weighted frequency.
    fn score(self, frequency: f32) -> f32 {
        self.weight * frequency * (self.k1 + 1.0) / (frequency + self.k1)
    }
}

/// Scores one term of a query in one segment.
pub(super) struct TermScorer {
    fields: Vec<FieldPostings>,
    weight: TermWeight,
    /// The highest score of each block.
    block_bounds: Vec<f32>,
}

/// The accumulators of one block of documents.
pub(super) struct BlockScores {
    /// The first document of the block.
    pub start: DocId,
    scores: Vec<f32>,
    /// A bit for each score, set if it is above 0.
    scored: Vec<u64>,
    /// The weighted frequencies of the current term in the fields before the last one.
    frequencies: Vec<f32>,
    /// The documents with such a frequency.
    touched: Vec<DocId>,
}

impl BlockScores {
    pub(super) fn new(documents: u32) -> Self {
        Self {
            start: 0,
            scores: vec![0.0; documents as usize],
            scored: vec![0; documents as usize / 64],
            frequencies: vec![0.0; documents as usize],
            touched: Vec::new(),
        }
    }

    /// Adds to the frequency of the current term in a field before the last one.
    fn add_frequency(&mut self, doc: DocId, frequency: f32) {
        if let Some(sum) = self.frequencies.get_mut((doc - self.start) as usize) {
            *sum += frequency;
            self.touched.push(doc);
        }
    }

    /// Adds the term's score: from its frequency in the last field, and in the fields before.
    fn add_score(&mut self, doc: DocId, frequency: f32, weight: TermWeight) {
        let index = (doc - self.start) as usize;
        let (scores, frequencies) = (&mut self.scores, &mut self.frequencies);
        if let (Some(score), Some(before)) = (scores.get_mut(index), frequencies.get_mut(index)) {
            *score += weight.score(*before + frequency);
            *before = 0.0;
            self.mark_scored(index);
        }
    }

    /// Adds the term's score of the documents that do not have it in the last field.
    fn add_remaining_scores(&mut self, weight: TermWeight) {
        let mut touched = std::mem::take(&mut self.touched);
        for doc in touched.drain(..) {
            let frequency = self.frequencies.get((doc - self.start) as usize);
            if frequency.is_some_and(|frequency| *frequency > 0.0) {
                self.add_score(doc, 0.0, weight);
            }
        }
        self.touched = touched;
    }

    /// Adds a score that does not depend on the frequency.
    fn add_constant(&mut self, doc: DocId, constant: f32) {
        let index = (doc - self.start) as usize;
        if let Some(score) = self.scores.get_mut(index) {
            *score += constant;
            self.mark_scored(index);
        }
    }

    fn mark_scored(&mut self, index: usize) {
        if let Some(word) = self.scored.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    /// Calls `each` with the scored documents in ascending order, and resets the accumulators.
    pub(super) fn drain(&mut self, mut each: impl FnMut(DocId, f32)) {
        for (word, start) in self.scored.iter_mut().zip((0..).step_by(64)) {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                let index = start + bits.trailing_zeros();
                bits &= bits - 1;
                if let Some(score) = self.scores.get_mut(index as usize) {
                    each(self.start + index, std::mem::take(score));
                }
            }
        }
    }
}

impl TermScorer {
    pub(super) fn new(fields: Vec<FieldPostings>, weight: TermWeight) -> Self {
        let blocks = fields.iter().map(|field| field.bounds.blocks.len()).max();
        let blocks = 0..blocks.unwrap_or(0);
        Self {
            block_bounds: blocks
                .map(|block| block_bound(&fields, weight, block))
                .collect(),
            fields,
            weight,
        }
    }

    /// The upper bound of the score in a block.
    pub(super) fn block_bound(&self, block: usize) -> f32 {
        self.block_bounds.get(block).copied().unwrap_or(0.0)
    }

    /// The upper bound of the score in the segment.
    pub(super) fn bound(&self) -> f32 {
        self.block_bounds.iter().copied().fold(0.0, f32::max)
    }

    /// The score of `doc`. Documents must be asked for in ascending order.
    pub(super) fn score(&mut self, doc: DocId) -> f32 {
        let mut frequency = 0.0;
        for field in &mut self.fields {
            let Some(tf) = field.tf(doc) else {
                continue;
            };
            match &field.norms {
                Some(norms) => frequency += tf as f32 * norms.weight_in(doc),
                None => return self.weight.weight,
            }
        }
        if frequency > 0.0 {
            self.weight.score(frequency)
        } else {
            0.0
        }
    }

    /// Adds the scores of the documents in `ranges`, which must lie in the block of `scores`.
    pub(super) fn add_scores(&mut self, ranges: &[Range<DocId>], scores: &mut BlockScores) {
        let weight = self.weight;
        let Some((last, before)) = self.fields.split_last_mut() else {
            return;
        };
        for field in before {
            field.for_each_in(ranges, |doc, frequency| {
                scores.add_frequency(doc, frequency);
            });
        }
        if last.norms.is_some() {
            last.for_each_in(ranges, |doc, frequency| {
                scores.add_score(doc, frequency, weight);
            });
        } else {
            last.for_each_in(ranges, |doc, _| scores.add_constant(doc, weight.weight));
        }
        scores.add_remaining_scores(weight);
    }
}

/// The upper bound of a term's score in a block.
fn block_bound(fields: &[FieldPostings], weight: TermWeight, block: usize) -> f32 {
    let mut frequency = 0.0;
    for field in fields {
        let bounds = field.bounds.blocks.get(block).copied().unwrap_or_default();
        match &field.norms {
            _ if bounds.max_tf == 0 => {}
            Some(norms) => frequency += bounds.max_tf as f32 * norms.weight(bounds.min_norm),
            None => return weight.weight,
        }
    }
    if frequency > 0.0 {
        weight.score(frequency) * ROUNDING
    } else {
        0.0
    }
}

impl FieldPostings {
    /// The term's frequency in `doc`. Documents must be asked for in ascending order.
    fn tf(&mut self, doc: DocId) -> Option<u32> {
        let cache = self.bounds.tf_cache.as_ref();
        match cache.and_then(|cache| cache.get(doc)) {
            Some(tf) => (tf > 0).then_some(tf),
            None => self.postings.tf(doc),
        }
    }

    /// Calls `each` with the documents in `ranges` and the term's weighted frequency there.
    fn for_each_in(&mut self, ranges: &[Range<DocId>], mut each: impl FnMut(DocId, f32)) {
        for range in ranges {
            match &self.norms {
                Some(norms) => self.postings.for_each_in(range, |doc, tf| {
                    each(doc, tf as f32 * norms.weight_in(doc));
                }),
                None => self.postings.for_each_in(range, |doc, _| each(doc, 1.0)),
            }
        }
    }
}

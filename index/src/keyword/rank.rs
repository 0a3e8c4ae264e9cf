//! The best passages by their words: BM25F over one segment's postings, one passage at a time.
//!
//! The permitted passages are known before the first score: a passage outside them is passed over
//! as soon as it is met, and never scored. Words whose greatest possible part cannot lift a
//! passage among the best are only looked up, not walked (`MaxScore`: Turtle and Flood, 1995).

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::Arc;
use tantivy::fieldnorm::FieldNormReader;
use tantivy::postings::{Postings, SegmentPostings};
use tantivy::{DocId, DocSet, TERMINATED};

/// A passage that the words found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct KeywordHit {
    pub passage: i64,
    pub revision: u32,
    pub score: f32,
}

/// How much a field's length takes off what a word counts there.
#[derive(Clone)]
pub(crate) struct Lengths {
    reader: FieldNormReader,
    /// What a word counts that stands there once, for each of tantivy's 256 lengths.
    once: [f32; 256],
}

impl Lengths {
    /// For a field of `average` words that counts `weight` times.
    pub(crate) fn new(reader: FieldNormReader, average: f32, weight: f32, b: f32) -> Self {
        let mut once = [0.0; 256];
        for (id, once) in (0..=u8::MAX).zip(&mut once) {
            let length = FieldNormReader::id_to_fieldnorm(id) as f32;
            *once = weight / (1.0 - b + b * length / average.max(1.0));
        }
        Self { reader, once }
    }

    fn once(&self, doc: DocId) -> f32 {
        let length = usize::from(self.reader.fieldnorm_id(doc));
        self.once.get(length).copied().unwrap_or(0.0)
    }
}

/// A word's postings in one field.
pub(crate) struct Part {
    pub postings: SegmentPostings,
    /// None where standing there is all that counts.
    pub lengths: Option<Arc<Lengths>>,
}

/// A word in the fields of a segment, and what it is worth there.
pub(crate) struct Clause {
    pub parts: Vec<Part>,
    /// How rare the word is.
    pub weight: f32,
    /// How soon it counts no more.
    pub k1: f32,
}

impl Clause {
    fn doc(&self) -> DocId {
        let docs = self.parts.iter().map(|part| part.postings.doc());
        docs.min().unwrap_or(TERMINATED)
    }

    /// Moves every field to `doc` or behind it.
    fn seek(&mut self, doc: DocId) {
        for part in self.parts.iter_mut().filter(|p| p.postings.doc() < doc) {
            part.postings.seek(doc);
        }
    }

    fn most(&self) -> f32 {
        let counted = self.parts.iter().any(|part| part.lengths.is_some());
        self.weight * if counted { self.k1 + 1.0 } else { 1.0 }
    }

    /// What the word brings a passage: its occurrences in all fields are added up before they
    /// are weighed (BM25F: Robertson, Zaragoza and Taylor, CIKM 2004).
    fn score(&self, doc: DocId) -> f32 {
        let mut occurrences = 0.0;
        for part in self.parts.iter().filter(|p| p.postings.doc() == doc) {
            let Some(lengths) = &part.lengths else {
                return self.weight;
            };
            occurrences += part.postings.term_freq() as f32 * lengths.once(doc);
        }
        self.weight * occurrences * (self.k1 + 1.0) / (occurrences + self.k1)
    }
}

/// The best so far, over all segments.
pub(crate) struct Best {
    limit: usize,
    heap: BinaryHeap<Worst>,
}

/// Greatest where the hit is worst: the lowest score, and among equals the latest passage.
struct Worst(KeywordHit);

impl Ord for Worst {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = other.0.score.total_cmp(&self.0.score);
        by_score.then(self.0.passage.cmp(&other.0.passage))
    }
}

impl PartialOrd for Worst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Worst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Worst {}

impl Best {
    /// Keeps the best `limit`.
    pub(crate) fn new(limit: usize) -> Self {
        let heap = BinaryHeap::with_capacity(limit + 1);
        Self { limit, heap }
    }

    /// What a passage must reach to be kept.
    fn bar(&self) -> f32 {
        if self.heap.len() < self.limit {
            return 0.0;
        }
        self.heap.peek().map_or(0.0, |worst| worst.0.score)
    }

    fn offer(&mut self, hit: KeywordHit) {
        let hit = Worst(hit);
        if self.heap.len() < self.limit {
            self.heap.push(hit);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit < *worst
        {
            *worst = hit;
        }
    }

    /// The hits, best first.
    pub(crate) fn into_hits(self) -> Vec<KeywordHit> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|worst| worst.0).collect()
    }
}

/// Walks the documents of one segment that lie in `permitted`, which ascends. `admit` says which
/// passage a document is and of which revision, or that it is none.
pub(crate) fn walk(
    mut clauses: Vec<Clause>,
    mut permitted: &[Range<DocId>],
    admit: impl Fn(DocId) -> Option<(i64, u32)>,
    best: &mut Best,
) {
    clauses.sort_by(|a, b| a.most().total_cmp(&b.most()));
    // `reach[i]` is what the clauses up to `i` can bring together.
    let reach: Vec<f32> = clauses
        .iter()
        .scan(0.0, |sum, clause| {
            *sum += clause.most();
            Some(*sum)
        })
        .collect();
    let mut first = 0;
    loop {
        while reach.get(first).is_some_and(|reach| *reach < best.bar()) {
            first += 1;
        }
        let (optional, walked) = clauses.split_at_mut(first);
        let doc = walked.iter().map(Clause::doc).min().unwrap_or(TERMINATED);
        while let Some((_, later)) = permitted
            .split_first()
            .filter(|(range, _)| range.end <= doc)
        {
            permitted = later;
        }
        let Some(range) = permitted.first().filter(|_| doc != TERMINATED) else {
            return;
        };
        if doc < range.start {
            for clause in walked {
                clause.seek(range.start);
            }
            continue;
        }
        if let Some((passage, revision)) = admit(doc) {
            let mut score: f32 = walked.iter().map(|clause| clause.score(doc)).sum();
            for (clause, together) in optional.iter_mut().zip(&reach).rev() {
                if score + together < best.bar() {
                    break;
                }
                clause.seek(doc);
                score += clause.score(doc);
            }
            best.offer(KeywordHit {
                passage,
                revision,
                score,
            });
        }
        for clause in walked {
            clause.seek(doc + 1);
        }
    }
}

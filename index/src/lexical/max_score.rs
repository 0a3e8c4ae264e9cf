//! The best passages of one segment by their words, block by block (`MaxScore`: Turtle and Flood, 1995;
//! with bounds for each block: Ding and Suel, 2011).
//!
//! Only permitted documents are scored. In each block, the terms whose bounds together cannot lift a
//! document into the top k are not traversed: they are looked up for the documents that the other terms
//! bring near it. The result is that of scoring every document.

use super::block_max::BLOCK_DOCS;
use super::bm25f::{BlockScores, TermScorer};
use super::top_k::{LexicalHit, TopK};
use std::ops::Range;
use tantivy::DocId;

/// Adds the best documents of a segment to `top_k`. `permitted` is ascending. `resolve` returns the
/// passage and the revision of a document, or `None` if it must not be found.
pub(super) fn collect(
    mut scorers: Vec<TermScorer>,
    permitted: &[Range<DocId>],
    resolve: impl Fn(DocId) -> Option<(i64, u32)>,
    top_k: &mut TopK,
) {
    scorers.sort_by_cached_key(|scorer| scorer.bound().to_bits());
    let mut scores = BlockScores::new(BLOCK_DOCS);
    let mut prefix_bounds = Vec::with_capacity(scorers.len());
    let ranges: Vec<Range<DocId>> = permitted.iter().flat_map(split_at_blocks).collect();
    for inside in ranges.chunk_by(|a, b| block_of(a) == block_of(b)) {
        let block = inside.first().map_or(0, block_of);
        // `prefix_bounds[i]` is the bound of the sum of the first `i + 1` terms.
        prefix_bounds.clear();
        prefix_bounds.extend(scorers.iter().scan(0.0, |sum, scorer| {
            *sum += scorer.block_bound(block as usize);
            Some(*sum)
        }));
        let first = prefix_bounds.partition_point(|bound| *bound < top_k.threshold());
        let (optional, essential) = scorers.split_at_mut(first);
        if essential.is_empty() {
            continue;
        }
        scores.start = block * BLOCK_DOCS;
        for scorer in essential {
            scorer.add_scores(inside, &mut scores);
        }
        collect_block(&mut scores, optional, &prefix_bounds, &resolve, top_k);
    }
}

fn block_of(range: &Range<DocId>) -> u32 {
    range.start / BLOCK_DOCS
}

/// The parts of a range in each block.
fn split_at_blocks(range: &Range<DocId>) -> impl Iterator<Item = Range<DocId>> {
    let (start, end) = (range.start, range.end);
    let blocks = start / BLOCK_DOCS..end.div_ceil(BLOCK_DOCS);
    blocks.map(move |block| start.max(block * BLOCK_DOCS)..end.min((block + 1) * BLOCK_DOCS))
}

/// Adds the documents of a block that can be in the top k, and resets `scores`.
fn collect_block(
    scores: &mut BlockScores,
    optional: &mut [TermScorer],
    prefix_bounds: &[f32],
    resolve: &impl Fn(DocId) -> Option<(i64, u32)>,
    top_k: &mut TopK,
) {
    let last = optional.len().checked_sub(1);
    let bound = last.and_then(|last| prefix_bounds.get(last));
    let bound = bound.copied().unwrap_or(0.0);
    scores.drain(|doc, score| {
        if score + bound >= top_k.threshold() {
            collect_document(doc, score, optional, prefix_bounds, resolve, top_k);
        }
    });
}

/// Adds the scores of the `optional` terms to a document's, as long as it can be in the top k.
fn collect_document(
    doc: DocId,
    mut score: f32,
    optional: &mut [TermScorer],
    prefix_bounds: &[f32],
    resolve: &impl Fn(DocId) -> Option<(i64, u32)>,
    top_k: &mut TopK,
) {
    for (scorer, bound) in optional.iter_mut().zip(prefix_bounds).rev() {
        if score + bound < top_k.threshold() {
            return;
        }
        score += scorer.score(doc);
    }
    if score < top_k.threshold() {
        return;
    }
    if let Some((passage, revision)) = resolve(doc) {
        top_k.push(LexicalHit {
            passage,
            revision,
            score,
        });
    }
}

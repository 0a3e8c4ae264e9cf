//! The best passages by their words, window by window of one segment.
//!
//! The permitted documents are known before the first score, and no other is ever scored. In each
//! window, words whose ceilings together cannot lift a passage among the best are only looked up
//! for passages that the other words brought close to it, not walked (`MaxScore`: Turtle and Flood,
//! 1995; with a ceiling for each window: Ding and Suel, 2011). What is found is what adding up
//! everything would find.

use super::best::{Best, KeywordHit};
use super::ceilings::WINDOW;
use super::rank::{Clause, Scores};
use std::ops::Range;
use tantivy::DocId;

/// Walks the documents of one segment that lie in `permitted`, which ascends. `admit` says which
/// passage a document is and of which revision, or that it is none.
pub(super) fn walk(
    mut clauses: Vec<Clause>,
    permitted: &[Range<DocId>],
    admit: impl Fn(DocId) -> Option<(i64, u32)>,
    best: &mut Best,
) {
    clauses.sort_by_cached_key(|clause| clause.most().to_bits());
    let mut scores = Scores::new(WINDOW);
    let mut reach = Vec::with_capacity(clauses.len());
    let pieces: Vec<Range<DocId>> = permitted.iter().flat_map(within_windows).collect();
    for inside in pieces.chunk_by(|a, b| window_of(a) == window_of(b)) {
        let window = inside.first().map_or(0, window_of);
        // `reach[i]` is what the words up to `i` can bring together.
        reach.clear();
        reach.extend(clauses.iter().scan(0.0, |sum, clause| {
            *sum += clause.ceiling(window as usize);
            Some(*sum)
        }));
        let first = reach.partition_point(|reach| *reach < best.bar());
        let (optional, walked) = clauses.split_at_mut(first);
        if walked.is_empty() {
            continue;
        }
        scores.start = window * WINDOW;
        for clause in walked {
            clause.add(inside, &mut scores);
        }
        choose(&mut scores, optional, &reach, &admit, best);
    }
}

fn window_of(range: &Range<DocId>) -> u32 {
    range.start / WINDOW
}

/// The parts of a range, cut where a window ends.
fn within_windows(range: &Range<DocId>) -> impl Iterator<Item = Range<DocId>> {
    let (start, end) = (range.start, range.end);
    let windows = start / WINDOW..end.div_ceil(WINDOW);
    windows.map(move |window| start.max(window * WINDOW)..end.min((window + 1) * WINDOW))
}

/// Offers the documents of a window that may be among the best, and begins it anew.
fn choose(
    scores: &mut Scores,
    optional: &mut [Clause],
    reach: &[f32],
    admit: &impl Fn(DocId) -> Option<(i64, u32)>,
    best: &mut Best,
) {
    let more = optional
        .len()
        .checked_sub(1)
        .and_then(|last| reach.get(last));
    let more = more.copied().unwrap_or(0.0);
    scores.take(|doc, sum| {
        if sum + more >= best.bar() {
            offer(doc, sum, optional, reach, admit, best);
        }
    });
}

/// Adds what the `optional` words bring a document, as long as it may be among the best.
fn offer(
    doc: DocId,
    mut score: f32,
    optional: &mut [Clause],
    reach: &[f32],
    admit: &impl Fn(DocId) -> Option<(i64, u32)>,
    best: &mut Best,
) {
    for (clause, together) in optional.iter_mut().zip(reach).rev() {
        if score + together < best.bar() {
            return;
        }
        score += clause.score(doc);
    }
    if score < best.bar() {
        return;
    }
    if let Some((passage, revision)) = admit(doc) {
        best.offer(KeywordHit {
            passage,
            revision,
            score,
        });
    }
}

//! The best passages so far.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A passage found by its words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LexicalHit {
    pub passage: i64,
    pub revision: u32,
    pub score: f32,
}

/// The `limit` best passages of all segments.
pub(super) struct TopK {
    limit: usize,
    /// A score that at least `limit` passages are known to reach.
    initial_threshold: f32,
    heap: BinaryHeap<WorstFirst>,
}

/// Orders hits so that the worst is the greatest: by the lowest score, then by the latest passage.
struct WorstFirst(LexicalHit);

impl Ord for WorstFirst {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = other.0.score.total_cmp(&self.0.score);
        by_score.then(self.0.passage.cmp(&other.0.passage))
    }
}

impl PartialOrd for WorstFirst {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for WorstFirst {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for WorstFirst {}

impl TopK {
    pub(super) fn new(limit: usize) -> Self {
        Self::with_threshold(0.0, limit)
    }

    /// [`Self::new`], if at least `limit` passages are known to reach this score.
    pub(super) fn with_threshold(initial_threshold: f32, limit: usize) -> Self {
        Self {
            limit,
            initial_threshold,
            heap: BinaryHeap::with_capacity(limit + 1),
        }
    }

    /// The score that a passage must reach to be kept.
    pub(super) fn threshold(&self) -> f32 {
        if self.heap.len() < self.limit {
            return self.initial_threshold;
        }
        let worst = self.heap.peek();
        worst.map_or(self.initial_threshold, |worst| worst.0.score)
    }

    pub(super) fn push(&mut self, hit: LexicalHit) {
        let hit = WorstFirst(hit);
        if self.heap.len() < self.limit {
            self.heap.push(hit);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && hit < *worst
        {
            *worst = hit;
        }
    }

    /// The hits, best first.
    pub(super) fn into_hits(self) -> Vec<LexicalHit> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|hit| hit.0).collect()
    }
}

//! The best passages so far, over all segments.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// A passage that the words found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct KeywordHit {
    pub passage: i64,
    pub revision: u32,
    pub score: f32,
}

/// The best so far, over all segments.
pub(super) struct Best {
    limit: usize,
    /// What `limit` passages are known to reach.
    floor: f32,
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
    pub(super) fn new(limit: usize) -> Self {
        Self::above(0.0, limit)
    }

    /// The same, where it is known that so many reach `floor`.
    pub(super) fn above(floor: f32, limit: usize) -> Self {
        let heap = BinaryHeap::with_capacity(limit + 1);
        Self { limit, floor, heap }
    }

    /// What a passage must reach to be kept.
    pub(super) fn bar(&self) -> f32 {
        if self.heap.len() < self.limit {
            return self.floor;
        }
        self.heap.peek().map_or(self.floor, |worst| worst.0.score)
    }

    pub(super) fn offer(&mut self, hit: KeywordHit) {
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
    pub(super) fn into_hits(self) -> Vec<KeywordHit> {
        let sorted = self.heap.into_sorted_vec();
        sorted.into_iter().map(|worst| worst.0).collect()
    }
}

//! The rows that can be among the best: their eight-bit codes decide most of them, and the vectors of the
//! others are read from the disk.

use super::{DenseHit, DenseQuery, ScoreEstimate, Segment};

/// A row that can be among the best.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub segment: &'a Segment,
    pub row: usize,
    /// From its eight-bit code.
    pub score: ScoreEstimate,
}

impl Candidate<'_> {
    fn hit(&self) -> Option<DenseHit> {
        self.segment.hit(self.row, self.score)
    }

    /// The hit with the exact score, for which the vector is read.
    pub(super) fn exact_hit(&self, query: &DenseQuery) -> Option<DenseHit> {
        let score = self.segment.exact_score(self.row, query);
        self.segment.hit(self.row, ScoreEstimate::exact(score))
    }
}

/// A score that at least `limit` candidates certainly have.
pub(super) fn certain_threshold(candidates: &[Candidate<'_>], limit: usize) -> f32 {
    let bounds = candidates.iter().map(|row| row.score.lower_bound());
    kth_largest(&mut bounds.collect::<Vec<f32>>(), limit)
}

/// The `k`-th largest value; minus infinity if there are fewer.
pub(crate) fn kth_largest(values: &mut [f32], k: usize) -> f32 {
    if k == 0 || values.len() < k {
        return f32::NEG_INFINITY;
    }
    *values
        .select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a))
        .1
}

/// The candidates, partitioned by their codes.
pub(super) struct Partitioned<'a> {
    /// Those that are certainly among the best.
    certain: Vec<Candidate<'a>>,
    /// Those that can be.
    pub undecided: Vec<Candidate<'a>>,
    limit: usize,
}

impl<'a> Partitioned<'a> {
    /// Drops the candidates that are certainly not among the best `limit`.
    pub(super) fn new(mut candidates: Vec<Candidate<'a>>, limit: usize) -> Self {
        let threshold = certain_threshold(&candidates, limit);
        candidates.retain(|row| row.score.upper_bound() >= threshold);
        // At most `limit` candidates can be above this score.
        let bounds = candidates.iter().map(|row| row.score.upper_bound());
        let next = kth_largest(&mut bounds.collect::<Vec<f32>>(), limit + 1);
        let (certain, undecided) = candidates
            .into_iter()
            .partition(|row| row.score.lower_bound() > next);
        Self {
            certain,
            undecided,
            limit,
        }
    }

    /// The best, in any order, given the exact hits of the undecided candidates.
    pub(super) fn best(&self, mut exact_hits: Vec<DenseHit>) -> Vec<DenseHit> {
        super::sort(&mut exact_hits);
        let mut best: Vec<DenseHit> = self.certain.iter().filter_map(Candidate::hit).collect();
        exact_hits.truncate(self.limit.saturating_sub(best.len()));
        best.append(&mut exact_hits);
        best
    }
}

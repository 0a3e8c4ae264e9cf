//! Rows that may be among the best, and which of them are: their eight-bit codes decide where they
//! can, and their vectors are read from the disk where they cannot.

use super::{Cosine, Question, Segment, VectorHit};

/// A row that may be among the best.
#[derive(Clone, Copy)]
pub(crate) struct Candidate<'a> {
    pub segment: &'a Segment,
    pub row: usize,
    /// By its eight-bit code.
    pub cosine: Cosine,
}

impl Candidate<'_> {
    /// The row with what is known of its cosine.
    fn hit(&self) -> Option<VectorHit> {
        self.segment.hit(self.row, self.cosine)
    }

    /// The row with the cosine of its vector, which is read.
    pub(super) fn read(&self, question: &Question) -> Option<VectorHit> {
        let cosine = self.segment.exact(self.row, question);
        self.segment.hit(self.row, Cosine::exactly(cosine))
    }
}

/// The cosine that at least `limit` of the candidates surely reach.
pub(super) fn surely_reached(candidates: &[Candidate<'_>], limit: usize) -> f32 {
    let mut lowest: Vec<f32> = candidates.iter().map(|c| c.cosine.lowest()).collect();
    kth_largest(&mut lowest, limit)
}

/// The `k`-th largest value; minus infinity where there are fewer.
pub(crate) fn kth_largest(values: &mut [f32], k: usize) -> f32 {
    if k == 0 || values.len() < k {
        return f32::NEG_INFINITY;
    }
    *values
        .select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a))
        .1
}

/// Candidates by what their codes say of them.
pub(super) struct Sorted<'a> {
    /// Those that surely belong to the best.
    sure: Vec<Candidate<'a>>,
    /// Those that may.
    pub open: Vec<Candidate<'a>>,
    limit: usize,
}

impl<'a> Sorted<'a> {
    /// Leaves out what surely is not among the best `limit`.
    pub(super) fn new(mut candidates: Vec<Candidate<'a>>, limit: usize) -> Self {
        let threshold = surely_reached(&candidates, limit);
        candidates.retain(|candidate| candidate.cosine.highest() >= threshold);
        let mut highest: Vec<f32> = candidates.iter().map(|c| c.cosine.highest()).collect();
        // What lies above all but `limit` is among the best whatever the others turn out to be.
        let next = kth_largest(&mut highest, limit + 1);
        let surely = |candidate: &Candidate<'_>| candidate.cosine.lowest() > next;
        let (sure, open) = candidates.into_iter().partition(surely);
        Self { sure, open, limit }
    }

    /// The best, in no order, once the open ones were read.
    pub(super) fn best(&self, mut read: Vec<VectorHit>) -> Vec<VectorHit> {
        super::sort(&mut read);
        let mut best: Vec<VectorHit> = self.sure.iter().filter_map(Candidate::hit).collect();
        read.truncate(self.limit.saturating_sub(best.len()));
        best.append(&mut read);
        best
    }
}

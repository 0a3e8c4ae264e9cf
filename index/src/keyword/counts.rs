//! How often a very common word stands in each document of a segment, a byte for each.
//!
//! Such a word hardly decides anything, so it is looked up for single documents rather than walked, and
//! there a byte at its place is found sooner than a posting in a block that must be unpacked first.

use tantivy::DocId;

/// One document of so many, at least, holds a word that is kept so.
const AMONG: u32 = 32;
/// So many words and fields of a segment are kept: this many bytes for each of its documents.
pub(super) const MOST_KEPT: usize = 64;

/// A word's counts in one field of a segment.
pub(super) struct Counts(Box<[u8]>);

impl Counts {
    /// Whether a word that `with` of a segment's documents hold is worth its bytes.
    pub(super) fn are_worth_keeping(with: u32, documents: DocId) -> bool {
        with >= documents.div_ceil(AMONG)
    }

    pub(super) fn none_of(documents: DocId) -> Self {
        Self(vec![0; documents as usize].into())
    }

    pub(super) fn set(&mut self, doc: DocId, count: u32) {
        if let Some(kept) = self.0.get_mut(doc as usize) {
            *kept = u8::try_from(count).unwrap_or(u8::MAX);
        }
    }

    /// How often the word stands in `doc`; `None` where that is more than fits into a byte.
    pub(super) fn of(&self, doc: DocId) -> Option<u32> {
        let kept = self.0.get(doc as usize).copied().unwrap_or(0);
        (kept < u8::MAX).then_some(u32::from(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_what_was_set_or_is_left_to_the_postings() {
        let mut counts = Counts::none_of(3);
        counts.set(1, 254);
        counts.set(2, 70_000);
        let kept: Vec<Option<u32>> = (0..4).map(|doc| counts.of(doc)).collect();
        assert_eq!(kept, [Some(0), Some(254), None, Some(0)]);
    }
}

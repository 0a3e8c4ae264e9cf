//! Speculative decoding by prompt lookup (Saxena 2023): an answer that quotes continues like its
//! prompt, so the tokens that followed the same n-gram before are verified together in one pass.

/// Lengths of the n-grams that are looked up, from the least to the most specific.
const NGRAM_LENGTHS: std::ops::RangeInclusive<usize> = 2..=4;

/// The maximum of tokens of a draft. With the certain token they fill the eight rows of the kernels.
pub(super) const MAX_DRAFT: usize = 7;

/// How many tokens of the next draft are likely to be accepted, by the last draft of the text.
#[derive(Clone, Copy, Debug)]
pub(in crate::decoder) struct AcceptanceRate(usize);

impl Default for AcceptanceRate {
    fn default() -> Self {
        Self(MAX_DRAFT)
    }
}

impl AcceptanceRate {
    /// Records that `accepted` of `drafted` tokens were accepted.
    pub(super) fn record(&mut self, drafted: usize, accepted: usize) {
        if drafted == 0 {
            return;
        }
        self.0 = if accepted == drafted {
            MAX_DRAFT
        } else {
            (accepted + 1).min(MAX_DRAFT)
        };
    }
}

/// A draft of at most `max` tokens after `ids`: what followed the latest earlier occurrence of their
/// last n-gram.
pub(super) fn draft(ids: &[u32], max: usize, rate: AcceptanceRate) -> &[u32] {
    let max = max.min(rate.0);
    for length in NGRAM_LENGTHS.rev() {
        let Some(start) = ids.len().checked_sub(length).filter(|start| *start > 0) else {
            continue;
        };
        let (earlier, ngram) = (&ids[..ids.len() - 1], &ids[start..]);
        if let Some(at) = earlier.windows(length).rposition(|window| window == ngram) {
            let after = &ids[at + length..];
            return &after[..max.min(after.len())];
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_what_followed_the_longest_match_the_last_time() {
        let rate = AcceptanceRate::default();
        let drafted = |ids: &[u32]| draft(ids, 3, rate).to_vec();
        assert_eq!(drafted(&[1, 2, 3, 4, 5, 1, 2]), [3, 4, 5]);
        assert_eq!(
            drafted(&[9, 1, 2, 3, 8, 1, 2, 7, 9, 1, 2]),
            [3, 8, 1],
            "three before two"
        );
        assert_eq!(drafted(&[1, 2, 3, 1, 2, 4, 1, 2]), [4, 1, 2], "the latest");
        assert_eq!(drafted(&[5, 5, 5]), [5]);
        for nothing in [&[][..], &[1], &[1, 2], &[1, 2, 3, 2]] {
            assert!(drafted(nothing).is_empty(), "{nothing:?}");
        }
    }

    #[test]
    fn drafts_become_short_when_rejected_and_long_when_accepted() {
        let ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2];
        let mut rate = AcceptanceRate::default();
        assert_eq!(draft(&ids, 9, rate).len(), MAX_DRAFT);
        rate.record(7, 0);
        assert_eq!(draft(&ids, 9, rate), [3]);
        rate.record(1, 1);
        assert_eq!(draft(&ids, 9, rate).len(), MAX_DRAFT);
    }
}

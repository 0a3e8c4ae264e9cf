//! Prompt lookup (Saxena 2023): an answer that quotes goes on as its prompt does, so the tokens
//! that followed the same few tokens before are tried, many in one pass.

/// Tokens that must have stood together before, from the most telling number to the least.
const GRAMS: std::ops::RangeInclusive<usize> = 2..=4;

/// Tokens of a draft at most. With the one that is certain they fill the kernels' eight rows.
pub(super) const LONGEST: usize = 7;

/// How well drafts did in one text: after some that failed, fewer tokens are tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust(usize);

impl Default for Trust {
    fn default() -> Self {
        Self(LONGEST)
    }
}

impl Trust {
    /// Notes that of `drafted` tokens so many held.
    pub(super) fn learn(&mut self, drafted: usize, held: usize) {
        if drafted > 0 {
            self.0 = if held == drafted {
                LONGEST
            } else {
                (held + 1).min(LONGEST)
            };
        }
    }
}

/// What may follow `ids`, at most `most` tokens: what followed the latest place that ended alike.
pub(super) fn draft(ids: &[u32], most: usize, trust: Trust) -> &[u32] {
    let most = most.min(trust.0);
    for length in GRAMS.rev() {
        let Some(start) = ids.len().checked_sub(length).filter(|start| *start > 0) else {
            continue;
        };
        let (before, gram) = (ids.get(..ids.len() - 1), ids.get(start..));
        let (Some(before), Some(gram)) = (before, gram) else {
            continue;
        };
        if let Some(at) = before.windows(length).rposition(|window| window == gram) {
            let after = ids.get(at + length..).unwrap_or_default();
            return after.get(..most.min(after.len())).unwrap_or_default();
        }
    }
    &[]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_what_followed_the_longest_match_the_last_time() {
        let trust = Trust::default();
        let drafted = |ids: &[u32]| draft(ids, 3, trust).to_vec();
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
    fn drafts_that_fail_become_short_and_grow_again() {
        let ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2];
        let mut trust = Trust::default();
        assert_eq!(draft(&ids, 9, trust).len(), LONGEST);
        trust.learn(7, 0);
        assert_eq!(draft(&ids, 9, trust), [3]);
        trust.learn(1, 1);
        assert_eq!(draft(&ids, 9, trust).len(), LONGEST);
    }
}

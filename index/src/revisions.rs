//! The revisions in an index, and those of them that a person may read.

use crate::interpolation_search;
use roaring::RoaringBitmap;

/// The revisions in an index, with their numbers of passages.
#[derive(Clone, Default)]
pub(crate) struct Revisions {
    // INVARIANT: ascending and distinct.
    counts: Vec<(u32, usize)>,
    bits: Vec<u64>,
    passages: usize,
}

impl Revisions {
    /// From the lengths of runs of passages of one revision, in any order.
    pub(crate) fn from_runs(runs: impl Iterator<Item = (u32, usize)>) -> Self {
        let mut counts: Vec<(u32, usize)> = runs.collect();
        counts.sort_unstable();
        counts.dedup_by(|a, b| {
            let same = a.0 == b.0;
            b.1 += if same { a.1 } else { 0 };
            same
        });
        let last = counts.last().map_or(0, |(revision, _)| *revision);
        let mut bits = vec![0; last as usize / 64 + 1];
        for (revision, _) in &counts {
            fill(&mut bits, *revision, *revision);
        }
        Self {
            passages: counts.iter().map(|(_, passages)| passages).sum(),
            counts,
            bits,
        }
    }

    /// Ascending.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> {
        self.counts.iter().map(|(revision, _)| *revision)
    }

    pub(crate) fn len(&self) -> usize {
        self.counts.len()
    }

    /// The number of passages.
    pub(crate) fn passages(&self) -> usize {
        self.passages
    }

    /// The number of passages of a revision.
    pub(crate) fn passages_of(&self, revision: u32) -> usize {
        let index = interpolation_search::position(revision.into(), self.counts.len(), |index| {
            let entry = self.counts.get(index);
            entry.map_or(i64::MAX, |(id, _)| i64::from(*id))
        });
        let entry = index.and_then(|index| self.counts.get(index));
        entry.map_or(0, |(_, passages)| *passages)
    }

    /// The permitted revisions, as far as they can be in this index.
    pub(crate) fn readable(&self, permitted: &RoaringBitmap) -> ReadableRevisions {
        let mut bits = vec![0; self.bits.len()];
        let mut runs = permitted.iter();
        while let Some(run) = runs.next_range() {
            if !fill(&mut bits, *run.start(), *run.end()) {
                break;
            }
        }
        let mut both = bits.iter().zip(&self.bits);
        let everything = both.all(|(readable, known)| readable & known == *known);
        ReadableRevisions { bits, everything }
    }

    /// The numbers of readable revisions and of their passages.
    pub(crate) fn count(&self, readable: &ReadableRevisions) -> (usize, usize) {
        if readable.everything {
            return (self.counts.len(), self.passages);
        }
        let known = self.counts.iter();
        let known = known.filter(|(revision, _)| readable.contains(*revision));
        known.fold((0, 0), |(n, sum), (_, rows)| (n + 1, sum + rows))
    }
}

/// The permitted revisions as a bit vector, which is faster than the bitmap for the many lookups of a
/// search.
pub(crate) struct ReadableRevisions {
    bits: Vec<u64>,
    everything: bool,
}

impl ReadableRevisions {
    pub(crate) fn contains(&self, revision: u32) -> bool {
        let word = self.bits.get(revision as usize / 64);
        word.is_some_and(|word| word >> (revision % 64) & 1 == 1)
    }

    /// Whether every revision of the index is readable.
    pub(crate) fn is_everything(&self) -> bool {
        self.everything
    }
}

/// Sets the bits from `first` to `last`. Returns `false` if there are fewer bits.
fn fill(bits: &mut [u64], first: u32, last: u32) -> bool {
    let (start, end) = (first as usize / 64, last as usize / 64);
    for place in start..=end {
        let Some(word) = bits.get_mut(place) else {
            return false;
        };
        let from = if place == start { first % 64 } else { 0 };
        let to = if place == end { last % 64 } else { 63 };
        *word |= u64::MAX << from & u64::MAX >> (63 - to);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn exactly_the_permitted_revisions_are_readable_and_counted(
            runs in prop::collection::vec((0_u32..400, 1_usize..9), 0..60),
            permitted in prop::collection::btree_set(0_u32..600, 0..200),
            all in prop::bool::weighted(0.2),
        ) {
            let mut counts = BTreeMap::new();
            for (revision, passages) in &runs {
                *counts.entry(*revision).or_insert(0) += passages;
            }
            let bitmap: RoaringBitmap = if all {
                (0..500).collect()
            } else {
                permitted.into_iter().collect()
            };
            let revisions = Revisions::from_runs(runs.into_iter());
            let readable = revisions.readable(&bitmap);
            let found: Vec<u32> = revisions.ids().filter(|id| readable.contains(*id)).collect();
            let shown = |id: &&u32| bitmap.contains(**id);
            let expected: Vec<u32> = counts.keys().filter(shown).copied().collect();
            prop_assert_eq!(&found, &expected);
            let passages = expected.iter().map(|id| counts[id]).sum();
            prop_assert_eq!(revisions.count(&readable), (expected.len(), passages));
            prop_assert_eq!(readable.is_everything(), expected.len() == counts.len());
            for id in 0..600 {
                prop_assert_eq!(revisions.passages_of(id), counts.get(&id).copied().unwrap_or(0));
                prop_assert!(!readable.contains(id) || bitmap.contains(id));
            }
        }
    }
}

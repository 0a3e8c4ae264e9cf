//! A set of rows of a segment.

use std::ops::Range;

#[derive(Debug)]
pub(in crate::dense) struct RowSet {
    words: Vec<u64>,
}

impl RowSet {
    pub(in crate::dense) fn empty(rows: usize) -> Self {
        Self {
            words: vec![0; rows.div_ceil(64)],
        }
    }

    /// The rows of these ranges.
    pub(in crate::dense) fn from_ranges(rows: usize, ranges: &[Range<usize>]) -> Self {
        let mut set = Self::empty(rows);
        for range in ranges {
            set.insert_range(range);
        }
        set
    }

    /// Adds a row; `false` if the set has it.
    #[inline]
    pub(super) fn insert(&mut self, row: usize) -> bool {
        let bit = 1 << (row % 64);
        let Some(word) = self.words.get_mut(row / 64) else {
            return false;
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    #[inline]
    pub(super) fn contains(&self, row: usize) -> bool {
        let word = self.words.get(row / 64);
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    fn insert_range(&mut self, range: &Range<usize>) {
        let (mut row, end) = (range.start, range.end);
        while row < end {
            let next = (row / 64 * 64 + 64).min(end);
            let bits = u64::MAX >> (64 - (next - row));
            if let Some(word) = self.words.get_mut(row / 64) {
                *word |= bits << (row % 64);
            }
            row = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_set_contains_what_was_inserted(
            ranges in prop::collection::vec((0_usize..300, 0_usize..130), 0..6),
            rows in prop::collection::vec(0_usize..300, 0..20),
        ) {
            let ranges: Vec<Range<usize>> =
                ranges.iter().map(|(start, length)| *start..(start + length).min(300)).collect();
            let mut expected: BTreeSet<usize> = ranges.iter().cloned().flatten().collect();
            let mut set = RowSet::from_ranges(300, &ranges);
            for row in rows {
                prop_assert_eq!(set.insert(row), expected.insert(row));
            }
            for row in 0..400 {
                prop_assert_eq!(set.contains(row), expected.contains(&row));
            }
        }
    }
}

//! The permitted revisions as a row of bits, which is asked for each of many thousand revisions in
//! every search.

use roaring::RoaringBitmap;

/// Some revisions, quickly asked for one of them.
pub(crate) struct Readable {
    bits: Vec<u64>,
}

impl Readable {
    /// Those of `permitted` up to the revision `last`.
    pub(crate) fn new(permitted: &RoaringBitmap, last: u32) -> Self {
        let mut bits = vec![0; last as usize / 64 + 1];
        for revision in permitted.iter().map(|revision| revision as usize) {
            match bits.get_mut(revision / 64) {
                Some(word) => *word |= 1 << (revision % 64),
                None => break,
            }
        }
        Self { bits }
    }

    pub(crate) fn contains(&self, revision: u32) -> bool {
        let word = self.bits.get(revision as usize / 64);
        word.is_some_and(|word| word >> (revision % 64) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_permitted_up_to_the_last_is_readable_and_nothing_else() {
        let permitted: RoaringBitmap = [0, 63, 64, 70, 200].into_iter().collect();
        let readable = Readable::new(&permitted, 70);
        let found: Vec<u32> = (0..300).filter(|id| readable.contains(*id)).collect();
        assert_eq!(found, [0, 63, 64, 70]);
    }
}

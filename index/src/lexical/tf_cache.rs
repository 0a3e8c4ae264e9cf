//! The frequencies of a very common term in the documents of a segment, one byte for each.
//!
//! Such a term hardly ever decides a ranking, so the search looks it up for single documents. A byte
//! array is faster for that than a block of postings, which must be unpacked first.

use tantivy::DocId;

/// The minimum share of a segment's documents that contain a cached term: one of this many.
const MIN_SHARE: u32 = 32;

/// The maximum of cached terms and fields of a segment: the cache has this many bytes per document.
pub(super) const MAX_CACHED_TERMS: usize = 64;

/// The frequencies of one term in one field of a segment.
pub(super) struct TfCache(Box<[u8]>);

impl TfCache {
    /// Whether a term that `doc_freq` documents of a segment contain is cached.
    pub(super) fn is_worthwhile(doc_freq: u32, documents: DocId) -> bool {
        doc_freq >= documents.div_ceil(MIN_SHARE)
    }

    pub(super) fn new(documents: DocId) -> Self {
        Self(vec![0; documents as usize].into())
    }

    pub(super) fn set(&mut self, doc: DocId, tf: u32) {
        if let Some(cached) = self.0.get_mut(doc as usize) {
            *cached = u8::try_from(tf).unwrap_or(u8::MAX);
        }
    }

    /// The frequency in `doc`; `None` if it does not fit into a byte.
    pub(super) fn get(&self, doc: DocId) -> Option<u32> {
        let cached = self.0.get(doc as usize).copied().unwrap_or(0);
        (cached < u8::MAX).then_some(u32::from(cached))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_frequencies_are_left_to_the_postings() {
        let mut cache = TfCache::new(3);
        cache.set(1, 254);
        cache.set(2, 70_000);
        let cached: Vec<Option<u32>> = (0..4).map(|doc| cache.get(doc)).collect();
        assert_eq!(cached, [Some(0), Some(254), None, Some(0)]);
    }
}

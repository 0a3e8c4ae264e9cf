//! Upper bounds of a term's contribution to the scores of each block of documents, so that a search can
//! skip a block without reading it (block-max indexes: Ding and Suel, SIGIR 2011).
//!
//! The bounds are frequencies and lengths rather than scores, because scores also depend on the
//! settings and on the average length, which changes with every commit.

use super::postings::Postings;
use super::tf_cache::{MAX_CACHED_TERMS, TfCache};
use crate::error::Result;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use tantivy::postings::BlockSegmentPostings;
use tantivy::{DocId, Term};

/// Documents of a block. The accumulators of a block fit into the first-level CPU cache.
pub(super) const BLOCK_DOCS: u32 = 2048;

/// Terms in fewer documents of a segment are not cached: they are fast to compute again, and only a
/// limited number of terms can be in more documents.
const MIN_CACHED_DOCS: u32 = 1024;

/// The bounds of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct BlockMax {
    /// The highest frequency of the term; 0 if no document contains it.
    pub max_tf: u32,
    /// The lowest field norm id of the documents that contain it.
    pub min_norm: u8,
}

/// The bounds of a term in one field of a segment.
#[derive(Clone)]
pub(super) struct TermBlockMax {
    pub blocks: Arc<[BlockMax]>,
    /// For very common terms.
    pub tf_cache: Option<Arc<TfCache>>,
}

/// The bounds of a segment's common terms.
#[derive(Default)]
pub(super) struct BlockMaxCache {
    terms: Mutex<HashMap<Term, TermBlockMax>>,
}

impl BlockMaxCache {
    /// The bounds of `term`, computed from its postings if they are not cached.
    pub(super) fn get(
        &self,
        term: &Term,
        norms: Option<&[u8]>,
        documents: DocId,
        open_postings: impl FnOnce() -> Result<BlockSegmentPostings>,
    ) -> Result<TermBlockMax> {
        if let Some(cached) = self.terms.lock().get(term) {
            return Ok(cached.clone());
        }
        let postings = open_postings()?;
        let doc_freq = postings.doc_freq();
        let common =
            TfCache::is_worthwhile(doc_freq, documents) && self.tf_caches() < MAX_CACHED_TERMS;
        let mut tf_cache = common.then(|| TfCache::new(documents));
        let blocks = compute_bounds(postings, norms, documents, tf_cache.as_mut());
        let bounds = TermBlockMax {
            blocks: blocks.into(),
            tf_cache: tf_cache.map(Arc::new),
        };
        if common || doc_freq >= MIN_CACHED_DOCS {
            self.terms.lock().insert(term.clone(), bounds.clone());
        }
        Ok(bounds)
    }

    fn tf_caches(&self) -> usize {
        let terms = self.terms.lock();
        let cached = terms.values().filter(|term| term.tf_cache.is_some());
        cached.count()
    }
}

/// The bounds of each block, whose frequencies are also written to `tf_cache` if it is given.
fn compute_bounds(
    postings: BlockSegmentPostings,
    norms: Option<&[u8]>,
    documents: DocId,
    mut tf_cache: Option<&mut TfCache>,
) -> Vec<BlockMax> {
    let mut blocks = vec![BlockMax::default(); documents.div_ceil(BLOCK_DOCS) as usize];
    Postings::new(postings).for_each_in(&(0..documents), |doc, tf| {
        if let Some(cache) = &mut tf_cache {
            cache.set(doc, tf);
        }
        let norm = norms.and_then(|norms| norms.get(doc as usize));
        let norm = norm.copied().unwrap_or(0);
        if let Some(block) = blocks.get_mut((doc / BLOCK_DOCS) as usize) {
            let first = block.max_tf == 0;
            block.min_norm = if first {
                norm
            } else {
                block.min_norm.min(norm)
            };
            block.max_tf = block.max_tf.max(tf);
        }
    });
    blocks
}

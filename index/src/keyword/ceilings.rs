//! What a word can be worth at most, for each window of a segment's documents: what lets a search
//! pass over a window without looking into it (block-max indexes: Ding and Suel, SIGIR 2011).
//!
//! A ceiling is kept as it was counted, not as a score, because a score also depends on the
//! settings and on how long passages are on average, which every commit changes.

use super::counts::{Counts, MOST_KEPT};
use super::postings::Postings;
use crate::error::Result;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use tantivy::postings::BlockSegmentPostings;
use tantivy::{DocId, Term};

/// Documents of a window. All that a window needs fits in the processor's first cache.
pub(super) const WINDOW: u32 = 2048;

/// Words in fewer documents of a segment are counted again for each search, which costs little;
/// of others there cannot be many.
const COMMON: u32 = 1024;

/// What no document of a window exceeds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Ceiling {
    /// How often the word stands in one of them, at most; 0 where it stands in none.
    pub count: u32,
    /// The shortest of those in which it stands, of tantivy's 256 lengths.
    pub length: u8,
}

/// What is known of a word in one field of a segment before a search.
#[derive(Clone)]
pub(super) struct Known {
    pub ceilings: Arc<[Ceiling]>,
    /// Of a very common word.
    pub counts: Option<Arc<Counts>>,
}

/// What is known of a segment's common words.
#[derive(Default)]
pub(super) struct Ceilings {
    known: Mutex<HashMap<Term, Known>>,
}

impl Ceilings {
    /// Those of `term`, which `open` walks where they are not known.
    pub(super) fn of(
        &self,
        term: &Term,
        lengths: Option<&[u8]>,
        documents: DocId,
        open: impl FnOnce() -> Result<BlockSegmentPostings>,
    ) -> Result<Known> {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known().get(term) {
            return Ok(known.clone());
        }
        let blocks = open()?;
        let with = blocks.doc_freq();
        let kept = || {
            known()
                .values()
                .filter(|word| word.counts.is_some())
                .count()
        };
        let worth = Counts::are_worth_keeping(with, documents) && kept() < MOST_KEPT;
        let mut counts = worth.then(|| Counts::none_of(documents));
        let ceilings = count(blocks, lengths, documents, counts.as_mut());
        let counted = Known {
            ceilings: ceilings.into(),
            counts: counts.map(Arc::new),
        };
        if with >= COMMON || worth {
            known().insert(term.clone(), counted.clone());
        }
        Ok(counted)
    }
}

/// The ceilings of a segment of so many documents. What they rest on is kept in `counts`, where there
/// are any.
fn count(
    blocks: BlockSegmentPostings,
    lengths: Option<&[u8]>,
    documents: DocId,
    mut counts: Option<&mut Counts>,
) -> Vec<Ceiling> {
    let mut postings = Postings::new(blocks);
    let mut ceilings = vec![Ceiling::default(); documents.div_ceil(WINDOW) as usize];
    let all: Range<DocId> = 0..documents;
    postings.each_in(&all, |doc, count| {
        if let Some(counts) = &mut counts {
            counts.set(doc, count);
        }
        let length = lengths.and_then(|lengths| lengths.get(doc as usize));
        let length = length.copied().unwrap_or(0);
        if let Some(ceiling) = ceilings.get_mut((doc / WINDOW) as usize) {
            let first = ceiling.count == 0;
            ceiling.length = if first {
                length
            } else {
                ceiling.length.min(length)
            };
            ceiling.count = ceiling.count.max(count);
        }
    });
    ceilings
}

//! The postings of a term in one field of one segment.

use std::ops::Range;
use tantivy::postings::BlockSegmentPostings;
use tantivy::{DocId, TERMINATED};

/// Documents of a full block; only the last block has fewer.
const FULL_BLOCK: usize = 128;

/// The postings of a term in one field, read in ascending order.
pub(super) struct Postings {
    blocks: BlockSegmentPostings,
    // INVARIANT: an index in the current block, or its length if it is the last one.
    position: usize,
}

impl Postings {
    pub(super) fn new(blocks: BlockSegmentPostings) -> Self {
        Self {
            blocks,
            position: 0,
        }
    }

    /// The current document; `TERMINATED` after the last one.
    fn doc(&self) -> DocId {
        let doc = self.blocks.docs().get(self.position);
        doc.copied().unwrap_or(TERMINATED)
    }

    /// The term's frequency in `doc`, which must not be before the current document.
    pub(super) fn tf(&mut self, doc: DocId) -> Option<u32> {
        self.seek(doc);
        let found = self.doc() == doc;
        found.then(|| self.blocks.freqs().get(self.position).copied().unwrap_or(1))
    }

    /// Calls `each` with the documents in `range` and the term's frequency there.
    pub(super) fn for_each_in(&mut self, range: &Range<DocId>, mut each: impl FnMut(DocId, u32)) {
        self.seek(range.start);
        loop {
            let freqs = self.blocks.freqs();
            let docs = self.blocks.docs().iter().enumerate();
            for (position, doc) in docs.skip(self.position) {
                if *doc >= range.end {
                    self.position = position;
                    return;
                }
                // A field without frequencies has none here.
                each(*doc, freqs.get(position).copied().unwrap_or(1));
            }
            if self.blocks.block_len() < FULL_BLOCK {
                self.position = self.blocks.block_len();
                return;
            }
            self.blocks.advance();
            self.position = 0;
        }
    }

    /// Moves to `doc`, or to the first document after it.
    fn seek(&mut self, doc: DocId) {
        if self.doc() < doc {
            self.position = self.blocks.seek(doc);
        }
    }
}

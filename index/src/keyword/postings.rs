//! A word's documents in one field of one segment.

use std::ops::Range;
use tantivy::postings::BlockSegmentPostings;
use tantivy::{DocId, TERMINATED};

/// Documents of a whole block; only the last has fewer.
const BLOCK: usize = 128;

/// A word's documents in one field, which can only be walked onwards.
pub(super) struct Postings {
    blocks: BlockSegmentPostings,
    // INVARIANT: a place in the present block, or its end where that is the last one.
    at: usize,
}

impl Postings {
    pub(super) fn new(blocks: BlockSegmentPostings) -> Self {
        Self { blocks, at: 0 }
    }

    /// The document it stands at; `TERMINATED` behind the last.
    fn doc(&self) -> DocId {
        let doc = self.blocks.docs().get(self.at);
        doc.copied().unwrap_or(TERMINATED)
    }

    /// How often the word stands in `doc`, which is not before the present document.
    pub(super) fn count(&mut self, doc: DocId) -> Option<u32> {
        self.seek(doc);
        let found = self.doc() == doc;
        found.then(|| self.blocks.freqs().get(self.at).copied().unwrap_or(1))
    }

    /// Calls `each` with the documents in `range` and how often the word stands there.
    pub(super) fn each_in(&mut self, range: &Range<DocId>, mut each: impl FnMut(DocId, u32)) {
        self.seek(range.start);
        loop {
            let counts = self.blocks.freqs();
            let docs = self.blocks.docs().iter().enumerate();
            for (place, doc) in docs.skip(self.at) {
                if *doc >= range.end {
                    self.at = place;
                    return;
                }
                // A field without counts has none here.
                each(*doc, counts.get(place).copied().unwrap_or(1));
            }
            if self.blocks.block_len() < BLOCK {
                self.at = self.blocks.block_len();
                return;
            }
            self.blocks.advance();
            self.at = 0;
        }
    }

    /// Moves to `doc` or behind it.
    fn seek(&mut self, doc: DocId) {
        if self.doc() < doc {
            self.at = self.blocks.seek(doc);
        }
    }
}

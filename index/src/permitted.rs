//! The permission filter of the keyword arm: a query that meets no passage outside the bitmap.
//!
//! It stands inside every term, not around the whole question, because tantivy scores a union
//! ahead of whatever surrounds it: here a passage that may not be read is never scored at all.
//! What remains of it is its share in the corpus's word counts.

use roaring::RoaringBitmap;
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use tantivy::index::SegmentId;
use tantivy::query::{
    BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight, intersect_scorers,
};
use tantivy::{BitSet, DocId, Score, SegmentReader};

/// The permitted passages of each segment, found once for a search and shared by its terms.
pub(crate) struct Permitted {
    revisions: RoaringBitmap,
    field: &'static str,
    segments: Mutex<HashMap<SegmentId, BitSet>>,
}

impl Permitted {
    /// Passages whose fast field `field` holds one of `revisions`.
    pub(crate) fn new(revisions: RoaringBitmap, field: &'static str) -> Arc<Self> {
        Arc::new(Self {
            revisions,
            field,
            segments: Mutex::default(),
        })
    }

    fn of(&self, reader: &SegmentReader) -> tantivy::Result<BitSet> {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = segments.get(&reader.segment_id()) {
            return Ok(known.clone());
        }
        let column = reader.fast_fields().u64(self.field)?;
        let mut passages = BitSet::with_max_value(reader.max_doc());
        // Neighbours are mostly of one revision, so the last answer is mostly the next one.
        let mut last = (u64::MAX, false);
        for doc in 0..reader.max_doc() {
            let revision = column.first(doc).unwrap_or(u64::MAX);
            if revision != last.0 {
                let permitted = u32::try_from(revision).is_ok_and(|r| self.revisions.contains(r));
                last = (revision, permitted);
            }
            if last.1 {
                passages.insert(doc);
            }
        }
        segments.insert(reader.segment_id(), passages.clone());
        Ok(passages)
    }
}

/// A query, within what is permitted.
#[derive(Clone)]
pub(crate) struct Within {
    /// What is searched.
    pub query: Arc<dyn Query>,
    /// Where.
    pub permitted: Arc<Permitted>,
}

impl fmt::Debug for Within {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Within({:?})", self.query)
    }
}

impl Query for Within {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(WithinWeight {
            weight: self.query.weight(scoring)?,
            permitted: Arc::clone(&self.permitted),
        }))
    }
}

struct WithinWeight {
    weight: Box<dyn Weight>,
    permitted: Arc<Permitted>,
}

impl Weight for WithinWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let passages = BitSetDocSet::from(self.permitted.of(reader)?);
        let within: Box<dyn Scorer> = Box::new(ConstScorer::new(passages, 0.0));
        let found = self.weight.scorer(reader, boost)?;
        Ok(intersect_scorers(vec![found, within], reader.num_docs()))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        self.weight.explain(reader, doc)
    }
}

//! What a search runs on: one state of one generation, which never changes.

use crate::entry::IndexSettings;
use crate::error::{IndexError, Result};
use crate::keyword::KeywordSearcher;
use crate::vectors::{self, Graph, Segment, VectorHit};
use roaring::RoaringBitmap;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) struct Snapshot {
    pub name: String,
    pub settings: IndexSettings,
    pub sequence: i64,
    pub keywords: KeywordSearcher,
    pub segments: Vec<Arc<Segment>>,
    /// How many passages each revision has.
    pub revisions: BTreeMap<u32, usize>,
    pub graph: Option<Arc<Graph>>,
}

impl Snapshot {
    pub(crate) fn count(segments: &[Arc<Segment>]) -> BTreeMap<u32, usize> {
        let mut revisions = BTreeMap::new();
        for revision in segments.iter().flat_map(|segment| &segment.revisions) {
            *revisions.entry(*revision).or_insert(0) += 1;
        }
        revisions
    }

    pub(crate) fn rows(&self) -> usize {
        self.segments.iter().map(|segment| segment.len()).sum()
    }

    /// The cosine of a passage's vector and a question's.
    pub(crate) fn cosine(&self, passage: i64, question: &[f32]) -> Option<f32> {
        let mut vectors = self.segments.iter().filter_map(|s| s.vector(passage));
        vectors.next().map(|vector| vectors::dot(vector, question))
    }

    /// The nearest permitted passages, and whether all of them were compared.
    pub(crate) fn nearest(
        &self,
        question: &[f32],
        permitted: &RoaringBitmap,
        limit: usize,
    ) -> (Vec<VectorHit>, bool) {
        let known = self
            .revisions
            .iter()
            .filter(|(revision, _)| permitted.contains(**revision));
        let readable: usize = known.map(|(_, rows)| rows).sum();
        if readable > self.settings.exact_limit
            && let Some(graph) = &self.graph
        {
            let mut hits = graph.nearest(question, permitted, limit);
            hits.retain(|hit| self.revisions.contains_key(&hit.revision));
            let later =
                vectors::nearest(&self.segments, question, permitted, graph.sequence(), limit);
            let enough = hits.len() + later.len() >= limit.min(readable);
            if enough {
                hits.extend(later);
                vectors::sort(&mut hits);
                hits.truncate(limit);
                return (hits, false);
            }
        }
        (
            vectors::nearest(&self.segments, question, permitted, i64::MIN, limit),
            true,
        )
    }
}

/// Refuses a vector of another length, or not of length 1. `passage` is for the message.
pub(crate) fn check_vector(vector: &[f32], dimensions: usize, passage: i64) -> Result<()> {
    if vector.len() != dimensions {
        return Err(IndexError::Dimensions {
            expected: dimensions,
            found: vector.len(),
        });
    }
    let length: f32 = vector.iter().map(|x| x * x).sum();
    if (length - 1.0).abs() > 0.01 || length.is_nan() {
        return Err(IndexError::NotNormalised(passage));
    }
    Ok(())
}

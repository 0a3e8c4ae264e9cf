//! What a search runs on: one state of one generation, which never changes.

use crate::entry::{IndexSettings, SearchOutcome, SearchRequest};
use crate::error::{IndexError, Result};
use crate::fusion;
use crate::keyword::KeywordSearcher;
use crate::vectors::{self, Graph, Quantiser, Question, Segment, VectorHit};
use roaring::RoaringBitmap;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(crate) struct Snapshot {
    pub name: String,
    pub settings: IndexSettings,
    pub sequence: i64,
    /// None where the words were damaged.
    pub keywords: Option<KeywordSearcher>,
    pub segments: Vec<Arc<Segment>>,
    pub graph: Option<Arc<Graph>>,
}

impl Snapshot {
    /// Passages that their vectors find.
    pub(crate) fn rows(&self) -> usize {
        self.segments.iter().map(|segment| segment.live()).sum()
    }

    /// How much can be found, to choose between two: passages by their vectors and by their words.
    pub(crate) fn weight(&self) -> u64 {
        let words = self.keywords.as_ref().map_or(0, KeywordSearcher::passages);
        self.rows() as u64 + words
    }

    /// The revisions of which there are passages.
    pub(crate) fn revisions(&self) -> BTreeSet<u32> {
        let segments = self.segments.iter();
        segments.flat_map(|segment| segment.revisions()).collect()
    }

    /// What was found damaged on the disk since it was opened.
    pub(crate) fn torn(&self) -> Option<String> {
        self.segments.iter().find_map(|segment| segment.torn())
    }

    pub(crate) fn search(&self, request: &SearchRequest<'_>) -> Result<SearchOutcome> {
        check_vector(request.vector, self.settings.dimensions, 0)?;
        let depth = self.settings.depth.max(request.limit).max(1);
        let question = Quantiser::new(self.settings.dimensions).question(request.vector);
        let (words, meaning) = rayon::join(
            || match &self.keywords {
                Some(keywords) => keywords.search(request.text, request.permitted, depth),
                None => Ok(Vec::new()),
            },
            || self.nearest(&question, request.permitted, depth),
        );
        let (meaning, exact) = meaning;
        let cosine = |passage| {
            let rows = self.segments.iter();
            let mut rows = rows.filter_map(|segment| Some((segment, segment.row_of(passage)?)));
            rows.next()
                .map(|(segment, row)| segment.exact(row, &question))
        };
        let settled = self.settings.semantic_weight;
        let weight = request.semantic_weight.unwrap_or(settled);
        let mut hits = fusion::fuse(&words?, &meaning, cosine, weight);
        hits.truncate(request.limit);
        Ok(SearchOutcome {
            hits,
            generation: self.name.clone(),
            exact,
            complete: true,
        })
    }

    /// The nearest permitted passages, and whether all of them were compared.
    fn nearest(
        &self,
        question: &Question,
        permitted: &RoaringBitmap,
        limit: usize,
    ) -> (Vec<VectorHit>, bool) {
        if let Some(graph) = &self.graph
            && let Some(hits) = self.along(graph, question, permitted, limit)
        {
            return (hits, false);
        }
        let all = vectors::nearest(&self.segments, question, permitted, i64::MIN, limit);
        (all, true)
    }

    /// The same along the graph; `None` where so little is permitted that a scan is better, or
    /// where the graph did not lead to enough.
    fn along(
        &self,
        graph: &Graph,
        question: &Question,
        permitted: &RoaringBitmap,
        limit: usize,
    ) -> Option<Vec<VectorHit>> {
        let readable = vectors::count(&self.segments, permitted, i64::MIN);
        if readable <= self.settings.exact_limit {
            return None;
        }
        let mut hits = graph.nearest(&self.segments, question, permitted, limit);
        let later = graph.sequence();
        hits.extend(vectors::nearest(
            &self.segments,
            question,
            permitted,
            later,
            limit,
        ));
        vectors::sort(&mut hits);
        hits.truncate(limit);
        (hits.len() >= limit.min(readable)).then_some(hits)
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

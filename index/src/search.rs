//! A search: both arms, the documents that the question points to, and one ranking.

use crate::dense::{DenseHit, DenseQuery};
use crate::error::Result;
use crate::fusion::{ArmResults, Fusion, FusionWeights};
use crate::lexical::{DocumentScores, LexicalResult};
use crate::request::{DenseMethod, SearchOutcome, SearchRequest};
use crate::revisions::ReadableRevisions;
use crate::snapshot::{Snapshot, check_vector};
use roaring::RoaringBitmap;
use std::collections::HashSet;

/// If documents have fewer passages than this on average, each passage describes its subject, and
/// neither document scores nor neighbours improve the ranking.
const MIN_PASSAGES_PER_DOCUMENT: usize = 4;

/// Documents with at least this share of the best document score are also searched by themselves.
const STRONG_DOCUMENT_SHARE: f32 = 0.8;

/// Finds the best permitted passages of a snapshot.
///
/// `use_all_threads` is for a search that runs alone. Concurrent searches each use one thread: the work
/// is the same, and they do not wait for parts of each other.
pub(crate) fn search(
    snapshot: &Snapshot,
    request: &SearchRequest<'_>,
    use_all_threads: bool,
) -> Result<SearchOutcome> {
    check_vector(request.vector, snapshot.settings.dimensions, 0)?;
    let search = Search::new(snapshot, request, use_all_threads);
    let (lexical, dense) = search.run_arms();
    let (lexical, document_scores) = lexical?;
    let (mut dense, method) = dense;
    search.add_strong_documents(&document_scores, &mut dense);
    if let Some(matches) = &lexical.phrase_matches {
        dense.retain(|hit| matches.contains(&hit.passage));
    }
    let results = ArmResults {
        lexical: &lexical.hits,
        dense: &dense,
    };
    let fusion = Fusion {
        results,
        dense_scores: &snapshot.dense_scores(&search.query),
        document_score: |revision| document_scores.get(revision),
        has_one_passage: |revision| snapshot.revisions.passages_of(revision) == 1,
        weights: search.fusion_weights(&lexical),
    };
    Ok(SearchOutcome {
        hits: fusion.rank(request.limit),
        generation: snapshot.name.clone(),
        method,
        complete: true,
    })
}

/// Whether a permitted passage has a word of this text. True if the lexical index is damaged.
pub(crate) fn contains_word(
    snapshot: &Snapshot,
    text: &str,
    permitted: &RoaringBitmap,
) -> Result<bool> {
    let Some(searcher) = &snapshot.lexical else {
        return Ok(true);
    };
    let readable = snapshot.revisions.readable(permitted);
    let found = searcher.search(text, "", &readable, 1, &snapshot.settings)?;
    Ok(!found.hits.is_empty())
}

/// The state that the steps of a search share.
struct Search<'a> {
    snapshot: &'a Snapshot,
    request: &'a SearchRequest<'a>,
    query: DenseQuery,
    readable: ReadableRevisions,
    /// The number of readable passages.
    passages: usize,
    /// Whether documents have several passages on average.
    has_long_documents: bool,
    /// The number of passages that each arm returns.
    depth: usize,
    use_all_threads: bool,
}

impl<'a> Search<'a> {
    fn new(snapshot: &'a Snapshot, request: &'a SearchRequest<'a>, use_all_threads: bool) -> Self {
        let readable = snapshot.revisions.readable(request.permitted);
        let (documents, passages) = snapshot.revisions.count(&readable);
        Self {
            snapshot,
            request,
            query: snapshot.prepare_query(request.vector, use_all_threads),
            readable,
            passages,
            has_long_documents: passages >= MIN_PASSAGES_PER_DOCUMENT * documents,
            depth: snapshot.settings.depth.max(request.limit).max(1),
            use_all_threads,
        }
    }

    /// The results of both arms, the dense ones with how they were found.
    #[expect(
        clippy::type_complexity,
        reason = "a pair of pairs, taken apart at once"
    )]
    fn run_arms(
        &self,
    ) -> (
        Result<(LexicalResult, DocumentScores)>,
        (Vec<DenseHit>, DenseMethod),
    ) {
        let lexical = || self.search_words();
        let dense = || self.nearest(&self.readable, self.passages);
        if self.use_all_threads {
            rayon::join(lexical, dense)
        } else {
            (lexical(), dense())
        }
    }

    /// The lexical result and the document scores. Both are empty if the lexical index is damaged; there
    /// are no document scores if most documents are short.
    fn search_words(&self) -> Result<(LexicalResult, DocumentScores)> {
        let Some(searcher) = &self.snapshot.lexical else {
            return Ok(Default::default());
        };
        let request = self.request;
        let result = searcher.search(
            request.text,
            request.expansion_terms,
            &self.readable,
            self.depth,
            &self.snapshot.settings,
        )?;
        let document_scores = if self.has_long_documents {
            searcher.document_scores(request.text, &self.readable)?
        } else {
            DocumentScores::default()
        };
        Ok((result, document_scores))
    }

    fn nearest(
        &self,
        readable: &ReadableRevisions,
        passages: usize,
    ) -> (Vec<DenseHit>, DenseMethod) {
        let depths = (self.depth, self.request.limit);
        self.snapshot
            .nearest(&self.query, readable, passages, depths)
    }

    /// Adds the nearest passages of the documents that the question points to.
    fn add_strong_documents(&self, scores: &DocumentScores, hits: &mut Vec<DenseHit>) {
        let Some(documents) = self.strong_documents(scores) else {
            return;
        };
        let revisions = &self.snapshot.revisions;
        let readable = revisions.readable(&documents);
        let (_, passages) = revisions.count(&readable);
        let (more, _) = self.nearest(&readable, passages);
        let known: HashSet<i64> = hits.iter().map(|hit| hit.passage).collect();
        hits.extend(more.into_iter().filter(|hit| !known.contains(&hit.passage)));
    }

    /// The documents that the question clearly points to, if they are few.
    fn strong_documents(&self, scores: &DocumentScores) -> Option<RoaringBitmap> {
        let documents = scores.at_least(STRONG_DOCUMENT_SHARE);
        let are_few = documents.len() * 2 <= self.snapshot.revisions.len() as u64;
        (!documents.is_empty() && are_few).then_some(documents)
    }

    /// The weights of the settings, adapted to the question; or those of the request, for measurements.
    fn fusion_weights(&self, lexical: &LexicalResult) -> FusionWeights {
        let settings = &self.snapshot.settings;
        match self.request.dense_weight {
            Some(dense) => FusionWeights {
                dense,
                document: 0.0,
                neighbour: 0.0,
            },
            None => FusionWeights {
                dense: settings.dense_weight * (1.0 - lexical.code_share),
                document: settings.document_weight,
                neighbour: settings.neighbour_weight,
            },
        }
    }
}

//! Runs a search and loads the passages that it hits.

use crate::model::error::AnswerError;
use crate::model::hit::{RetrievedPassage, SearchResults};
use crate::retrieval::glossary::ExpandedQuery;
use crate::retrieval::rows::{HITS_PER_PASSAGE, merge_rows};
use cloister_domain::{PassageId, RevisionId};
use cloister_index::{Hit, Index, IndexError, SearchOutcome, SearchRequest};
use cloister_store::Library;
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Searches the passages of `revisions`, which must be revisions of `library`.
pub(crate) async fn search(
    index: &Arc<Index>,
    library: &Library,
    text: &str,
    query: ExpandedQuery,
    limit: usize,
    revisions: &[RevisionId],
) -> Result<SearchResults, AnswerError> {
    let permitted = permitted(revisions);
    let documents = permitted.len();
    let hits = limit * HITS_PER_PASSAGE;
    let outcome = search_index(index, text, &query, hits, permitted).await?;
    let mut passages = load_passages(library, &outcome.hits).await?;
    passages.truncate(limit);
    Ok(SearchResults {
        passages,
        query_vector: query.question_vector,
        expansions: query.expansions,
        documents,
        complete: outcome.complete,
        index_generation: outcome.generation,
        plan: outcome.method,
    })
}

/// Those of `words` that no passage of `revisions` has in any form.
pub(crate) async fn missing_words(
    index: &Arc<Index>,
    mut words: Vec<String>,
    revisions: &[RevisionId],
) -> Result<Vec<String>, AnswerError> {
    if words.is_empty() {
        return Ok(words);
    }
    let index = Arc::clone(index);
    let permitted = permitted(revisions);
    let search = move || -> Result<Vec<String>, IndexError> {
        let mut missing = Vec::new();
        for word in words.drain(..) {
            if !index.contains_word(&word, &permitted)? {
                missing.push(word);
            }
        }
        Ok(missing)
    };
    Ok(tokio::task::spawn_blocking(search).await??)
}

fn permitted(revisions: &[RevisionId]) -> RoaringBitmap {
    revisions
        .iter()
        .filter_map(|revision| u32::try_from(revision.0).ok())
        .collect()
}

/// Searches on a blocking thread, because a search uses a core for milliseconds.
async fn search_index(
    index: &Arc<Index>,
    text: &str,
    query: &ExpandedQuery,
    limit: usize,
    permitted: RoaringBitmap,
) -> Result<SearchOutcome, AnswerError> {
    let index = Arc::clone(index);
    let (text, expansion_terms, vector) = (
        text.to_owned(),
        query.expansion_text(),
        query.retrieval_vector.clone(),
    );
    let search = move || {
        index.search(&SearchRequest {
            text: &text,
            expansion_terms: &expansion_terms,
            vector: &vector,
            permitted: &permitted,
            limit,
            dense_weight: None,
        })
    };
    Ok(tokio::task::spawn_blocking(search).await??)
}

/// Loads the passages that were hit and their revisions, in the order of the hits. In place of a row
/// comes the passage that contains it. Passages that are no longer in the library are left out.
async fn load_passages(
    library: &Library,
    hits: &[Hit],
) -> Result<Vec<RetrievedPassage>, AnswerError> {
    let ids: Vec<PassageId> = hits.iter().map(|hit| hit.passage).collect();
    let revisions: BTreeSet<RevisionId> = hits.iter().map(|hit| hit.revision).collect();
    let revisions: Vec<RevisionId> = revisions.into_iter().collect();
    let sources = library.revisions_by_id(&revisions).await?;
    let hits: HashMap<PassageId, &Hit> = hits.iter().map(|hit| (hit.passage, hit)).collect();
    let mut found = Vec::new();
    for passage in library.passages(&ids).await? {
        if let Some(hit) = hits.get(&passage.id)
            && let Some(source) = sources.get(&passage.revision)
        {
            found.push(RetrievedPassage {
                source: source.clone(),
                score: hit.score,
                lexical: hit.lexical,
                dense: hit.dense,
                passage,
            });
        }
    }
    let parents: BTreeSet<PassageId> = found.iter().filter_map(|hit| hit.passage.row_of).collect();
    let parents: Vec<PassageId> = parents.into_iter().collect();
    let parents = library.passages(&parents).await?;
    Ok(merge_rows(found, |id| {
        parents.iter().find(|passage| passage.id == id).cloned()
    }))
}

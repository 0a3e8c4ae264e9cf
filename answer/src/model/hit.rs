//! Search queries and the passages that they retrieve.

use cloister_domain::{Passage, PassageId};
use cloister_index::DenseMethod;
use cloister_store::{DocumentFilter, RevisionRecord};
use cloister_text::{Language, query_stems, stem_tokens};
use std::collections::BTreeSet;

/// A search by a person.
#[derive(Clone, Debug)]
pub struct SearchQuery {
    /// The text to search for.
    pub text: String,
    /// The maximum number of passages.
    pub limit: usize,
    /// The documents to search.
    pub filter: DocumentFilter,
}

/// A passage that a search retrieved.
#[derive(Clone, Debug)]
pub struct RetrievedPassage {
    /// The passage.
    pub passage: Passage,
    /// The document revision that it is part of.
    pub source: RevisionRecord,
    /// The fused score, from 0 to 1.
    pub score: f32,
    /// The BM25 score. `None` if lexical retrieval did not find the passage.
    pub lexical: Option<f32>,
    /// The cosine to the query. `None` if dense retrieval did not find the passage.
    pub dense: Option<f32>,
}

impl RetrievedPassage {
    /// Whether all words of `query` are here, in any of their forms: in the text, the title, the
    /// headings or the path.
    pub fn has_all_words(&self, query: &str) -> bool {
        let language = Language::of_query(query);
        let draft = &self.passage.draft;
        let here: BTreeSet<String> = [&draft.text, &self.source.title, &self.source.path]
            .into_iter()
            .chain(&draft.headings)
            .flat_map(|text| stem_tokens(text, language))
            .map(|token| token.text)
            .collect();
        let asked = query_stems(query, &[language]);
        !asked.is_empty() && asked.iter().all(|stem| here.contains(stem))
    }

    /// The stems of the title, the headings and the text, as words of a language.
    pub(crate) fn stems(&self, language: Language) -> BTreeSet<String> {
        let draft = &self.passage.draft;
        std::iter::once(&self.source.title)
            .chain(&draft.headings)
            .chain(std::iter::once(&draft.text))
            .flat_map(|text| language.content_stems(text))
            .collect()
    }
}

/// The best sentence for a question, quoted or not, and its passage.
pub(crate) struct NearestSentence {
    pub passage: PassageId,
    pub text: String,
}

/// The result of a search.
#[derive(Clone, Debug)]
pub struct SearchResults {
    /// The passages, best first.
    pub passages: Vec<RetrievedPassage>,
    /// The vector of the query without its expansions.
    pub query_vector: Vec<f32>,
    /// The glossary meanings and related words that were searched in addition to the query.
    pub expansions: Vec<String>,
    /// How many documents were searched.
    pub documents: u64,
    /// Whether the index was complete. It is not while a damaged index is rebuilt.
    pub complete: bool,
    /// The generation of the index.
    pub index_generation: String,
    /// How the nearest vectors were found.
    pub plan: DenseMethod,
}

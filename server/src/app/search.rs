//! Searches without asking for an answer.

use super::error::{ErrorCode, Result};
use super::views::PassageView;
use super::{App, Caller};
use cloister_answer::{
    Answerer, ReadableHit, RetrievedPassage, SearchQuery, SnippetPart, group_for_reading, snippet,
};
use cloister_audit::EventKind;
use cloister_domain::Principal;
use cloister_store::{DocumentFilter, Library};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

/// The maximum length of a question or query, in bytes.
const MAX_QUERY_BYTES: usize = 2000;

/// The maximum number of passages of a search.
const MAX_PASSAGES: usize = 50;

/// The facets count the documents of this many best passages.
const FACET_PASSAGES: usize = 200;

/// The result of a search.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchView {
    /// How many documents were searched.
    pub documents: u64,
    /// Whether the index was complete. It is not while a damaged index is rebuilt.
    pub complete: bool,
    /// How the nearest vectors were found: `exact`, `clusters` or `graph`.
    pub plan: String,
    /// The glossary meanings and related words that were searched in addition to the query.
    pub expansions: Vec<String>,
    /// The passages, best first.
    pub hits: Vec<HitView>,
    /// The documents of the best passages, counted.
    pub facets: Facets,
}

/// A hit as a person reads it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HitView {
    /// The passage, joined with adjacent hits of the same document.
    pub passage: PassageView,
    /// The part that shows why it was found.
    pub snippet: Vec<SnippetPartView>,
    /// The day of the document: its effective date, else the date in its text, else the day on
    /// which it was ingested.
    pub day: String,
    /// Whether it has all words that were searched for. If not, it is near in meaning.
    pub exact: bool,
    /// Whether a newer revision has replaced it.
    pub superseded: bool,
    /// Other places with the same text.
    pub duplicates: Vec<DuplicateView>,
}

/// A part of a snippet.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnippetPartView {
    /// Its text.
    pub text: String,
    /// Whether it is a word of the query.
    pub highlighted: bool,
}

impl From<SnippetPart> for SnippetPartView {
    fn from(SnippetPart { text, highlighted }: SnippetPart) -> Self {
        Self { text, highlighted }
    }
}

/// Another place with the same text.
#[derive(Debug, Serialize, ToSchema)]
pub struct DuplicateView {
    /// The id of the revision.
    pub revision: i64,
    /// The title of the document.
    pub title: String,
    /// The name of the collection.
    pub collection: String,
    /// The page.
    pub page: u32,
}

/// Numbers of documents by their properties.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Facets {
    /// By collection.
    pub collections: BTreeMap<String, u32>,
    /// By format.
    pub formats: BTreeMap<String, u32>,
    /// By language.
    pub languages: BTreeMap<String, u32>,
    /// By tag.
    pub tags: BTreeMap<String, u32>,
}

impl Facets {
    /// Counts each document once.
    fn count(passages: &[RetrievedPassage]) -> Self {
        let mut facets = Self::default();
        let mut seen = BTreeSet::new();
        for hit in passages {
            let source = &hit.source;
            if !seen.insert(source.id) {
                continue;
            }
            increment(&mut facets.collections, &source.collection_name);
            increment(&mut facets.formats, &source.format);
            if let Some(language) = &source.language {
                increment(&mut facets.languages, language);
            }
            for tag in &source.metadata.tags {
                increment(&mut facets.tags, tag);
            }
        }
        facets
    }
}

impl Facets {
    /// Counts also the documents that another value of a property would find, for each property that
    /// `query` filters by.
    async fn count_other_values(
        &mut self,
        answerer: &Answerer,
        library: &Library,
        query: &SearchQuery,
    ) -> Result<()> {
        for property in PROPERTIES {
            let mut wider = query.clone();
            let values = (property.values)(&mut wider.filter);
            if values.is_empty() {
                continue;
            }
            values.clear();
            let found = answerer.search(library, &wider).await?;
            let mut counted = Self::count(&found.passages);
            *(property.counts)(self) = std::mem::take((property.counts)(&mut counted));
        }
        Ok(())
    }
}

/// A property of documents that a search filters by and counts.
struct Property {
    values: fn(&mut DocumentFilter) -> &mut Vec<String>,
    counts: fn(&mut Facets) -> &mut BTreeMap<String, u32>,
}

const PROPERTIES: [Property; 4] = [
    Property {
        values: |filter| &mut filter.collections,
        counts: |facets| &mut facets.collections,
    },
    Property {
        values: |filter| &mut filter.formats,
        counts: |facets| &mut facets.formats,
    },
    Property {
        values: |filter| &mut filter.languages,
        counts: |facets| &mut facets.languages,
    },
    Property {
        values: |filter| &mut filter.tags,
        counts: |facets| &mut facets.tags,
    },
];

fn increment(counts: &mut BTreeMap<String, u32>, value: &str) {
    *counts.entry(value.to_owned()).or_default() += 1;
}

impl HitView {
    fn new(query: &str, hit: ReadableHit) -> Self {
        let draft = &hit.best.passage.draft;
        let source = &hit.best.source;
        let duplicates = hit
            .duplicates
            .iter()
            .map(|(source, page)| DuplicateView {
                revision: source.id.0,
                title: source.title.clone(),
                collection: source.collection_name.clone(),
                page: *page,
            })
            .collect();
        Self {
            snippet: snippet(query, &draft.text, &draft.sentences)
                .into_iter()
                .map(SnippetPartView::from)
                .collect(),
            day: source.day().to_string(),
            exact: hit.best.has_all_words(query),
            superseded: source.superseded_at.is_some(),
            duplicates,
            passage: PassageView {
                text: hit.text,
                ..PassageView::from(&hit.best)
            },
        }
    }
}

impl App {
    /// Searches the documents of a person. The search is logged before its result is shown.
    pub async fn search(
        &self,
        caller: &Caller,
        person: &Principal,
        query: SearchQuery,
    ) -> Result<SearchView> {
        let query = SearchQuery {
            text: validate_query(&query.text)?,
            limit: query.limit.clamp(1, MAX_PASSAGES),
            ..query
        };
        self.metrics.count_search();
        let _turn = self.expensive.searching.take(person.user).await?;
        let library = self.library(person).await?;
        let answerer = self.answerer();
        let facet_query = SearchQuery {
            limit: FACET_PASSAGES,
            ..query.clone()
        };
        let mut results = answerer.search(&library, &facet_query).await?;
        answerer.redact_results(&mut results, &person.roles);
        let mut facets = Facets::count(&results.passages);
        facets
            .count_other_values(&answerer, &library, &facet_query)
            .await?;
        let mut hits: Vec<HitView> = group_for_reading(results.passages, query.limit)
            .into_iter()
            .map(|hit| HitView::new(&query.text, hit))
            .collect();
        hits.sort_by_key(|hit| !hit.exact);
        let view = SearchView {
            documents: results.documents,
            complete: results.complete,
            plan: results.plan.name().to_owned(),
            expansions: results.expansions,
            hits,
            facets,
        };
        let detail = self.search_detail(&query, &view);
        self.audit
            .append(caller.event(EventKind::Searched, detail))
            .await?;
        Ok(view)
    }

    fn search_detail(&self, query: &SearchQuery, view: &SearchView) -> Value {
        let passages: Vec<i64> = view.hits.iter().map(|hit| hit.passage.passage).collect();
        let text = self.answerer().redact_typed(&query.text);
        json!({
            "text": text, "filter": query.filter, "passages": passages, "plan": view.plan,
        })
    }
}

/// A question or query without white space around it. Fails if it is empty or too long.
pub(super) fn validate_query(text: &str) -> Result<String> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ErrorCode::Invalid.with_detail("Type a question first"));
    }
    if text.len() > MAX_QUERY_BYTES {
        return Err(ErrorCode::Invalid.with_detail(
            "The question is too long. Ask in a few sentences, at most 2,000 characters",
        ));
    }
    Ok(text.to_owned())
}

//! Searching without asking for an answer.

use super::problem::{Problem, ProblemCode};
use super::session::SignedIn;
use crate::app::{App, AppState};
use axum::Json;
use axum::extract::State;
use cloister_answer::arrange::{Readable, for_reading};
use cloister_answer::snippet::{Piece, snippet};
use cloister_answer::{FoundPassage, SearchTask};
use cloister_audit::EventKind;
use cloister_domain::{Day, Role};
use cloister_store::{DocumentFilter, Library};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

const LONGEST: usize = 2000;

/// Passages that a search shows, at most.
pub const MOST: usize = 50;

/// The best passages whose documents are counted in the facets.
const COUNTED: usize = 200;

/// What is searched for.
#[derive(Deserialize, ToSchema)]
pub struct Search {
    text: String,
    /// At most this many passages, up to 50; 10 where absent.
    limit: Option<usize>,
    /// Which documents are searched; all of them where it is absent.
    #[serde(default)]
    filter: FilterView,
}

/// Which documents are searched. An empty list narrows nothing; of a list's values one must hold.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilterView {
    /// Names of collections.
    collections: Vec<String>,
    /// Formats, such as `pdf`.
    formats: Vec<String>,
    /// ISO 639-3 codes of languages, such as `deu`.
    languages: Vec<String>,
    /// Tags, in the site's words.
    tags: Vec<String>,
    /// The earliest day: `2026-01-01`.
    from: Option<String>,
    /// The latest day.
    until: Option<String>,
    /// The day whose documents are asked for: superseded ones may be found.
    as_of: Option<String>,
}

impl FilterView {
    /// The filter, where its days are days.
    pub fn checked(self) -> Result<DocumentFilter, Problem> {
        let day = |text: Option<String>| {
            let said = text.filter(|text| !text.is_empty());
            said.map(Day::try_from)
                .transpose()
                .map_err(|cause| ProblemCode::Invalid.because(cause))
        };
        Ok(DocumentFilter {
            collections: self.collections,
            formats: self.formats,
            languages: self.languages,
            tags: self.tags,
            from: day(self.from)?,
            until: day(self.until)?,
            as_of: day(self.as_of)?,
        })
    }
}

/// What a search found.
#[derive(Debug, Serialize, ToSchema)]
pub struct SearchView {
    /// How many documents were searched.
    pub documents: u64,
    /// Whether all of them were: not while a damaged index is filled again.
    pub complete: bool,
    /// What terms of the text stand for, which was searched for beside it.
    pub meanings: Vec<String>,
    /// The passages, best first.
    pub hits: Vec<HitView>,
    /// The documents of the best passages, counted.
    pub facets: Facets,
}

/// A passage that was found, to be read.
#[derive(Debug, Serialize, ToSchema)]
pub struct HitView {
    /// The passage; joined with its neighbours where these were found too.
    pub passage: PassageView,
    /// The part that shows why it was found.
    pub snippet: Vec<SnippetPiece>,
    /// The document's day: since when it is in force, or the day it names itself, or when it was
    /// taken in.
    pub day: String,
    /// Whether a newer revision answers instead.
    pub superseded: bool,
    /// Where else the same stands.
    pub also: Vec<AlsoView>,
}

/// A piece of a snippet.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnippetPiece {
    /// Its text.
    pub text: String,
    /// Whether it is a word of the question.
    pub marked: bool,
}

/// Another place that says the same.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlsoView {
    /// The revision.
    pub revision: i64,
    /// The document's title.
    pub title: String,
    /// The name of its collection.
    pub collection: String,
    /// The page.
    pub page: u32,
}

/// How many documents there are of each kind.
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
    fn of(passages: &[FoundPassage]) -> Self {
        let mut facets = Self::default();
        let mut seen = BTreeSet::new();
        for found in passages {
            let source = &found.source;
            if !seen.insert(source.id) {
                continue;
            }
            let count = |of: &mut BTreeMap<String, u32>, value: &str| {
                *of.entry(value.to_owned()).or_default() += 1;
            };
            count(&mut facets.collections, &source.collection_name);
            count(&mut facets.formats, &source.format);
            if let Some(language) = &source.language {
                count(&mut facets.languages, language);
            }
            for tag in &source.labels.tags {
                count(&mut facets.tags, tag);
            }
        }
        facets
    }
}

/// A passage that was found.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PassageView {
    /// The passage's id.
    pub passage: i64,
    /// The revision it stands in.
    pub revision: i64,
    /// The document's title.
    pub title: String,
    /// The name of its collection.
    pub collection: String,
    /// The path inside the collection.
    pub path: String,
    /// The page it begins on.
    pub page: u32,
    /// The headings above it.
    pub headings: Vec<String>,
    /// Its text.
    pub text: String,
    /// How well it fits, from 0 to 1.
    pub score: f32,
}

impl From<&FoundPassage> for PassageView {
    fn from(found: &FoundPassage) -> Self {
        let draft = &found.passage.draft;
        Self {
            passage: found.passage.id.0,
            revision: found.passage.revision.0,
            title: found.source.title.clone(),
            collection: found.source.collection_name.clone(),
            path: found.source.path.clone(),
            page: draft.spans.first().map_or(1, |span| span.page),
            headings: draft.headings.clone(),
            text: draft.text.clone(),
            score: found.score,
        }
    }
}

impl HitView {
    fn of(question: &str, found: Readable) -> Self {
        let draft = &found.best.passage.draft;
        let pieces = snippet(question, &draft.text, &draft.sentences);
        let source = &found.best.source;
        let also = found.also.iter().map(|(source, page)| AlsoView {
            revision: source.id.0,
            title: source.title.clone(),
            collection: source.collection_name.clone(),
            page: *page,
        });
        Self {
            snippet: pieces
                .into_iter()
                .map(|Piece { text, marked }| SnippetPiece { text, marked })
                .collect(),
            day: source.day().to_string(),
            superseded: source.superseded_at.is_some(),
            also: also.collect(),
            passage: PassageView {
                text: found.text,
                ..PassageView::from(&found.best)
            },
        }
    }
}

/// What somebody of these roles finds who may read `library`, to be logged before it is shown.
pub async fn found(
    app: &App,
    library: &Library,
    wanted: &SearchTask,
    roles: &[Role],
) -> Result<SearchView, Problem> {
    let counted = SearchTask {
        limit: COUNTED,
        ..wanted.clone()
    };
    let mut found = app.answerer().search(library, &counted).await?;
    app.answerer().mask_found(&mut found, roles);
    let facets = Facets::of(&found.passages);
    let readable = for_reading(found.passages, wanted.limit).into_iter();
    Ok(SearchView {
        documents: found.documents,
        complete: found.complete,
        meanings: found.meanings,
        hits: readable.map(|hit| HitView::of(&wanted.text, hit)).collect(),
        facets,
    })
}

/// What the log keeps of a search.
pub fn logged(app: &App, wanted: &SearchTask, found: &SearchView) -> Value {
    let passages: Vec<i64> = found.hits.iter().map(|hit| hit.passage.passage).collect();
    let text = app.answerer().mask_typed(&wanted.text);
    json!({ "text": text, "filter": wanted.filter, "passages": passages })
}

/// Finds passages by meaning and by words.
#[utoipa::path(post, path = "/api/v1/search", tag = "questions", request_body = Search,
    responses((status = 200, body = SearchView), (status = 422, body = Problem)))]
pub async fn search(
    State(app): State<AppState>,
    person: SignedIn,
    Json(asked): Json<Search>,
) -> Result<Json<SearchView>, Problem> {
    let wanted = SearchTask {
        text: checked(&asked.text)?,
        limit: asked.limit.unwrap_or(10).clamp(1, MOST),
        filter: asked.filter.checked()?,
    };
    let library = app.library(&person.principal).await?;
    let found = found(&app, &library, &wanted, &person.principal.roles).await?;
    let event = person.event(EventKind::Searched, logged(&app, &wanted, &found));
    app.audit.append(event).await?;
    Ok(Json(found))
}

/// A question or search text that can be worked on.
pub fn checked(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    if text.is_empty() {
        return Err(ProblemCode::Invalid.because("Type a question first"));
    }
    if text.len() > LONGEST {
        return Err(ProblemCode::Invalid.because(
            "The question is too long. Ask in a few sentences, at most 2,000 characters",
        ));
    }
    Ok(text.to_owned())
}

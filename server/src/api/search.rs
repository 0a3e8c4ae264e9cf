//! Searching without asking for an answer.

use super::problem::{Problem, ProblemCode};
use super::session::SignedIn;
use crate::app::AppState;
use axum::Json;
use axum::extract::State;
use cloister_answer::{FoundPassage, SearchTask};
use cloister_audit::EventKind;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

const LONGEST: usize = 2000;

/// What is searched for.
#[derive(Deserialize, ToSchema)]
pub struct Search {
    text: String,
    /// At most this many passages, up to 50; 10 where absent.
    limit: Option<usize>,
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

/// Finds passages by meaning and by words.
#[utoipa::path(post, path = "/api/v1/search", tag = "questions", request_body = Search,
    responses((status = 200, body = Vec<PassageView>)))]
pub async fn search(
    State(app): State<AppState>,
    person: SignedIn,
    Json(asked): Json<Search>,
) -> Result<Json<Vec<PassageView>>, Problem> {
    let text = checked(&asked.text)?;
    let library = app.library(&person.principal).await?;
    let limit = asked.limit.unwrap_or(10).clamp(1, 50);
    let task = SearchTask {
        text: text.clone(),
        limit,
    };
    let found = app
        .answerer
        .search(&library, &task)
        .await
        .map_err(Problem::from)?;
    let ids: Vec<i64> = found.passages.iter().map(|f| f.passage.id.0).collect();
    let detail = json!({ "text": text, "passages": ids });
    app.audit
        .append(person.event(EventKind::Searched, detail))
        .await?;
    Ok(Json(found.passages.iter().map(PassageView::from).collect()))
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

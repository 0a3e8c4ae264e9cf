//! Searching without asking for an answer.

use crate::app::AppState;
use crate::app::search::SearchView;
use crate::app::views::FilterView;
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::SignedIn;
use axum::extract::State;
use cloister_answer::SearchQuery;
use serde::Deserialize;
use utoipa::ToSchema;

/// The number of passages if the client asks for none.
const DEFAULT_LIMIT: usize = 10;

/// A search.
#[derive(Deserialize, ToSchema)]
pub struct SearchRequest {
    text: String,
    /// The maximum number of passages, up to 50. 10 if absent.
    limit: Option<usize>,
    /// The documents to search. Without it, all of them.
    #[serde(default)]
    filter: FilterView,
}

/// Searches by words and by meaning.
#[utoipa::path(post, path = "/search", tag = "questions", request_body = SearchRequest,
    responses((status = 200, body = SearchView), (status = 422, body = Problem)))]
pub async fn search(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Json(request): Json<SearchRequest>,
) -> HttpResult<Json<SearchView>> {
    let SignedIn { caller, person, .. } = signed_in;
    let query = SearchQuery {
        text: request.text,
        limit: request.limit.unwrap_or(DEFAULT_LIMIT),
        filter: request.filter.parse()?,
    };
    Ok(Json(app.search(&caller, &person, query).await?))
}

//! A person's own conversations.

use crate::app::AppState;
use crate::app::conversations::{ConversationsView, TurnsView};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::SignedIn;
use axum::extract::{Path, State};
use axum::http::StatusCode;

/// Lists one's own conversations.
#[utoipa::path(get, path = "/conversations", tag = "questions",
    responses((status = 200, body = ConversationsView)))]
pub async fn list(
    State(app): State<AppState>,
    signed_in: SignedIn,
) -> HttpResult<Json<ConversationsView>> {
    Ok(Json(app.conversations(&signed_in.person).await?))
}

/// Opens a conversation of one's own, with the quotes that one may read today.
#[utoipa::path(get, path = "/conversations/{id}", tag = "questions",
    params(("id" = String, Path)),
    responses((status = 200, body = TurnsView), (status = 404, body = Problem)))]
pub async fn open(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<Json<TurnsView>> {
    let SignedIn { caller, person, .. } = signed_in;
    Ok(Json(app.open_conversation(&caller, &person, &id).await?))
}

/// Deletes a conversation of one's own. The audit log keeps its entries.
#[utoipa::path(delete, path = "/conversations/{id}", tag = "questions",
    params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn delete(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<StatusCode> {
    let SignedIn { caller, person, .. } = signed_in;
    app.delete_conversation(&caller, &person, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

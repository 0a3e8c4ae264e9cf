//! Asking a question. The answer is a stream of server-sent events.

use crate::app::views::{AnswerEventView, FilterView};
use crate::app::{AppState, AskCommand, FollowUp};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::SignedIn;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde::Deserialize;
use utoipa::ToSchema;

/// A question.
#[derive(Deserialize, ToSchema)]
pub struct AskRequest {
    question: String,
    /// The documents to search. Without it, all of them.
    #[serde(default)]
    filter: FilterView,
    /// The conversation that the question continues, as a receipt named it.
    #[serde(default)]
    conversation: Option<String>,
    /// Whether a follow-up question is answered as typed, without rewriting.
    #[serde(default)]
    as_typed: bool,
}

/// Answers a question. The audit record is on the disk before the first event leaves.
#[utoipa::path(post, path = "/answers", tag = "questions", request_body = AskRequest,
    responses((status = 200, body = AnswerEventView, content_type = "text/event-stream"),
              (status = 422, body = Problem)))]
pub async fn ask(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Json(request): Json<AskRequest>,
) -> HttpResult<Response> {
    let command = AskCommand {
        question: request.question,
        filter: request.filter.parse()?,
        earlier_questions: Vec::new(),
        follow_up: request.conversation.map(|conversation| FollowUp {
            conversation,
            as_typed: request.as_typed,
        }),
    };
    let events = app
        .ask(&signed_in.caller, &signed_in.person, command)
        .await?;
    let events = events.map(|event| Event::default().json_data(AnswerEventView::from(event)));
    Ok(Sse::new(events)
        .keep_alive(KeepAlive::default())
        .into_response())
}

/// Whether an answer helped.
#[derive(Deserialize, ToSchema)]
pub struct Feedback {
    helpful: bool,
    /// The reason, in the person's words.
    #[serde(default)]
    reason: String,
}

/// Rates an answer of one's own. The rating is stored in the audit log.
#[utoipa::path(post, path = "/answers/{receipt}/feedback", tag = "questions",
    params(("receipt" = String, Path)), request_body = Feedback,
    responses((status = 204), (status = 404, body = Problem), (status = 422, body = Problem)))]
pub async fn rate(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Path(receipt): Path<String>,
    Json(feedback): Json<Feedback>,
) -> HttpResult<StatusCode> {
    let SignedIn { caller, person, .. } = signed_in;
    let Feedback { helpful, reason } = feedback;
    app.rate_answer(&caller, &person, &receipt, helpful, &reason)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

//! The API of `OpenAI`, for programs that know no other: chat, embeddings and the list of models.
//!
//! A question goes through the same use case as in the browser, with the rights of the person whose
//! API token the program uses. The answer is quotes and verified sentences as Markdown.

mod chat;
mod embeddings;
mod errors;
mod markdown;
mod models;

use crate::app::AppState;
use axum::middleware::from_fn;
use axum::{Extension, Router};
use cloister_domain::TokenScope;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// The name of the model that answers from the documents.
const MODEL: &str = "cloister";

#[derive(OpenApi)]
struct OpenAiApi;

/// The routes, below `/v1`. They need a token with the scope to ask.
pub(super) fn api() -> OpenApiRouter<AppState> {
    let routes = OpenApiRouter::new()
        .routes(routes!(models::list))
        .routes(routes!(chat::complete))
        .routes(routes!(embeddings::create))
        .layer(Extension(TokenScope::Ask));
    OpenApiRouter::with_openapi(OpenAiApi::openapi()).nest("/v1", routes)
}

/// Errors in the format that the clients expect.
pub(super) fn with_errors(routes: Router<AppState>) -> Router<AppState> {
    routes.layer(from_fn(errors::convert))
}

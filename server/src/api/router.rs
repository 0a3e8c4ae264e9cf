//! Every path, grouped by whom it serves.

use super::{Problem, ProblemCode};
use super::{
    access, answers, audit, conversations, documents, files, guard, people, search, sign_in, status,
};
use crate::app::AppState;
use crate::web;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::{delete, get, post, put};

/// The largest request: a question, or a few checkpoints.
const LARGEST_BODY: usize = 256 * 1024;

/// The whole interface.
pub fn router(app: AppState) -> Router {
    let api = Router::new()
        .merge(everyone())
        .merge(staff())
        .merge(administrators())
        .merge(compliance_officers())
        .fallback(|| async { Problem::from(ProblemCode::NotFound) });
    Router::new()
        .nest("/api/v1", api)
        .fallback(web::serve)
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .layer(from_fn(guard::same_site_only))
        .layer(from_fn(guard::careful_headers))
        .with_state(app)
}

fn everyone() -> Router<AppState> {
    Router::new()
        .route("/setup", post(sign_in::set_up))
        .route(
            "/session",
            post(sign_in::sign_in)
                .get(sign_in::me)
                .delete(sign_in::sign_out),
        )
        .route("/about", get(status::about))
}

fn staff() -> Router<AppState> {
    Router::new()
        .route("/answers", post(answers::ask))
        .route("/answers/{receipt}/feedback", post(answers::rate))
        .route("/conversations", get(conversations::list))
        .route(
            "/conversations/{id}",
            get(conversations::open).delete(conversations::forget),
        )
        .route("/search", post(search::search))
        .route("/documents", get(documents::list))
        .route("/revisions/{id}/pages/{number}", get(documents::page))
        .route(
            "/revisions/{id}/pages/{number}/image",
            get(documents::image),
        )
}

fn administrators() -> Router<AppState> {
    Router::new()
        .route("/status", get(status::status))
        .route("/people", get(people::list).post(people::add))
        .route("/people/{id}", put(people::change))
        .route("/people/{id}/password", put(people::set_password))
        .route("/groups", get(access::list_groups).post(access::add_group))
        .route("/groups/{id}", delete(access::remove_group))
        .route(
            "/groups/{id}/members/{user}",
            put(access::join_group).delete(access::leave_group),
        )
        .route(
            "/collections",
            get(access::list_collections).post(access::add_collection),
        )
        .route("/collections/{id}", put(access::change_collection))
        .route(
            "/collections/{id}/readers/{group}",
            put(access::grant).delete(access::revoke),
        )
        .route("/files", get(files::list))
        .route("/files/{id}/retry", post(files::retry))
        .route("/files/{id}/cancel", post(files::cancel))
        .route("/ingestion", put(files::pause))
}

fn compliance_officers() -> Router<AppState> {
    Router::new()
        .route("/audit", get(audit::list))
        .route("/audit/replays/{receipt}", post(audit::replay_answer))
        .route("/audit/verification", post(audit::verify_log))
        .route("/audit/checkpoint", get(audit::checkpoint))
}

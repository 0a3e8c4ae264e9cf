//! All routes, grouped by the people whom they serve. Each route is listed once: its path and
//! method are in the `utoipa::path` attribute of its function.

use super::routes::{
    access, account, account_requests, activation, answers, audit, conversations, documents, files,
    people, search, second_factor, sign_in, status,
};
use super::{bodies, openai, problem::Problem, security_headers, static_files};
use crate::app::{AppState, ErrorCode};
use axum::middleware::from_fn;
use axum::{Extension, Router};
use cloister_domain::TokenScope;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

#[derive(OpenApi)]
#[openapi(info(
    title = "Cloister",
    description = "Answers from your own documents, inside your own walls."
))]
struct ApiInfo;

/// The routes of the API and their description. An extension says which scope an API token needs;
/// groups without one refuse tokens.
fn api() -> OpenApiRouter<AppState> {
    let api = OpenApiRouter::new()
        .merge(everybody())
        .merge(own_account())
        .merge(asking().layer(Extension(TokenScope::Ask)))
        .merge(reading().layer(Extension(TokenScope::Documents)))
        .merge(history())
        .merge(accounts_and_access())
        .merge(ingestion().layer(Extension(TokenScope::Files)))
        .merge(compliance_officers().layer(Extension(TokenScope::Audit)));
    OpenApiRouter::with_openapi(ApiInfo::openapi()).nest("/api/v1", api)
}

fn everybody() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(sign_in::set_up))
        .routes(routes!(
            sign_in::sign_in,
            sign_in::current_person,
            sign_in::sign_out
        ))
        .routes(routes!(activation::activate))
}

fn own_account() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(account::show))
        .routes(routes!(account::change_password))
        .routes(routes!(account::confirm_session))
        .routes(routes!(account::end_other_sessions))
        .routes(routes!(account::end_session))
        .routes(routes!(account::create_token))
        .routes(routes!(account::revoke_token))
        .routes(routes!(second_factor::begin, second_factor::confirm))
        .routes(routes!(second_factor::remove))
        .routes(routes!(second_factor::begin_key))
        .routes(routes!(second_factor::add_key))
        .routes(routes!(second_factor::remove_key))
        .routes(routes!(second_factor::make_recovery_codes))
}

fn asking() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(status::about))
        .routes(routes!(status::examples))
        .routes(routes!(answers::ask))
        .routes(routes!(answers::rate))
        .routes(routes!(search::search))
}

fn reading() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(documents::list))
        .routes(routes!(documents::page))
        .routes(routes!(documents::image))
}

fn history() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(conversations::list))
        .routes(routes!(conversations::open, conversations::delete))
}

fn accounts_and_access() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(people::list, people::add))
        .routes(routes!(people::change))
        .routes(routes!(people::reset_second_factor))
        .routes(routes!(activation::make_link, activation::revoke_link))
        .routes(routes!(account_requests::list))
        .routes(routes!(
            account_requests::approve,
            account_requests::withdraw
        ))
        .routes(routes!(access::list_groups, access::add_group))
        .routes(routes!(access::remove_group))
        .routes(routes!(access::join_group, access::leave_group))
        .routes(routes!(access::list_collections, access::add_collection))
        .routes(routes!(access::change_collection))
        .routes(routes!(access::grant, access::revoke))
}

fn ingestion() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(status::status))
        .routes(routes!(files::list))
        .routes(routes!(files::retry))
        .routes(routes!(files::cancel))
        .routes(routes!(files::upload))
        .routes(routes!(files::delete))
        .routes(routes!(files::put_back))
        .routes(routes!(files::pause))
}

fn compliance_officers() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(audit::list))
        .routes(routes!(audit::overview))
        .routes(routes!(audit::replay))
        .routes(routes!(audit::verify))
        .routes(routes!(audit::checkpoint))
        .routes(routes!(audit::export))
}

/// The OpenAPI description of the API.
pub fn openapi_document() -> utoipa::openapi::OpenApi {
    api().merge(openai::api()).into_openapi()
}

/// The interface: the API and the web application.
pub fn router(app: AppState) -> Router {
    let (api, _) = api().split_for_parts();
    let (openai, _) = openai::api().split_for_parts();
    Router::new()
        .merge(api)
        .merge(openai::with_errors(openai))
        .route("/api/{*path}", axum::routing::any(unknown_route))
        .fallback(static_files::serve)
        .layer(from_fn(bodies::collect))
        .layer(from_fn(security_headers::refuse_cross_site))
        .layer(from_fn(security_headers::add))
        .with_state(app)
}

async fn unknown_route() -> Problem {
    ErrorCode::NotFound.into()
}

//! The status of the appliance.

use crate::app::AppState;
use crate::app::examples::ExamplesView;
use crate::app::status::{AboutView, StatusView};
use crate::http::json::Json;
use crate::http::problem::HttpResult;
use crate::http::session::{Administrator, SignedIn};
use axum::extract::State;

/// What this person can ask the appliance.
#[utoipa::path(get, path = "/about", tag = "questions",
    responses((status = 200, body = AboutView)))]
pub async fn about(
    State(app): State<AppState>,
    signed_in: SignedIn,
) -> HttpResult<Json<AboutView>> {
    Ok(Json(app.about(&signed_in.person).await?))
}

/// Questions that the documents of this person answer, as examples.
#[utoipa::path(get, path = "/examples", tag = "questions",
    responses((status = 200, body = ExamplesView)))]
pub async fn examples(
    State(app): State<AppState>,
    signed_in: SignedIn,
) -> HttpResult<Json<ExamplesView>> {
    Ok(Json(app.examples(&signed_in.person).await?))
}

/// The status of the appliance, for administrators.
#[utoipa::path(get, path = "/status", tag = "administration",
    responses((status = 200, body = StatusView)))]
pub async fn status(State(app): State<AppState>, _: Administrator) -> HttpResult<Json<StatusView>> {
    Ok(Json(app.status().await?))
}

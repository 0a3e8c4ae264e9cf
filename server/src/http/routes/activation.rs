//! Activation links: administrators make them, and people set their passwords with them.

use crate::app::account_requests::AccountRequestView;
use crate::app::activation::NewLink;
use crate::app::{AccountManager, AppState, Changed};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::{Client, RecentAdministrator};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cloister_domain::UserId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A link and the new password.
#[derive(Deserialize, ToSchema)]
pub struct ActivationRequest {
    /// The secret in the link.
    link: String,
    password: String,
}

/// A person who set their password.
#[derive(Serialize, ToSchema)]
pub struct ActivatedPerson {
    /// The name to sign in with.
    name: String,
}

/// Sets the password of the person for whom the link was made.
#[utoipa::path(post, path = "/activation", tag = "session", request_body = ActivationRequest,
    responses((status = 200, body = ActivatedPerson), (status = 410, body = Problem),
              (status = 422, body = Problem), (status = 429, body = Problem)))]
pub async fn activate(
    State(app): State<AppState>,
    Client(client): Client,
    Json(request): Json<ActivationRequest>,
) -> HttpResult<Json<ActivatedPerson>> {
    let ActivationRequest { link, password } = request;
    let name = app.activate(&client, &link, password).await?;
    Ok(Json(ActivatedPerson { name }))
}

/// Makes an activation link for a person. An earlier one no longer works. For an administrator or
/// compliance officer, this is requested.
#[utoipa::path(post, path = "/people/{id}/activation-link", tag = "administration",
    responses((status = 201, body = NewLink), (status = 202, body = AccountRequestView),
              (status = 409, body = Problem)))]
pub async fn make_link(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path(id): Path<i64>,
) -> HttpResult<Response> {
    let manager = AccountManager::Administrator(&by.person);
    let made = app
        .make_activation_link(&by.caller, manager, UserId(id))
        .await?;
    Ok(match made {
        Changed::Done(link) => (StatusCode::CREATED, Json(link)).into_response(),
        Changed::Requested(request) => (StatusCode::ACCEPTED, Json(request)).into_response(),
    })
}

/// Revokes the activation link of a person.
#[utoipa::path(delete, path = "/people/{id}/activation-link", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn revoke_link(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path(id): Path<i64>,
) -> HttpResult<StatusCode> {
    app.revoke_activation_link(&by.caller, UserId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

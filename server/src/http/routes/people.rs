//! People, for administrators.

use crate::app::account_requests::AccountRequestView;
use crate::app::people::PersonView;
use crate::app::{AccountManager, AppState, Changed, ErrorCode, NewPerson};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::{Administrator, RecentAdministrator};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cloister_domain::{Role, UserId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A person to add. They set their password with an activation link.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewPerson)]
pub struct NewPersonRequest {
    name: String,
    roles: Vec<String>,
}

/// The roles of a person, and whether they may sign in.
#[derive(Deserialize, ToSchema)]
pub struct PersonChange {
    roles: Vec<String>,
    disabled: bool,
}

/// A person after a change.
#[derive(Serialize, ToSchema)]
pub struct ChangedPersonView {
    /// The person.
    person: PersonView,
    /// The change of roles that waits for another administrator.
    requested: Option<AccountRequestView>,
}

fn parse_roles(names: &[String]) -> HttpResult<Vec<Role>> {
    let roles: std::result::Result<Vec<Role>, _> = names.iter().map(|name| name.parse()).collect();
    roles.map_err(|cause| ErrorCode::Invalid.with_detail(cause).into())
}

/// Lists everybody.
#[utoipa::path(get, path = "/people", tag = "administration",
    responses((status = 200, body = Vec<PersonView>), (status = 403, body = Problem)))]
pub async fn list(
    State(app): State<AppState>,
    _: Administrator,
) -> HttpResult<Json<Vec<PersonView>>> {
    Ok(Json(app.people().await?))
}

/// Adds a person. Roles that another administrator has to approve are requested.
#[utoipa::path(post, path = "/people", tag = "administration", request_body = NewPersonRequest,
    responses((status = 201, body = ChangedPersonView), (status = 409, body = Problem)))]
pub async fn add(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Json(request): Json<NewPersonRequest>,
) -> HttpResult<(StatusCode, Json<ChangedPersonView>)> {
    let new = NewPerson {
        roles: parse_roles(&request.roles)?,
        name: request.name,
        password: None,
        groups: Vec::new(),
    };
    let manager = AccountManager::Administrator(&by.person);
    let added = app.add_person(&by.caller, manager, new).await?;
    let view = ChangedPersonView {
        person: added.person,
        requested: added.requested,
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Changes the roles of a person, or whether they may sign in. Roles that another administrator has
/// to approve are requested.
#[utoipa::path(put, path = "/people/{id}", tag = "administration",
    request_body = PersonChange,
    responses((status = 200, body = ChangedPersonView), (status = 403, body = Problem),
              (status = 409, body = Problem)))]
pub async fn change(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path(id): Path<i64>,
    Json(change): Json<PersonChange>,
) -> HttpResult<Json<ChangedPersonView>> {
    let roles = parse_roles(&change.roles)?;
    let manager = AccountManager::Administrator(&by.person);
    let changed = app
        .change_person(&by.caller, manager, UserId(id), &roles, change.disabled)
        .await?;
    Ok(Json(ChangedPersonView {
        person: changed.person,
        requested: changed.requested,
    }))
}

/// Removes the second factor of a person who has lost it. For an administrator or compliance
/// officer, this is requested.
#[utoipa::path(delete, path = "/people/{id}/second-factor", tag = "administration",
    responses((status = 204), (status = 202, body = AccountRequestView),
              (status = 404, body = Problem)))]
pub async fn reset_second_factor(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path(id): Path<i64>,
) -> HttpResult<Response> {
    let manager = AccountManager::Administrator(&by.person);
    let changed = app
        .reset_second_factor(&by.caller, manager, UserId(id))
        .await?;
    Ok(match changed {
        Changed::Done(()) => StatusCode::NO_CONTENT.into_response(),
        Changed::Requested(request) => (StatusCode::ACCEPTED, Json(request)).into_response(),
    })
}

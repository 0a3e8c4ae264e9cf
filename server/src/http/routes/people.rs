//! People, for administrators.

use crate::app::people::PersonView;
use crate::app::{AppState, ErrorCode, NewPerson};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::Administrator;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cloister_domain::{Role, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

/// A person to add.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewPerson)]
pub struct NewPersonRequest {
    name: String,
    password: String,
    roles: Vec<String>,
}

/// The roles of a person, and whether they may sign in.
#[derive(Deserialize, ToSchema)]
pub struct PersonChange {
    roles: Vec<String>,
    disabled: bool,
}

/// A new password.
#[derive(Deserialize, ToSchema)]
pub struct NewPassword {
    password: String,
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

/// Adds a person.
#[utoipa::path(post, path = "/people", tag = "administration", request_body = NewPersonRequest,
    responses((status = 201, body = PersonView), (status = 409, body = Problem)))]
pub async fn add(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Json(request): Json<NewPersonRequest>,
) -> HttpResult<(StatusCode, Json<PersonView>)> {
    let new = NewPerson {
        roles: parse_roles(&request.roles)?,
        name: request.name,
        password: request.password,
        groups: Vec::new(),
    };
    let person = app.add_person(&by.caller, new).await?;
    Ok((StatusCode::CREATED, Json(person)))
}

/// Changes the roles of a person, or whether they may sign in.
#[utoipa::path(put, path = "/people/{id}", tag = "administration",
    request_body = PersonChange, responses((status = 200, body = PersonView)))]
pub async fn change(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
    Json(change): Json<PersonChange>,
) -> HttpResult<Json<PersonView>> {
    let roles = parse_roles(&change.roles)?;
    let (own_id, id) = (by.person.user, UserId(id));
    let person = app
        .change_person(&by.caller, own_id, id, &roles, change.disabled)
        .await?;
    Ok(Json(person))
}

/// Sets a new password and ends all sessions of the person.
#[utoipa::path(put, path = "/people/{id}/password", tag = "administration",
    request_body = NewPassword, responses((status = 204), (status = 422, body = Problem)))]
pub async fn set_password(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
    Json(new): Json<NewPassword>,
) -> HttpResult<StatusCode> {
    app.set_password(&by.caller, UserId(id), &new.password)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

//! People: an administrator adds them, changes what they may do, and sets passwords anew.

use super::problem::{Problem, ProblemCode};
use super::session::Administrator;
use crate::app::AppState;
use crate::passwords;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cloister_audit::EventKind;
use cloister_domain::{Role, UserId};
use cloister_store::{NewUser, User};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A person as an administrator sees them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Person {
    /// The person's id.
    pub id: i64,
    /// The name they sign in with.
    pub name: String,
    /// `staff`, `administrator`, `compliance-officer`.
    pub roles: Vec<String>,
    /// The ids of their groups.
    pub groups: Vec<i64>,
    /// Whether they are kept from signing in.
    pub disabled: bool,
}

impl From<User> for Person {
    fn from(user: User) -> Self {
        Self {
            id: user.id.0,
            name: user.name,
            roles: user.roles.iter().map(ToString::to_string).collect(),
            groups: user.groups.iter().map(|group| group.0).collect(),
            disabled: user.disabled,
        }
    }
}

/// A person to be added.
#[derive(Deserialize, ToSchema)]
pub struct NewPerson {
    name: String,
    password: String,
    roles: Vec<String>,
}

/// What is to change of a person.
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

fn parse_roles(names: &[String]) -> Result<Vec<Role>, Problem> {
    let roles: Result<Vec<Role>, _> = names.iter().map(|name| name.parse()).collect();
    roles.map_err(|cause| ProblemCode::Invalid.because(cause))
}

/// Everyone.
#[utoipa::path(get, path = "/api/v1/people", tag = "administration",
    responses((status = 200, body = Vec<Person>), (status = 403, body = Problem)))]
pub async fn list(
    State(app): State<AppState>,
    _: Administrator,
) -> Result<Json<Vec<Person>>, Problem> {
    Ok(Json(
        app.store
            .users()
            .await?
            .into_iter()
            .map(Person::from)
            .collect(),
    ))
}

/// Adds a person.
#[utoipa::path(post, path = "/api/v1/people", tag = "administration", request_body = NewPerson,
    responses((status = 201, body = Person), (status = 409, body = Problem)))]
pub async fn add(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Json(new): Json<NewPerson>,
) -> Result<(StatusCode, Json<Person>), Problem> {
    let roles = parse_roles(&new.roles)?;
    let password_hash = passwords::hash(&new.password, &*app.entropy)
        .map_err(|cause| ProblemCode::Invalid.because(cause))?;
    let event = by.event(
        EventKind::UserAdded,
        json!({ "name": new.name, "roles": roles }),
    );
    let new = NewUser {
        name: new.name,
        password_hash,
        roles,
    };
    let id = app
        .logged(event, app.store.add_user(&new, app.clock.now()))
        .await?;
    let user = app.store.user(id).await?.ok_or(ProblemCode::NotFound)?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

/// Changes what a person may do, or whether they may sign in.
#[utoipa::path(put, path = "/api/v1/people/{id}", tag = "administration",
    request_body = PersonChange, responses((status = 200, body = Person)))]
pub async fn change(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
    Json(change): Json<PersonChange>,
) -> Result<Json<Person>, Problem> {
    let id = UserId(id);
    let roles = parse_roles(&change.roles)?;
    let stays = roles.contains(&Role::Administrator) && !change.disabled;
    if id == by.principal.user && !stays {
        return Err(ProblemCode::Invalid
            .because("You cannot take your own administration away. Ask another administrator"));
    }
    let user = app.store.user(id).await?.ok_or(ProblemCode::NotFound)?;
    let detail = json!({ "name": user.name, "roles": roles, "disabled": change.disabled });
    let event = by.event(EventKind::UserChanged, detail);
    app.logged(event, app.store.change_user(id, &roles, change.disabled))
        .await?;
    let user = app.store.user(id).await?.ok_or(ProblemCode::NotFound)?;
    Ok(Json(user.into()))
}

/// Sets a person's password anew and signs them out everywhere.
#[utoipa::path(put, path = "/api/v1/people/{id}/password", tag = "administration",
    request_body = NewPassword, responses((status = 204), (status = 422, body = Problem)))]
pub async fn set_password(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
    Json(new): Json<NewPassword>,
) -> Result<StatusCode, Problem> {
    let id = UserId(id);
    let user = app.store.user(id).await?.ok_or(ProblemCode::NotFound)?;
    let hash = passwords::hash(&new.password, &*app.entropy)
        .map_err(|cause| ProblemCode::Invalid.because(cause))?;
    let event = by.event(EventKind::PasswordChanged, json!({ "name": user.name }));
    app.logged(event, app.store.change_password(id, &hash))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

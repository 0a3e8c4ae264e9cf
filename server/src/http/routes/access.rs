//! Groups, collections and grants, for administrators.

use crate::app::AppState;
use crate::app::access::{CollectionView, GroupView};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::{Administrator, RecentAdministrator};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cloister_domain::{CollectionId, GroupId, UserId};
use serde::Deserialize;
use utoipa::ToSchema;

/// A name.
#[derive(Deserialize, ToSchema)]
pub struct NewName {
    name: String,
}

/// The settings of a collection.
#[derive(Deserialize, ToSchema)]
pub struct CollectionChange {
    allow_generation: bool,
}

/// Lists the groups.
#[utoipa::path(get, path = "/groups", tag = "administration",
    responses((status = 200, body = Vec<GroupView>)))]
pub async fn list_groups(
    State(app): State<AppState>,
    _: Administrator,
) -> HttpResult<Json<Vec<GroupView>>> {
    Ok(Json(app.groups().await?))
}

/// Adds a group.
#[utoipa::path(post, path = "/groups", tag = "administration", request_body = NewName,
    responses((status = 201, body = GroupView), (status = 409, body = Problem)))]
pub async fn add_group(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Json(new): Json<NewName>,
) -> HttpResult<(StatusCode, Json<GroupView>)> {
    let group = app.add_group(&by.caller, &new.name).await?;
    Ok((StatusCode::CREATED, Json(group)))
}

/// Removes a group with its memberships and grants.
#[utoipa::path(delete, path = "/groups/{id}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn remove_group(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path(id): Path<i64>,
) -> HttpResult<StatusCode> {
    app.remove_group(&by.caller, GroupId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds a person to a group.
#[utoipa::path(put, path = "/groups/{id}/members/{user}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn join_group(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path((id, user)): Path<(i64, i64)>,
) -> HttpResult<StatusCode> {
    app.join_group(&by.caller, GroupId(id), UserId(user))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a person from a group.
#[utoipa::path(delete, path = "/groups/{id}/members/{user}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn leave_group(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path((id, user)): Path<(i64, i64)>,
) -> HttpResult<StatusCode> {
    app.leave_group(&by.caller, GroupId(id), UserId(user))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists the collections.
#[utoipa::path(get, path = "/collections", tag = "administration",
    responses((status = 200, body = Vec<CollectionView>)))]
pub async fn list_collections(
    State(app): State<AppState>,
    _: Administrator,
) -> HttpResult<Json<Vec<CollectionView>>> {
    Ok(Json(app.collections().await?))
}

/// Adds a collection and creates its folder in the inbox.
#[utoipa::path(post, path = "/collections", tag = "administration", request_body = NewName,
    responses((status = 201, body = CollectionView), (status = 409, body = Problem)))]
pub async fn add_collection(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Json(new): Json<NewName>,
) -> HttpResult<(StatusCode, Json<CollectionView>)> {
    let collection = app.add_collection(&by.caller, &new.name).await?;
    Ok((StatusCode::CREATED, Json(collection)))
}

/// Sets whether sentences may be generated from the documents of a collection.
#[utoipa::path(put, path = "/collections/{id}", tag = "administration",
    request_body = CollectionChange, responses((status = 200, body = CollectionView)))]
pub async fn change_collection(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path(id): Path<i64>,
    Json(change): Json<CollectionChange>,
) -> HttpResult<Json<CollectionView>> {
    let collection = app
        .allow_generation(&by.caller, CollectionId(id), change.allow_generation)
        .await?;
    Ok(Json(collection))
}

/// Lets a group read a collection.
#[utoipa::path(put, path = "/collections/{id}/readers/{group}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn grant(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path((id, group)): Path<(i64, i64)>,
) -> HttpResult<StatusCode> {
    app.grant(&by.caller, CollectionId(id), GroupId(group))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Revokes a grant. The next request is without it.
#[utoipa::path(delete, path = "/collections/{id}/readers/{group}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn revoke(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path((id, group)): Path<(i64, i64)>,
) -> HttpResult<StatusCode> {
    app.revoke(&by.caller, CollectionId(id), GroupId(group))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

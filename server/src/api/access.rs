//! Groups, collections, and which group may read which collection.

use super::problem::{Problem, ProblemCode};
use super::session::Administrator;
use crate::app::{App, AppState};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cloister_audit::EventKind;
use cloister_domain::{CollectionId, GroupId, UserId};
use cloister_store::{Collection, Group};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// A set of people.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct GroupView {
    /// The group's id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The ids of its members.
    pub members: Vec<i64>,
}

impl From<Group> for GroupView {
    fn from(group: Group) -> Self {
        let members = group.members.iter().map(|user| user.0).collect();
        Self {
            id: group.id.0,
            name: group.name,
            members,
        }
    }
}

/// A top folder of the inbox.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct CollectionView {
    /// The collection's id.
    pub id: i64,
    /// The folder's name in the inbox.
    pub name: String,
    /// Whether the model may write below the quotes.
    pub composed: bool,
    /// The ids of the groups that may read it.
    pub readers: Vec<i64>,
    /// The folder on the appliance's disk.
    pub folder: String,
}

/// A name.
#[derive(Deserialize, ToSchema)]
pub struct NewName {
    name: String,
}

/// What is to change of a collection.
#[derive(Deserialize, ToSchema)]
pub struct CollectionChange {
    composed: bool,
}

fn view(app: &App, collection: Collection) -> CollectionView {
    CollectionView {
        id: collection.id.0,
        folder: app.inbox.join(&collection.name).display().to_string(),
        name: collection.name,
        composed: collection.composed,
        readers: collection.readers.iter().map(|group| group.0).collect(),
    }
}

async fn collection(app: &App, id: CollectionId) -> Result<Collection, Problem> {
    let all = app.store.collections().await?;
    all.into_iter()
        .find(|c| c.id == id)
        .ok_or_else(|| ProblemCode::NotFound.into())
}

async fn group(app: &App, id: GroupId) -> Result<Group, Problem> {
    let all = app.store.groups().await?;
    all.into_iter()
        .find(|g| g.id == id)
        .ok_or_else(|| ProblemCode::NotFound.into())
}

/// Every group.
#[utoipa::path(get, path = "/api/v1/groups", tag = "administration",
    responses((status = 200, body = Vec<GroupView>)))]
pub async fn list_groups(
    State(app): State<AppState>,
    _: Administrator,
) -> Result<Json<Vec<GroupView>>, Problem> {
    Ok(Json(
        app.store
            .groups()
            .await?
            .into_iter()
            .map(GroupView::from)
            .collect(),
    ))
}

/// Adds a group.
#[utoipa::path(post, path = "/api/v1/groups", tag = "administration", request_body = NewName,
    responses((status = 201, body = GroupView), (status = 409, body = Problem)))]
pub async fn add_group(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Json(new): Json<NewName>,
) -> Result<(StatusCode, Json<GroupView>), Problem> {
    let event = by.event(EventKind::GroupAdded, json!({ "group": new.name }));
    let id = app
        .logged(event, app.store.add_group(&new.name, app.clock.now()))
        .await?;
    Ok((StatusCode::CREATED, Json(group(&app, id).await?.into())))
}

/// Removes a group, its memberships and the grants to it.
#[utoipa::path(delete, path = "/api/v1/groups/{id}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn remove_group(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
) -> Result<StatusCode, Problem> {
    let found = group(&app, GroupId(id)).await?;
    let event = by.event(EventKind::GroupRemoved, json!({ "group": found.name }));
    app.logged(event, app.store.remove_group(found.id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Puts a person into a group.
#[utoipa::path(put, path = "/api/v1/groups/{id}/members/{user}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn join_group(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path((id, user)): Path<(i64, i64)>,
) -> Result<StatusCode, Problem> {
    let (group, user, detail) = membership(&app, id, user).await?;
    let event = by.event(EventKind::GroupJoined, detail);
    app.logged(event, app.store.join_group(group, user)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a person out of a group.
#[utoipa::path(delete, path = "/api/v1/groups/{id}/members/{user}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn leave_group(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path((id, user)): Path<(i64, i64)>,
) -> Result<StatusCode, Problem> {
    let (group, user, detail) = membership(&app, id, user).await?;
    let event = by.event(EventKind::GroupLeft, detail);
    app.logged(event, app.store.leave_group(group, user))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Who joins or leaves which group, and how the log says it.
async fn membership(
    app: &App,
    id: i64,
    user: i64,
) -> Result<(GroupId, UserId, serde_json::Value), Problem> {
    let group = group(app, GroupId(id)).await?;
    let user = app
        .store
        .user(UserId(user))
        .await?
        .ok_or(ProblemCode::NotFound)?;
    let detail = json!({ "group": group.name, "user": user.name });
    Ok((group.id, user.id, detail))
}

/// Who may or may no longer read which collection, and how the log says it.
async fn reading(
    app: &App,
    id: i64,
    reader: i64,
) -> Result<(CollectionId, GroupId, serde_json::Value), Problem> {
    let collection = collection(app, CollectionId(id)).await?;
    let group = group(app, GroupId(reader)).await?;
    let detail = json!({ "collection": collection.name, "group": group.name });
    Ok((collection.id, group.id, detail))
}

/// Every collection.
#[utoipa::path(get, path = "/api/v1/collections", tag = "administration",
    responses((status = 200, body = Vec<CollectionView>)))]
pub async fn list_collections(
    State(app): State<AppState>,
    _: Administrator,
) -> Result<Json<Vec<CollectionView>>, Problem> {
    let all = app.store.collections().await?;
    Ok(Json(
        all.into_iter()
            .map(|collection| view(&app, collection))
            .collect(),
    ))
}

/// Adds a collection and makes its folder in the inbox.
#[utoipa::path(post, path = "/api/v1/collections", tag = "administration", request_body = NewName,
    responses((status = 201, body = CollectionView), (status = 409, body = Problem)))]
pub async fn add_collection(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Json(new): Json<NewName>,
) -> Result<(StatusCode, Json<CollectionView>), Problem> {
    let event = by.event(
        EventKind::CollectionAdded,
        json!({ "collection": new.name }),
    );
    let id = app
        .logged(event, app.store.add_collection(&new.name, app.clock.now()))
        .await?;
    tokio::fs::create_dir_all(app.inbox.join(&new.name))
        .await
        .map_err(Problem::internal)?;
    Ok((
        StatusCode::CREATED,
        Json(view(&app, collection(&app, id).await?)),
    ))
}

/// Says whether the model may write below the quotes of a collection.
#[utoipa::path(put, path = "/api/v1/collections/{id}", tag = "administration",
    request_body = CollectionChange, responses((status = 200, body = CollectionView)))]
pub async fn change_collection(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
    Json(change): Json<CollectionChange>,
) -> Result<Json<CollectionView>, Problem> {
    let found = collection(&app, CollectionId(id)).await?;
    let detail = json!({ "collection": found.name, "composed": change.composed });
    let event = by.event(EventKind::CollectionChanged, detail);
    app.logged(event, app.store.allow_composed(found.id, change.composed))
        .await?;
    Ok(Json(view(&app, collection(&app, found.id).await?)))
}

/// Lets a group read a collection.
#[utoipa::path(put, path = "/api/v1/collections/{id}/readers/{group}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn grant(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path((id, group_id)): Path<(i64, i64)>,
) -> Result<StatusCode, Problem> {
    let (collection, group, detail) = reading(&app, id, group_id).await?;
    let event = by.event(EventKind::AccessGranted, detail);
    app.logged(event, app.store.grant(collection, group))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a grant back. It acts on the next request.
#[utoipa::path(delete, path = "/api/v1/collections/{id}/readers/{group}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn revoke(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path((id, group_id)): Path<(i64, i64)>,
) -> Result<StatusCode, Problem> {
    let (collection, group, detail) = reading(&app, id, group_id).await?;
    let event = by.event(EventKind::AccessRevoked, detail);
    app.logged(event, app.store.revoke(collection, group))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

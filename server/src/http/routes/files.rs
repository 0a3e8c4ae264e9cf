//! The files of the inbox, for administrators.

use crate::app::files::{FileView, FilesView};
use crate::app::{AppState, FileQuery};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::Administrator;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloister_domain::{CollectionId, FileId};
use cloister_store::FileState;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// Which files are listed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FilesQuery {
    collection: Option<i64>,
    #[param(value_type = Option<String>)]
    state: Option<FileState>,
    after: Option<i64>,
}

/// Whether the ingestion is paused.
#[derive(Debug, Deserialize, ToSchema)]
pub struct IngestionChange {
    paused: bool,
}

/// Lists the files of the inbox, 200 at a time.
#[utoipa::path(get, path = "/files", tag = "administration", params(FilesQuery),
    responses((status = 200, body = FilesView)))]
pub async fn list(
    State(app): State<AppState>,
    _: Administrator,
    Query(query): Query<FilesQuery>,
) -> HttpResult<Json<FilesView>> {
    let query = FileQuery {
        collection: query.collection,
        state: query.state,
        after: query.after,
    };
    Ok(Json(app.files(query).await?))
}

/// How an upload is stored.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UploadQuery {
    /// Whether a file of this name is replaced.
    #[serde(default)]
    replace: bool,
}

/// Uploads a file into a collection. The body is the file.
#[utoipa::path(put, path = "/uploads/{collection}/{name}", tag = "administration",
    params(("collection" = i64, Path), ("name" = String, Path), UploadQuery),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 202), (status = 409, body = Problem), (status = 413, body = Problem)))]
pub async fn upload(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path((collection, name)): Path<(i64, String)>,
    Query(query): Query<UploadQuery>,
    body: Body,
) -> HttpResult<StatusCode> {
    let collection = CollectionId(collection);
    let body = body.into_data_stream();
    app.upload_file(&by.caller, collection, &name, query.replace, body)
        .await?;
    Ok(StatusCode::ACCEPTED)
}

/// Deletes a file from the inbox. It can be put back.
#[utoipa::path(delete, path = "/files/{id}", tag = "administration",
    responses((status = 202), (status = 409, body = Problem)))]
pub async fn delete(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
) -> HttpResult<StatusCode> {
    app.delete_file(&by.caller, FileId(id)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Puts a removed file back into the inbox.
#[utoipa::path(post, path = "/files/{id}/restoration", tag = "administration",
    responses((status = 202), (status = 409, body = Problem)))]
pub async fn put_back(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
) -> HttpResult<StatusCode> {
    app.put_back_file(&by.caller, FileId(id)).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Pauses or resumes the ingestion. Files that are being ingested are finished.
#[utoipa::path(put, path = "/ingestion", tag = "administration",
    request_body = IngestionChange, responses((status = 204)))]
pub async fn pause(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Json(change): Json<IngestionChange>,
) -> HttpResult<StatusCode> {
    app.pause_ingestion(&by.caller, change.paused).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Quarantines a file that waits or is being ingested. It can be retried.
#[utoipa::path(post, path = "/files/{id}/cancel", tag = "administration",
    responses((status = 202, body = FileView), (status = 409, body = Problem)))]
pub async fn cancel(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
) -> HttpResult<(StatusCode, Json<FileView>)> {
    let file = app.cancel_file(&by.caller, FileId(id)).await?;
    Ok((StatusCode::ACCEPTED, Json(file)))
}

/// Ingests a quarantined file again.
#[utoipa::path(post, path = "/files/{id}/retry", tag = "administration",
    responses((status = 202, body = FileView), (status = 409, body = Problem)))]
pub async fn retry(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
) -> HttpResult<(StatusCode, Json<FileView>)> {
    let file = app.retry_file(&by.caller, FileId(id)).await?;
    Ok((StatusCode::ACCEPTED, Json(file)))
}

//! The files of the inbox: how far each has come, and why one could not be read.

use super::problem::{Problem, ProblemCode};
use super::session::Administrator;
use crate::app::AppState;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloister_audit::EventKind;
use cloister_domain::{CollectionId, FileId};
use cloister_store::{FileRecord, FileState, FileTally};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

const PAGE: u32 = 200;

/// A file of the inbox.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FileView {
    /// The file's id.
    pub id: i64,
    /// The id of its collection.
    pub collection: i64,
    /// Its path inside the collection.
    pub path: String,
    /// `waiting`, `reading`, `embedding`, `ready`, `quarantined`.
    pub state: String,
    /// Size in bytes.
    pub size: u64,
    /// Pages read or passages embedded so far.
    pub done: u32,
    /// Out of how many; 0 while it is not known.
    pub total: u32,
    /// Why it is quarantined, and what to do.
    pub reason: Option<String>,
    /// The last change, RFC 3339.
    pub updated_at: String,
    /// From being taken up to being searchable, in milliseconds.
    pub took_ms: Option<u64>,
}

impl From<FileRecord> for FileView {
    fn from(file: FileRecord) -> Self {
        Self {
            id: file.id.0,
            collection: file.collection.0,
            path: file.path,
            state: file.state.as_str().to_owned(),
            size: file.size,
            done: file.done,
            total: file.total,
            reason: file.reason,
            updated_at: file.updated_at.to_string(),
            took_ms: file.took_ms,
        }
    }
}

/// How many files of a collection are in which state.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TallyView {
    /// The id of the collection.
    pub collection: i64,
    /// The state.
    pub state: String,
    /// How many.
    pub files: u64,
}

impl From<FileTally> for TallyView {
    fn from(tally: FileTally) -> Self {
        let state = tally.state.as_str().to_owned();
        Self {
            collection: tally.collection.0,
            state,
            files: tally.files,
        }
    }
}

/// A page of files, and the numbers over all of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FilesView {
    /// How many there are in each collection and state.
    pub tally: Vec<TallyView>,
    /// This page.
    pub files: Vec<FileView>,
    /// Where to go on, as `after`; none at the end.
    pub next: Option<i64>,
}

/// Which files.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    collection: Option<i64>,
    #[param(value_type = Option<String>)]
    state: Option<FileState>,
    after: Option<i64>,
}

/// Files of the inbox, 200 at a time.
#[utoipa::path(get, path = "/api/v1/files", tag = "administration", params(Which),
    responses((status = 200, body = FilesView)))]
pub async fn list(
    State(app): State<AppState>,
    _: Administrator,
    Query(which): Query<Which>,
) -> Result<Json<FilesView>, Problem> {
    let after = FileId(which.after.unwrap_or(0));
    let collection = which.collection.map(CollectionId);
    let files = app
        .store
        .files(collection, which.state, after, PAGE)
        .await?;
    let full = files.len() >= PAGE as usize;
    let next = files.last().filter(|_| full).map(|file| file.id.0);
    let tally = app
        .store
        .tally_files()
        .await?
        .into_iter()
        .map(TallyView::from)
        .collect();
    let files = files.into_iter().map(FileView::from).collect();
    Ok(Json(FilesView { tally, files, next }))
}

/// Takes a quarantined file up again.
#[utoipa::path(post, path = "/api/v1/files/{id}/retry", tag = "administration",
    responses((status = 202, body = FileView), (status = 409, body = Problem)))]
pub async fn retry(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
) -> Result<(StatusCode, Json<FileView>), Problem> {
    let file = app
        .store
        .file(FileId(id))
        .await?
        .ok_or(ProblemCode::NotFound)?;
    let event = by.event(EventKind::DocumentRetried, json!({ "path": file.path }));
    let retried = app
        .logged(event, app.store.retry_file(file.id, app.clock.now()))
        .await?;
    let file =
        retried.ok_or_else(|| ProblemCode::Conflict.because("The file is not quarantined"))?;
    app.work.notify_one();
    Ok((StatusCode::ACCEPTED, Json(file.into())))
}

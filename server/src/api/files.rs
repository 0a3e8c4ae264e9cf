//! The files of the inbox: how far each has come, and why one could not be read.

use super::problem::{Problem, ProblemCode};
use super::session::Administrator;
use crate::app::AppState;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use cloister_audit::EventKind;
use cloister_domain::{CollectionId, FileId};
use cloister_ingest::{Pace, Progress};
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
    /// What to know of how it was read: pages left out, pages recognised from pictures.
    pub warnings: Vec<String>,
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
            warnings: Vec::new(),
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

/// How fast files are taken in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct PaceView {
    /// Pages read in a second.
    pub pages: f64,
    /// Passages embedded in a second.
    pub passages: f64,
    /// Seconds until all are done, where that can be told.
    pub seconds_left: Option<u64>,
}

impl From<Pace> for PaceView {
    fn from(pace: Pace) -> Self {
        Self {
            pages: pace.pages,
            passages: pace.passages,
            seconds_left: pace.seconds_left,
        }
    }
}

/// Whether taking in is to be paused.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Pausing {
    /// Whether it is to rest.
    pub paused: bool,
}

/// A page of files, and the numbers over all of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FilesView {
    /// How many there are in each collection and state.
    pub tally: Vec<TallyView>,
    /// Whether taking in is paused.
    pub paused: bool,
    /// How fast files are taken in; none while nothing is.
    pub pace: Option<PaceView>,
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
    let tally = app.store.tally_files().await?;
    let progress = Progress::of(&tally, &app.meter, &*app.clock);
    let paused = app.store.ingestion_paused().await?;
    let mut warnings = app.store.warnings_of(&files).await?;
    let with_warnings = |file: FileRecord| FileView {
        warnings: warnings.remove(&file.id).unwrap_or_default(),
        ..FileView::from(file)
    };
    Ok(Json(FilesView {
        files: files.into_iter().map(with_warnings).collect(),
        tally: tally.into_iter().map(TallyView::from).collect(),
        paused,
        pace: progress.pace.map(PaceView::from),
        next,
    }))
}

/// Has the taking in of files pause or go on. What is being worked on is finished.
#[utoipa::path(put, path = "/api/v1/ingestion", tag = "administration",
    request_body = Pausing, responses((status = 204)))]
pub async fn pause(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Json(wanted): Json<Pausing>,
) -> Result<StatusCode, Problem> {
    let kind = if wanted.paused {
        EventKind::IngestionPaused
    } else {
        EventKind::IngestionResumed
    };
    app.logged(
        by.event(kind, json!({})),
        app.store.pause_ingestion(wanted.paused),
    )
    .await?;
    app.work.notify_one();
    Ok(StatusCode::NO_CONTENT)
}

/// Sets a file aside that waits or is being worked on. It can be retried.
#[utoipa::path(post, path = "/api/v1/files/{id}/cancel", tag = "administration",
    responses((status = 202, body = FileView), (status = 409, body = Problem)))]
pub async fn cancel(
    State(app): State<AppState>,
    Administrator(by): Administrator,
    Path(id): Path<i64>,
) -> Result<(StatusCode, Json<FileView>), Problem> {
    let file = app
        .store
        .file(FileId(id))
        .await?
        .ok_or(ProblemCode::NotFound)?;
    let event = by.event(EventKind::DocumentCancelled, json!({ "path": file.path }));
    let reason = format!(
        "Cancelled by {}. Retry to take it up again",
        by.principal.name
    );
    let cancelled = app.store.cancel_file(file.id, &reason, app.clock.now());
    let cancelled = app.logged(event, cancelled).await?;
    let file = cancelled
        .ok_or_else(|| ProblemCode::Conflict.because("The file is not waiting or in work"))?;
    Ok((StatusCode::ACCEPTED, Json(file.into())))
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

//! The audit log, for compliance officers: see, filter, verify, and take a checkpoint away.

use super::problem::{Problem, ProblemCode};
use super::session::Officer;
use crate::app::AppState;
use crate::replay;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use cloister_audit::{AuditError, Entry, EventKind, Filter, Outcome, Verification, verify};
use cloister_domain::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

const PAGE: usize = 100;

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// A kind, such as `question.answered`.
    #[param(value_type = Option<String>)]
    kind: Option<EventKind>,
    #[param(value_type = Option<String>)]
    outcome: Option<Outcome>,
    /// The name of a person.
    actor: Option<String>,
    /// A text anywhere in the entry.
    text: Option<String>,
    /// The id of a request.
    request: Option<String>,
    /// RFC 3339.
    from: Option<String>,
    /// RFC 3339.
    until: Option<String>,
    /// A place in the log: only older entries.
    before: Option<u64>,
}

/// An entry of the log.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EntryView {
    /// Its place, counted from 0.
    pub seq: u64,
    /// When, RFC 3339.
    pub at: String,
    /// What happened.
    pub kind: String,
    /// `success`, `failure`, `denied`.
    pub outcome: String,
    /// Who.
    pub actor: String,
    /// From where.
    pub origin: String,
    /// Joins the entries of one request.
    pub request: Option<String>,
    /// What else there is to know.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

impl From<Entry> for EntryView {
    fn from(entry: Entry) -> Self {
        Self {
            seq: entry.seq,
            at: entry.at.to_string(),
            kind: entry.kind.as_str().to_owned(),
            outcome: entry.outcome.as_str().to_owned(),
            actor: entry.actor.name,
            origin: entry.origin,
            request: entry.request,
            detail: entry.detail,
        }
    }
}

/// Entries, newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct EntriesView {
    /// How many the log has.
    pub total: u64,
    /// Every kind of entry there can be.
    pub kinds: Vec<String>,
    /// This page.
    pub entries: Vec<EntryView>,
    /// Where to go on, as `before`; none at the log's beginning.
    pub next: Option<u64>,
}

/// One part of an answer, then and now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComparedView {
    /// Which part.
    part: &'static str,
    /// Whether it is the same.
    equal: bool,
    /// What differs, in a sentence; empty where nothing does.
    difference: String,
}

/// An answer that was made again.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayView {
    /// Whether decision, quotes and sentences are the same, whatever else has changed.
    same_answer: bool,
    /// Every part, compared.
    parts: Vec<ComparedView>,
}

/// Makes an answer again, with its asker's rights of today, and compares. Nothing of it is shown but
/// what differs; that it was done is logged.
#[utoipa::path(post, path = "/api/v1/audit/replays/{receipt}", tag = "audit",
    params(("receipt" = String, Path)),
    responses((status = 200, body = ReplayView), (status = 404, body = Problem)))]
pub async fn replay_answer(
    State(app): State<AppState>,
    Officer(officer): Officer,
    Path(receipt): Path<String>,
) -> Result<Json<ReplayView>, Problem> {
    let replay = replay::replay(&app, &receipt).await?;
    let detail = replay::detail(&receipt, &replay);
    app.audit
        .append(officer.event(EventKind::AnswerReplayed, detail))
        .await?;
    let same_answer = replay.same_answer();
    let parts = replay.parts.into_iter().map(|compared| ComparedView {
        part: compared.part,
        equal: compared.equal,
        difference: compared.difference,
    });
    Ok(Json(ReplayView {
        same_answer,
        parts: parts.collect(),
    }))
}

/// What a verification found.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct VerificationView {
    /// Whether the log holds.
    pub holds: bool,
    /// How many entries there are.
    pub entries: u64,
    /// How many of them the newest checkpoint vouches for.
    pub sealed: u64,
    /// The root over all of them, in hexadecimal.
    pub root: String,
    /// How many checkpoints kept elsewhere were compared.
    pub compared: usize,
    /// What does not fit.
    pub findings: Vec<String>,
    /// The log's public key.
    pub key: String,
}

/// Checkpoints that were kept elsewhere.
#[derive(Deserialize, ToSchema)]
pub struct Kept {
    #[serde(default)]
    checkpoints: Vec<String>,
}

fn filter(which: Which) -> Result<Filter, Problem> {
    let moment = |text: Option<String>| -> Result<Option<Timestamp>, Problem> {
        let read = text
            .filter(|t| !t.is_empty())
            .map(|text| Timestamp::parse(&text))
            .transpose();
        read.map_err(|cause| ProblemCode::Invalid.because(cause))
    };
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Filter {
        kinds: which.kind.into_iter().collect(),
        outcome: which.outcome,
        actor: some(which.actor),
        text: some(which.text),
        request: some(which.request),
        from: moment(which.from)?,
        until: moment(which.until)?,
        before: which.before,
    })
}

/// Entries of the log, newest first, 100 at a time. Looking is itself an entry.
#[utoipa::path(get, path = "/api/v1/audit", tag = "compliance", params(Which),
    responses((status = 200, body = EntriesView), (status = 403, body = Problem)))]
pub async fn list(
    State(app): State<AppState>,
    Officer(by): Officer,
    Query(which): Query<Which>,
) -> Result<Json<EntriesView>, Problem> {
    let filter = filter(which)?;
    let looked_for = json!({
        "kinds": filter.kinds, "outcome": filter.outcome, "actor": filter.actor,
        "text": filter.text, "request": filter.request, "before": filter.before,
    });
    app.audit
        .append(by.event(EventKind::AuditViewed, looked_for))
        .await?;
    let audit = app.audit.clone();
    let found = tokio::task::spawn_blocking(move || audit.find(&filter, PAGE))
        .await
        .map_err(Problem::internal)??;
    let entries = found.entries.into_iter().map(EntryView::from).collect();
    let kinds = EventKind::ALL
        .iter()
        .map(|kind| kind.as_str().to_owned())
        .collect();
    Ok(Json(EntriesView {
        total: app.audit.len(),
        kinds,
        entries,
        next: found.next,
    }))
}

/// Verifies the whole log, and compares it with checkpoints that were kept elsewhere.
#[utoipa::path(post, path = "/api/v1/audit/verification", tag = "compliance", request_body = Kept,
    responses((status = 200, body = VerificationView), (status = 422, body = Problem)))]
pub async fn verify_log(
    State(app): State<AppState>,
    Officer(by): Officer,
    Json(kept): Json<Kept>,
) -> Result<Json<VerificationView>, Problem> {
    let (folder, key) = (app.audit.folder(), app.audit.public_key().clone());
    let shown_key = key.to_string();
    let verification: Result<Verification, AuditError> =
        tokio::task::spawn_blocking(move || verify(&folder, &key, &kept.checkpoints))
            .await
            .map_err(Problem::internal)?;
    let found = match verification {
        Ok(found) => found,
        Err(cause @ (AuditError::BadCheckpoint(_) | AuditError::BadKey(_))) => {
            return Err(ProblemCode::Invalid.because(cause));
        }
        Err(cause) => return Err(cause.into()),
    };
    let detail = json!({ "holds": found.holds(), "entries": found.entries, "root": found.root });
    app.audit
        .append(by.event(EventKind::AuditVerified, detail))
        .await?;
    Ok(Json(VerificationView {
        holds: found.holds(),
        entries: found.entries,
        sealed: found.sealed,
        root: found.root,
        compared: found.compared,
        findings: found
            .findings
            .into_iter()
            .map(|finding| finding.0)
            .collect(),
        key: shown_key,
    }))
}

/// The newest checkpoint, to be kept off this machine.
#[utoipa::path(get, path = "/api/v1/audit/checkpoint", tag = "compliance",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn checkpoint(
    State(app): State<AppState>,
    _: Officer,
) -> Result<(HeaderMap, String), Problem> {
    let note = app.audit.checkpoint_note()?;
    let disposition =
        HeaderValue::from_static("attachment; filename=\"cloister-audit-checkpoint.txt\"");
    Ok((
        HeaderMap::from_iter([(header::CONTENT_DISPOSITION, disposition)]),
        note,
    ))
}

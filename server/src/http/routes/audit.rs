//! The audit log, for compliance officers.

use crate::app::audit::{EntriesView, ReplayView, VerificationView};
use crate::app::audit_export::ExportFormat;
use crate::app::audit_overview::AuditOverview;
use crate::app::{AppState, ErrorCode};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::Officer;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use cloister_audit::{EntryFilter, EventKind, Outcome};
use cloister_domain::Timestamp;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// Which entries are listed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EntriesQuery {
    /// A kind, such as `question.answered`.
    #[param(value_type = Option<String>)]
    kind: Option<EventKind>,
    /// Several kinds, separated by commas.
    kinds: Option<String>,
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
    /// A position in the log: only older entries.
    before: Option<u64>,
}

impl EntriesQuery {
    fn parse(self) -> HttpResult<EntryFilter> {
        Ok(EntryFilter {
            kinds: self
                .kind
                .into_iter()
                .chain(parse_kinds(self.kinds)?)
                .collect(),
            outcome: self.outcome,
            actor: non_empty(self.actor),
            text: non_empty(self.text),
            request: non_empty(self.request),
            from: parse_time(self.from)?,
            until: parse_time(self.until)?,
            before: self.before,
        })
    }
}

fn parse_kinds(names: Option<String>) -> HttpResult<Vec<EventKind>> {
    let names = names.unwrap_or_default();
    let mut kinds = Vec::new();
    for name in names.split(',').filter(|name| !name.is_empty()) {
        let kind = EventKind::ALL.iter().find(|kind| kind.as_str() == name);
        let Some(kind) = kind else {
            let detail = format!("`{name}` is no kind of entry");
            return Err(ErrorCode::Invalid.with_detail(detail).into());
        };
        kinds.push(*kind);
    }
    Ok(kinds)
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}

fn parse_time(text: Option<String>) -> HttpResult<Option<Timestamp>> {
    match non_empty(text) {
        None => Ok(None),
        Some(text) => match Timestamp::parse(&text) {
            Ok(time) => Ok(Some(time)),
            Err(cause) => Err(ErrorCode::Invalid.with_detail(cause).into()),
        },
    }
}

/// Checkpoints that were kept outside the appliance.
#[derive(Deserialize, ToSchema)]
pub struct ExternalCheckpoints {
    #[serde(default)]
    checkpoints: Vec<String>,
}

/// Lists entries, newest first, 100 at a time. The list is an audit record itself.
#[utoipa::path(get, path = "/audit", tag = "compliance", params(EntriesQuery),
    responses((status = 200, body = EntriesView), (status = 403, body = Problem)))]
pub async fn list(
    State(app): State<AppState>,
    Officer(by): Officer,
    Query(query): Query<EntriesQuery>,
) -> HttpResult<Json<EntriesView>> {
    Ok(Json(app.audit_entries(&by.caller, query.parse()?).await?))
}

/// What an officer looks at first. Viewing it is an audit record itself.
#[utoipa::path(get, path = "/audit/overview", tag = "compliance",
    responses((status = 200, body = AuditOverview), (status = 403, body = Problem)))]
pub async fn overview(
    State(app): State<AppState>,
    Officer(by): Officer,
) -> HttpResult<Json<AuditOverview>> {
    Ok(Json(app.audit_overview(&by.caller).await?))
}

/// Replays an answer with the permissions that its asker has today, and compares. The replay is an
/// audit record.
#[utoipa::path(post, path = "/audit/replays/{receipt}", tag = "compliance",
    params(("receipt" = String, Path)),
    responses((status = 200, body = ReplayView), (status = 404, body = Problem)))]
pub async fn replay(
    State(app): State<AppState>,
    Officer(by): Officer,
    Path(receipt): Path<String>,
) -> HttpResult<Json<ReplayView>> {
    Ok(Json(app.replay_answer(&by.caller, &receipt).await?.into()))
}

/// Verifies the log, and compares it with external checkpoints.
#[utoipa::path(post, path = "/audit/verification", tag = "compliance",
    request_body = ExternalCheckpoints,
    responses((status = 200, body = VerificationView), (status = 422, body = Problem)))]
pub async fn verify(
    State(app): State<AppState>,
    Officer(by): Officer,
    Json(external): Json<ExternalCheckpoints>,
) -> HttpResult<Json<VerificationView>> {
    let view = app
        .verify_audit_view(&by.caller, external.checkpoints)
        .await?;
    Ok(Json(view))
}

/// The newest checkpoint, to be kept outside the appliance.
#[utoipa::path(get, path = "/audit/checkpoint", tag = "compliance",
    responses((status = 200, body = String, content_type = "text/plain")))]
pub async fn checkpoint(State(app): State<AppState>, Officer(by): Officer) -> HttpResult<Response> {
    let note = app.take_checkpoint(&by.caller).await?;
    let disposition = "attachment; filename=\"cloister-audit-checkpoint.txt\"";
    Ok(([(header::CONTENT_DISPOSITION, disposition)], note).into_response())
}

/// The format of an export.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    #[param(inline)]
    format: ExportFormat,
}

/// All entries that match, oldest first, one in each line. The export is an audit record itself.
#[utoipa::path(get, path = "/audit/export", tag = "compliance", params(ExportQuery, EntriesQuery),
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = 403, body = Problem)))]
pub async fn export(
    State(app): State<AppState>,
    Officer(by): Officer,
    Query(ExportQuery { format }): Query<ExportQuery>,
    Query(query): Query<EntriesQuery>,
) -> HttpResult<Response> {
    let export = app
        .export_audit_log(&by.caller, query.parse()?, format)
        .await?;
    let lines = futures_util::stream::try_unfold((app, export), async |(app, mut export)| {
        let lines = app.next_export_lines(&mut export).await;
        let lines = lines.map_err(|cause| std::io::Error::other(cause.to_string()))?;
        Ok::<_, std::io::Error>(lines.map(|lines| (lines, (app, export))))
    });
    let file = format!(
        "attachment; filename=\"cloister-audit.{}\"",
        format.extension()
    );
    let headers = [
        (header::CONTENT_TYPE, format.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, file),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

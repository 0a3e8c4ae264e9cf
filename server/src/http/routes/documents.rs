//! Documents and their pages.

use crate::app::documents::{PageView, RevisionView};
use crate::app::{AppState, PageImage, PagePlace};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::SignedIn;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

/// The cited place: a passage and a range of its text.
#[derive(Clone, Copy, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct CitedPlace {
    passage: Option<i64>,
    /// The first byte of the quote in the text of the passage.
    start: Option<usize>,
    /// One past its last byte.
    end: Option<usize>,
}

/// The ticket of a page that was opened.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImageQuery {
    ticket: String,
    /// The resolution in dots per inch.
    dpi: Option<u32>,
}

/// Lists the documents that this person may read.
#[utoipa::path(get, path = "/documents", tag = "documents",
    responses((status = 200, body = Vec<RevisionView>)))]
pub async fn list(
    State(app): State<AppState>,
    signed_in: SignedIn,
) -> HttpResult<Json<Vec<RevisionView>>> {
    Ok(Json(app.documents(&signed_in.person).await?))
}

/// Opens a page with the cited place. Every view is an audit record.
#[utoipa::path(get, path = "/revisions/{id}/pages/{number}", tag = "documents",
    params(("id" = i64, Path), ("number" = u32, Path), CitedPlace),
    responses((status = 200, body = PageView), (status = 404, body = Problem)))]
pub async fn page(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Path((revision, page)): Path<(i64, u32)>,
    Query(cited): Query<CitedPlace>,
) -> HttpResult<Json<PageView>> {
    let CitedPlace {
        passage,
        start,
        end,
    } = cited;
    let place = PagePlace {
        revision,
        page,
        passage,
        start,
        end,
    };
    let SignedIn {
        caller,
        person,
        session,
        ..
    } = signed_in;
    Ok(Json(
        app.open_page(&caller, &person, &session, place).await?,
    ))
}

/// The image of a page that was opened, drawn in a sandboxed process.
#[utoipa::path(get, path = "/revisions/{id}/pages/{number}/image", tag = "documents",
    params(("id" = i64, Path), ("number" = u32, Path), ImageQuery),
    responses((status = 200, body = Vec<u8>, content_type = "image/png")))]
pub async fn image(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Path((revision, page)): Path<(i64, u32)>,
    Query(query): Query<ImageQuery>,
) -> HttpResult<Response> {
    let image = PageImage {
        revision,
        page,
        ticket: query.ticket,
        dpi: query.dpi,
    };
    let SignedIn {
        person, session, ..
    } = signed_in;
    let png = app.page_image(&person, &session, image).await?;
    Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
}

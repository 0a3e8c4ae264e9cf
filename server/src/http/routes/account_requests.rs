//! Changes of accounts that wait for another administrator.

use crate::app::AppState;
use crate::app::account_requests::{AccountRequestView, Approval};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::{Administrator, RecentAdministrator};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cloister_domain::AccountRequestId;

/// Lists the changes that wait, the oldest first.
#[utoipa::path(get, path = "/account-requests", tag = "administration",
    responses((status = 200, body = Vec<AccountRequestView>)))]
pub async fn list(
    State(app): State<AppState>,
    _: Administrator,
) -> HttpResult<Json<Vec<AccountRequestView>>> {
    Ok(Json(app.account_requests().await?))
}

/// Approves a change that another administrator requested, and makes it.
#[utoipa::path(post, path = "/account-requests/{id}", tag = "administration",
    responses((status = 200, body = Approval), (status = 403, body = Problem),
              (status = 404, body = Problem)))]
pub async fn approve(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path(id): Path<i64>,
) -> HttpResult<Json<Approval>> {
    let id = AccountRequestId(id);
    let approval = app
        .approve_account_request(&by.caller, &by.person, id)
        .await?;
    Ok(Json(approval))
}

/// Withdraws or rejects a change.
#[utoipa::path(delete, path = "/account-requests/{id}", tag = "administration",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn withdraw(
    State(app): State<AppState>,
    RecentAdministrator(by): RecentAdministrator,
    Path(id): Path<i64>,
) -> HttpResult<StatusCode> {
    app.withdraw_account_request(&by.caller, AccountRequestId(id))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

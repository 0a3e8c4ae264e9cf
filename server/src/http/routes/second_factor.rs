//! A person's own second factor.

use crate::app::AppState;
use crate::app::second_factor::{Enrolment, RecoveryCodes};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::{Enrolling, SignedIn};
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

/// The person's password.
#[derive(Deserialize, ToSchema)]
pub struct OwnPassword {
    password: String,
}

/// A code of the second factor.
#[derive(Deserialize, ToSchema)]
pub struct SecondFactorCode {
    code: String,
}

/// The person's password and a code of the second factor.
#[derive(Deserialize, ToSchema)]
pub struct SecondFactorRemoval {
    password: String,
    code: String,
}

/// Makes a secret for a second factor. It is in use after it was confirmed with a code.
#[utoipa::path(post, path = "/account/second-factor", tag = "account",
    request_body = OwnPassword,
    responses((status = 200, body = Enrolment), (status = 401, body = Problem),
              (status = 409, body = Problem)))]
pub async fn begin(
    State(app): State<AppState>,
    Enrolling { signed_in, .. }: Enrolling,
    Json(request): Json<OwnPassword>,
) -> HttpResult<Json<Enrolment>> {
    let SignedIn { caller, person, .. } = signed_in;
    let enrolment = app
        .begin_second_factor(&caller, &person, request.password)
        .await?;
    Ok(Json(enrolment))
}

/// Puts the second factor into use. The response has the recovery codes, which are not shown again.
#[utoipa::path(put, path = "/account/second-factor", tag = "account",
    request_body = SecondFactorCode,
    responses((status = 200, body = RecoveryCodes), (status = 401, body = Problem)))]
pub async fn confirm(
    State(app): State<AppState>,
    Enrolling { signed_in, .. }: Enrolling,
    Json(request): Json<SecondFactorCode>,
) -> HttpResult<Json<RecoveryCodes>> {
    let SignedIn { caller, person, .. } = signed_in;
    let codes = app
        .confirm_second_factor(&caller, &person, &request.code)
        .await?;
    Ok(Json(codes))
}

/// Removes one's own second factor.
#[utoipa::path(post, path = "/account/second-factor/removal", tag = "account",
    request_body = SecondFactorRemoval,
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn remove(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Json(request): Json<SecondFactorRemoval>,
) -> HttpResult<StatusCode> {
    let SignedIn { caller, person, .. } = signed_in;
    app.remove_own_second_factor(&caller, &person, request.password, &request.code)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes new recovery codes. Earlier ones no longer work. These are not shown again.
#[utoipa::path(post, path = "/account/recovery-codes", tag = "account",
    request_body = OwnPassword,
    responses((status = 200, body = RecoveryCodes), (status = 401, body = Problem),
              (status = 404, body = Problem)))]
pub async fn make_recovery_codes(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Json(request): Json<OwnPassword>,
) -> HttpResult<Json<RecoveryCodes>> {
    let SignedIn { caller, person, .. } = signed_in;
    let codes = app
        .make_recovery_codes(&caller, &person, request.password)
        .await?;
    Ok(Json(codes))
}

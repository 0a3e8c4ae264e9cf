//! A person's own account: password, sessions and API tokens.

use crate::app::account::AccountView;
use crate::app::api_tokens::CreatedToken;
use crate::app::{AppState, ErrorCode, NewToken};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::routes::second_factor::FactorProofRequest;
use crate::http::session::SignedIn;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cloister_domain::{SessionId, TokenId, TokenScope};
use serde::Deserialize;
use utoipa::ToSchema;

/// The present and the new password.
#[derive(Deserialize, ToSchema)]
pub struct PasswordChange {
    current: String,
    new: String,
}

/// The password, and the second factor if the person has one.
#[derive(Deserialize, ToSchema)]
pub struct SessionConfirmation {
    password: String,
    #[serde(flatten)]
    proof: FactorProofRequest,
}

/// An API token to create.
#[derive(Deserialize, ToSchema)]
pub struct NewTokenRequest {
    /// The person's password.
    password: String,
    /// A name, by which the person recognises the token.
    name: String,
    /// What it may be used for: `ask`, `documents`, `files`, `audit`.
    scopes: Vec<String>,
    /// The days of its validity.
    days: u64,
}

/// One's own account.
#[utoipa::path(get, path = "/account", tag = "account",
    responses((status = 200, body = AccountView), (status = 401, body = Problem)))]
pub async fn show(
    State(app): State<AppState>,
    signed_in: SignedIn,
) -> HttpResult<Json<AccountView>> {
    let SignedIn {
        person, session, ..
    } = signed_in;
    Ok(Json(app.account(&person, &session).await?))
}

/// Changes one's own password. The other sessions end.
#[utoipa::path(put, path = "/account/password", tag = "account", request_body = PasswordChange,
    responses((status = 204), (status = 401, body = Problem), (status = 422, body = Problem)))]
pub async fn change_password(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Json(change): Json<PasswordChange>,
) -> HttpResult<StatusCode> {
    let SignedIn {
        caller,
        person,
        session,
        ..
    } = signed_in;
    app.change_own_password(&caller, &person, &session, change.current, &change.new)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Confirms that the person of the session still uses it. Some routes need this after a while, and
/// say so with the error `reauthentication-needed`.
#[utoipa::path(put, path = "/session/confirmation", tag = "session",
    request_body = SessionConfirmation,
    responses((status = 204), (status = 401, body = Problem), (status = 429, body = Problem)))]
pub async fn confirm_session(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Json(confirmation): Json<SessionConfirmation>,
) -> HttpResult<StatusCode> {
    let SignedIn {
        caller,
        person,
        session,
        ..
    } = signed_in;
    let SessionConfirmation { password, proof } = confirmation;
    app.confirm_session(&caller, &person, &session, password, proof.into())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends all other sessions of one's own.
#[utoipa::path(delete, path = "/account/sessions", tag = "account", responses((status = 204)))]
pub async fn end_other_sessions(
    State(app): State<AppState>,
    signed_in: SignedIn,
) -> HttpResult<StatusCode> {
    let SignedIn {
        caller,
        person,
        session,
        ..
    } = signed_in;
    app.end_other_sessions(&caller, &person, &session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a session of one's own.
#[utoipa::path(delete, path = "/account/sessions/{id}", tag = "account",
    params(("id" = String, Path)),
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn end_session(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Path(id): Path<String>,
) -> HttpResult<StatusCode> {
    let SignedIn { caller, person, .. } = signed_in;
    app.end_own_session(&caller, &person, &SessionId(id))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Creates an API token. The response has its secret, which is not shown again.
#[utoipa::path(post, path = "/account/tokens", tag = "account", request_body = NewTokenRequest,
    responses((status = 201, body = CreatedToken), (status = 401, body = Problem),
              (status = 422, body = Problem)))]
pub async fn create_token(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Json(request): Json<NewTokenRequest>,
) -> HttpResult<(StatusCode, Json<CreatedToken>)> {
    let new = NewToken {
        password: request.password,
        name: request.name,
        scopes: parse_scopes(&request.scopes)?,
        days: request.days,
    };
    let SignedIn { caller, person, .. } = signed_in;
    let created = app.create_token(&caller, &person, new).await?;
    Ok((StatusCode::CREATED, Json(created)))
}

fn parse_scopes(names: &[String]) -> HttpResult<Vec<TokenScope>> {
    let mut scopes = Vec::new();
    for name in names {
        let scope: TokenScope = name
            .parse()
            .map_err(|cause| ErrorCode::Invalid.with_detail(cause))?;
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    Ok(scopes)
}

/// Revokes an API token of one's own.
#[utoipa::path(delete, path = "/account/tokens/{id}", tag = "account",
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn revoke_token(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Path(id): Path<i64>,
) -> HttpResult<StatusCode> {
    let SignedIn { caller, person, .. } = signed_in;
    app.revoke_token(&caller, &person, TokenId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

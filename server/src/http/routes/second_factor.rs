//! A person's own second factors.

use crate::app::second_factor::{Enrolment, RecoveryCodes};
use crate::app::security_keys::AddedSecurityKey;
use crate::app::{AppState, FactorProof, KeyChallengeView};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::{Enrolling, SignedIn};
use crate::security_keys::KeyResponse;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cloister_domain::SecurityKeyId;
use serde::Deserialize;
use serde_json::Value;
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

/// A second factor: a code, or the answer of a security key.
#[derive(Default, Deserialize, ToSchema)]
pub struct FactorProofRequest {
    /// A code of the authenticator app, or a recovery code.
    #[serde(default)]
    code: Option<String>,
    /// The answer of a security key.
    #[serde(default)]
    key: Option<KeyResponseRequest>,
}

/// The answer of a security key to a challenge.
#[derive(Deserialize, ToSchema)]
pub struct KeyResponseRequest {
    /// The ticket of the challenge.
    ticket: String,
    /// What `PublicKeyCredential.toJSON` returned.
    #[schema(value_type = Object)]
    credential: Value,
}

impl From<KeyResponseRequest> for KeyResponse {
    fn from(request: KeyResponseRequest) -> Self {
        let KeyResponseRequest { ticket, credential } = request;
        Self { ticket, credential }
    }
}

impl From<FactorProofRequest> for FactorProof {
    fn from(request: FactorProofRequest) -> Self {
        Self {
            code: request.code,
            key: request.key.map(KeyResponse::from),
        }
    }
}

/// The person's password and a second factor.
#[derive(Deserialize, ToSchema)]
pub struct ProvenPassword {
    password: String,
    #[serde(flatten)]
    proof: FactorProofRequest,
}

/// A security key to register.
#[derive(Deserialize, ToSchema)]
pub struct NewKeyRequest {
    /// A name, by which the person recognises the key.
    name: String,
    #[serde(flatten)]
    response: KeyResponseRequest,
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

/// Removes one's own authenticator app.
#[utoipa::path(post, path = "/account/second-factor/removal", tag = "account",
    request_body = ProvenPassword,
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn remove(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Json(request): Json<ProvenPassword>,
) -> HttpResult<StatusCode> {
    let SignedIn {
        caller,
        person,
        session,
        ..
    } = signed_in;
    let ProvenPassword { password, proof } = request;
    app.remove_own_app(&caller, &person, &session, password, proof.into())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a challenge with which a security key is registered.
#[utoipa::path(post, path = "/account/security-keys/challenge", tag = "account",
    request_body = ProvenPassword,
    responses((status = 200, body = KeyChallengeView), (status = 401, body = Problem),
              (status = 404, body = Problem)))]
pub async fn begin_key(
    State(app): State<AppState>,
    Enrolling { signed_in, .. }: Enrolling,
    Json(request): Json<ProvenPassword>,
) -> HttpResult<Json<KeyChallengeView>> {
    let SignedIn {
        caller,
        person,
        session,
        ..
    } = signed_in;
    let ProvenPassword { password, proof } = request;
    let challenge = app
        .begin_security_key(&caller, &person, &session, password, proof.into())
        .await?;
    Ok(Json(challenge))
}

/// Registers a security key that answered the challenge. If it is the first second factor, the
/// response has recovery codes, which are not shown again.
#[utoipa::path(post, path = "/account/security-keys", tag = "account",
    request_body = NewKeyRequest,
    responses((status = 201, body = AddedSecurityKey), (status = 401, body = Problem),
              (status = 409, body = Problem), (status = 422, body = Problem)))]
pub async fn add_key(
    State(app): State<AppState>,
    Enrolling { signed_in, .. }: Enrolling,
    Json(request): Json<NewKeyRequest>,
) -> HttpResult<(StatusCode, Json<AddedSecurityKey>)> {
    let SignedIn {
        caller,
        person,
        session,
        ..
    } = signed_in;
    let NewKeyRequest { name, response } = request;
    let added = app
        .add_security_key(&caller, &person, &session, &name, response.into())
        .await?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// Removes a security key of one's own.
#[utoipa::path(post, path = "/account/security-keys/{id}/removal", tag = "account",
    params(("id" = i64, Path)), request_body = ProvenPassword,
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub async fn remove_key(
    State(app): State<AppState>,
    signed_in: SignedIn,
    Path(id): Path<i64>,
    Json(request): Json<ProvenPassword>,
) -> HttpResult<StatusCode> {
    let SignedIn {
        caller,
        person,
        session,
        ..
    } = signed_in;
    let ProvenPassword { password, proof } = request;
    let key = SecurityKeyId(id);
    app.remove_security_key(&caller, &person, &session, key, password, proof.into())
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

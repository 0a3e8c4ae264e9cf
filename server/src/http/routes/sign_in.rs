//! Signing in and out, and the first administrator.

use crate::app::{AppState, Credentials, NewSession, SetupCommand};
use crate::http::json::Json;
use crate::http::problem::{HttpResult, Problem};
use crate::http::routes::second_factor::FactorProofRequest;
use crate::http::session::{Client, Device, Enrolling, PreviousSession, SignedIn, session_cookie};
use axum::extract::State;
use axum::http::StatusCode;
use axum_extra::extract::CookieJar;
use cloister_domain::Principal;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;

/// The person who is signed in.
#[derive(Debug, Serialize, ToSchema)]
pub struct CurrentPerson {
    /// The id.
    id: i64,
    /// The name to sign in with.
    name: String,
    /// `staff`, `administrator`, `compliance-officer`.
    roles: Vec<String>,
    /// Seconds after which the session ends if there is no other request.
    expires_in_s: u64,
    /// Seconds after which the session ends in any case.
    ends_in_s: u64,
    /// Seconds for which a request prolongs the session.
    idle_s: u64,
    /// Whether the person must set up a second factor before anything else.
    lacks_second_factor: bool,
}

impl CurrentPerson {
    fn new(
        app: &AppState,
        person: &Principal,
        lacks_second_factor: bool,
        expires_in: Duration,
        ends_in: Duration,
    ) -> Self {
        Self {
            lacks_second_factor,
            id: person.user.0,
            name: person.name.clone(),
            roles: person.roles.iter().map(ToString::to_string).collect(),
            expires_in_s: expires_in.as_secs(),
            ends_in_s: ends_in.as_secs(),
            idle_s: app.config.session_idle().as_secs(),
        }
    }
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[schema(as = Credentials)]
pub struct SignInRequest {
    name: String,
    password: String,
    /// The second factor. If it is needed and absent, the error is `second-factor-needed`: send the
    /// name and the password again with it.
    #[serde(flatten)]
    proof: FactorProofRequest,
}

/// The first administrator.
#[derive(Deserialize, ToSchema)]
pub struct SetupRequest {
    /// The secret in the setup link.
    link: String,
    name: String,
    password: String,
    /// Whether the person also asks questions about the present collections.
    also_staff: bool,
}

/// A session that has begun: its cookie and its person.
type SignedInResponse = (CookieJar, Json<CurrentPerson>);

fn with_cookie(app: &AppState, session: NewSession) -> SignedInResponse {
    let ends_in = app.config.session_max();
    let expires_in = app.config.session_idle().min(ends_in);
    let lacks_second_factor = session.lacks_second_factor;
    let person = CurrentPerson::new(
        app,
        &session.person,
        lacks_second_factor,
        expires_in,
        ends_in,
    );
    let cookies = CookieJar::new().add(session_cookie(session.secret));
    (cookies, Json(person))
}

/// Signs a person in.
#[utoipa::path(post, path = "/session", tag = "session", request_body = SignInRequest,
    responses((status = 200, body = CurrentPerson), (status = 401, body = Problem),
              (status = 429, body = Problem), (status = 503, body = Problem)))]
pub async fn sign_in(
    State(app): State<AppState>,
    Client(client): Client,
    Device(device): Device,
    PreviousSession(previous_session): PreviousSession,
    Json(request): Json<SignInRequest>,
) -> HttpResult<SignedInResponse> {
    let SignInRequest {
        name,
        password,
        proof,
    } = request;
    let credentials = Credentials {
        name,
        password,
        proof: proof.into(),
        device,
        previous_session,
    };
    let session = app.sign_in(&client, credentials).await?;
    Ok(with_cookie(&app, session))
}

/// The person who is signed in.
#[utoipa::path(get, path = "/session", tag = "session",
    responses((status = 200, body = CurrentPerson), (status = 401, body = Problem)))]
pub async fn current_person(
    State(app): State<AppState>,
    Enrolling {
        signed_in,
        lacks_second_factor,
    }: Enrolling,
) -> Json<CurrentPerson> {
    let SignedIn {
        person,
        expires_in,
        ends_in,
        ..
    } = signed_in;
    Json(CurrentPerson::new(
        &app,
        &person,
        lacks_second_factor,
        expires_in,
        ends_in,
    ))
}

/// Ends the session.
#[utoipa::path(delete, path = "/session", tag = "session",
    responses((status = 204), (status = 401, body = Problem)))]
pub async fn sign_out(
    State(app): State<AppState>,
    Enrolling { signed_in, .. }: Enrolling,
) -> HttpResult<StatusCode> {
    app.sign_out(&signed_in.caller, &signed_in.session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds the first administrator with the setup link.
#[utoipa::path(post, path = "/setup", tag = "session", request_body = SetupRequest,
    responses((status = 200, body = CurrentPerson), (status = 410, body = Problem)))]
pub async fn set_up(
    State(app): State<AppState>,
    Client(client): Client,
    Device(device): Device,
    Json(request): Json<SetupRequest>,
) -> HttpResult<SignedInResponse> {
    let SetupRequest {
        link,
        name,
        password,
        also_staff,
    } = request;
    let setup = SetupCommand {
        link,
        name,
        password,
        also_staff,
        device,
    };
    let session = app.set_up(&client, setup).await?;
    Ok(with_cookie(&app, session))
}

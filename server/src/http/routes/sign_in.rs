//! Signing in and out, and the first administrator.

use crate::app::{AppState, NewSession, SetupCommand};
use crate::http::problem::{HttpResult, Problem};
use crate::http::session::{Client, SignedIn, session_cookie};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum_extra::extract::CookieJar;
use cloister_domain::Principal;
use serde::{Deserialize, Serialize};
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
}

impl From<&Principal> for CurrentPerson {
    fn from(person: &Principal) -> Self {
        Self {
            id: person.user.0,
            name: person.name.clone(),
            roles: person.roles.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
pub struct Credentials {
    name: String,
    password: String,
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

fn with_cookie(session: NewSession) -> SignedInResponse {
    let person = CurrentPerson::from(&session.person);
    let cookies = CookieJar::new().add(session_cookie(session.secret));
    (cookies, Json(person))
}

/// Signs a person in.
#[utoipa::path(post, path = "/session", tag = "session", request_body = Credentials,
    responses((status = 200, body = CurrentPerson), (status = 401, body = Problem)))]
pub async fn sign_in(
    State(app): State<AppState>,
    Client(client): Client,
    Json(credentials): Json<Credentials>,
) -> HttpResult<SignedInResponse> {
    let Credentials { name, password } = credentials;
    Ok(with_cookie(app.sign_in(&client, &name, password).await?))
}

/// The person who is signed in.
#[utoipa::path(get, path = "/session", tag = "session",
    responses((status = 200, body = CurrentPerson), (status = 401, body = Problem)))]
pub async fn current_person(signed_in: SignedIn) -> Json<CurrentPerson> {
    Json(CurrentPerson::from(&signed_in.person))
}

/// Ends the session.
#[utoipa::path(delete, path = "/session", tag = "session",
    responses((status = 204), (status = 401, body = Problem)))]
pub async fn sign_out(State(app): State<AppState>, signed_in: SignedIn) -> HttpResult<StatusCode> {
    app.sign_out(&signed_in.caller, &signed_in.session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Adds the first administrator with the setup link.
#[utoipa::path(post, path = "/setup", tag = "session", request_body = SetupRequest,
    responses((status = 200, body = CurrentPerson), (status = 410, body = Problem)))]
pub async fn set_up(
    State(app): State<AppState>,
    Client(client): Client,
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
    };
    Ok(with_cookie(app.set_up(&client, setup).await?))
}

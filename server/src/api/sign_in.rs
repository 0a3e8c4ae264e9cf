//! Signing in and out, and making the first administrator.

use super::problem::{Problem, ProblemCode};
use super::session::{COOKIE_NAME, Origin, SignedIn};
use crate::app::AppState;
use crate::passwords;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use cloister_audit::{Actor, Event, EventKind, Outcome};
use cloister_domain::{Principal, Role, SessionId, UserId};
use cloister_store::{NewUser, Session, SignInRecord};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// Who is signed in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The person's id.
    pub id: i64,
    /// The name they sign in with.
    pub name: String,
    /// `staff`, `administrator`, `compliance-officer`.
    pub roles: Vec<String>,
}

impl From<&Principal> for Me {
    fn from(person: &Principal) -> Self {
        let roles = person.roles.iter().map(ToString::to_string).collect();
        Self {
            id: person.user.0,
            name: person.name.clone(),
            roles,
        }
    }
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
pub struct Credentials {
    name: String,
    password: String,
}

/// What the one-time link makes.
#[derive(Deserialize, ToSchema)]
pub struct Setup {
    /// The secret in the link.
    link: String,
    name: String,
    password: String,
    /// Whether they also ask questions, of the collections that are there now.
    also_staff: bool,
}

type WithCookie = (HeaderMap, Json<Me>);

/// Signs a person in.
#[utoipa::path(post, path = "/api/v1/session", tag = "session", request_body = Credentials,
    responses((status = 200, body = Me), (status = 401, body = Problem)))]
pub async fn sign_in(
    State(app): State<AppState>,
    origin: Origin,
    Json(given): Json<Credentials>,
) -> Result<WithCookie, Problem> {
    let record = app.store.sign_in_record(&given.name).await?;
    let now = app.clock.now();
    if let Some(until) = record
        .as_ref()
        .and_then(|r| r.locked_until)
        .filter(|until| *until > now)
    {
        log_sign_in(&app, &origin, &given.name, record.as_ref(), Some("locked")).await?;
        let seconds = until.since(now).as_secs() + 1;
        let mut problem =
            ProblemCode::Locked.because(format!("Try again in {} minutes", seconds.div_ceil(60)));
        problem.retry_after_s = Some(seconds);
        return Err(problem);
    }
    let hash = match &record {
        Some(known) => known.password_hash.clone(),
        None => passwords::nobody().to_owned(),
    };
    let right = check_password(given.password, hash).await?;
    let Some(known) = record.as_ref().filter(|known| right && !known.disabled) else {
        refuse(&app, &origin, &given.name, record.as_ref()).await?;
        return Err(ProblemCode::WrongPassword.into());
    };
    log_sign_in(&app, &origin, &given.name, Some(known), None).await?;
    begin_session(&app, known.user).await
}

/// Counts a wrong password, and locks the name after too many.
async fn refuse(
    app: &AppState,
    origin: &Origin,
    name: &str,
    record: Option<&SignInRecord>,
) -> Result<(), Problem> {
    if let Some(known) = record {
        let too_many = known.failed_tries + 1 >= app.config.session.wrong_passwords;
        let pause = std::time::Duration::from_secs(app.config.session.locked_minutes * 60);
        let until = too_many.then(|| app.clock.now().plus(pause));
        app.store.note_failed_try(known.user, until).await?;
    }
    log_sign_in(app, origin, name, record, Some("wrong name or password")).await
}

async fn log_sign_in(
    app: &AppState,
    origin: &Origin,
    name: &str,
    record: Option<&SignInRecord>,
    refused: Option<&str>,
) -> Result<(), Problem> {
    // What someone unknown typed may be a password in the wrong field.
    let shown = if record.is_some() { name } else { "unknown" };
    app.audit
        .append(Event {
            kind: EventKind::SignedIn,
            outcome: if refused.is_some() {
                Outcome::Failure
            } else {
                Outcome::Success
            },
            actor: Actor {
                user: record.map(|r| r.user),
                name: shown.to_owned(),
            },
            origin: origin.address.clone(),
            request: Some(origin.request.clone()),
            detail: json!({ "refused": refused }),
        })
        .await?;
    Ok(())
}

/// Hashing takes a core for a while, so it leaves the threads that serve.
async fn check_password(password: String, hash: String) -> Result<bool, Problem> {
    tokio::task::spawn_blocking(move || passwords::matches(&password, &hash))
        .await
        .map_err(Problem::internal)
}

async fn begin_session(app: &AppState, user: UserId) -> Result<WithCookie, Problem> {
    let secret = passwords::secret(&*app.entropy)?;
    let now = app.clock.now();
    let session = Session {
        id: SessionId(passwords::fingerprint(&secret)),
        user,
        created_at: now,
        last_seen_at: now,
        expires_at: now.plus(app.config.session_longest()),
    };
    app.store.begin_session(&session).await?;
    let person = app.store.user(user).await?.ok_or(ProblemCode::SignedOut)?;
    Ok((cookie(&secret)?, Json(Me::from(&Principal::from(person)))))
}

fn cookie(secret: &str) -> Result<HeaderMap, Problem> {
    let value = format!("{COOKIE_NAME}={secret}; Path=/; Secure; HttpOnly; SameSite=Strict");
    let value = HeaderValue::from_str(&value).map_err(Problem::internal)?;
    Ok(HeaderMap::from_iter([(header::SET_COOKIE, value)]))
}

/// Says who is signed in.
#[utoipa::path(get, path = "/api/v1/session", tag = "session",
    responses((status = 200, body = Me), (status = 401, body = Problem)))]
pub async fn me(person: SignedIn) -> Json<Me> {
    Json(Me::from(&person.principal))
}

/// Signs out.
#[utoipa::path(delete, path = "/api/v1/session", tag = "session",
    responses((status = 204), (status = 401, body = Problem)))]
pub async fn sign_out(
    State(app): State<AppState>,
    person: SignedIn,
) -> Result<StatusCode, Problem> {
    app.audit
        .append(person.event(EventKind::SignedOut, json!({})))
        .await?;
    app.store.end_session(&person.session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes the first administrator, with the one-time link.
#[utoipa::path(post, path = "/api/v1/setup", tag = "session", request_body = Setup,
    responses((status = 200, body = Me), (status = 410, body = Problem)))]
pub async fn set_up(
    State(app): State<AppState>,
    origin: Origin,
    Json(given): Json<Setup>,
) -> Result<WithCookie, Problem> {
    let roles = if given.also_staff {
        vec![Role::Administrator, Role::Staff]
    } else {
        vec![Role::Administrator]
    };
    let password_hash = passwords::hash(&given.password, &*app.entropy)
        .map_err(|cause| ProblemCode::Invalid.because(cause))?;
    let new = NewUser {
        name: given.name,
        password_hash,
        roles,
    };
    let link = passwords::fingerprint(&given.link);
    let actor = Actor {
        user: None,
        name: new.name.clone(),
    };
    let event = Event {
        kind: EventKind::FirstAdministrator,
        outcome: Outcome::Success,
        actor,
        origin: origin.address.clone(),
        request: Some(origin.request.clone()),
        detail: json!({ "also_staff": given.also_staff }),
    };
    let make = async {
        let made = app
            .store
            .add_first_administrator(&link, &new, app.clock.now())
            .await?;
        made.ok_or_else(|| {
            ProblemCode::SetupLinkSpent
                .because("Start the appliance anew, or run `cloister setup-link`, for a new one")
        })
    };
    let user = app.logged(event, make).await?;
    if given.also_staff {
        grant_what_is_there(&app, &origin, user).await?;
    }
    begin_session(&app, user).await
}

/// A group for the first person, with the collections that are there, so that a newcomer can ask
/// the sample library at once.
async fn grant_what_is_there(app: &AppState, origin: &Origin, user: UserId) -> Result<(), Problem> {
    let group = app
        .store
        .add_group("First readers", app.clock.now())
        .await?;
    app.store.join_group(group, user).await?;
    for collection in app.store.collections().await? {
        let detail = json!({ "collection": collection.name, "group": "First readers" });
        let event = Event::by_appliance(EventKind::AccessGranted, detail);
        let event = Event {
            request: Some(origin.request.clone()),
            ..event
        };
        app.logged(event, app.store.grant(collection.id, group))
            .await?;
    }
    Ok(())
}

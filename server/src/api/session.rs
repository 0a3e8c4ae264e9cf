//! Who is asking: extractors that an endpoint takes to say whom it serves.

use super::problem::{Problem, ProblemCode};
use crate::app::AppState;
use crate::passwords;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use cloister_audit::{Actor, Event, EventKind, Outcome};
use cloister_domain::{Principal, SessionId};
use cloister_policies::Question;
use std::net::SocketAddr;
use std::time::Duration;

/// The session's cookie. The prefix makes browsers refuse it without `Secure` and `Path=/`.
pub const COOKIE_NAME: &str = "__Host-cloister";
/// A session's last use is written down no more often than this.
const TOUCH: Duration = Duration::from_secs(30);

/// Where a request comes from and what joins its events.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The client's address.
    pub address: String,
    /// A random id of this request.
    pub request: String,
}

/// Someone with a session.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// Who, as of this request.
    pub principal: Principal,
    /// Their session.
    pub session: SessionId,
    /// Where the request comes from.
    pub origin: Origin,
}

/// Someone who may administer.
#[derive(Clone, Debug)]
pub struct Administrator(pub SignedIn);

/// Someone who may review the audit log.
#[derive(Clone, Debug)]
pub struct Officer(pub SignedIn);

impl SignedIn {
    /// An event of theirs.
    pub fn event(&self, kind: EventKind, detail: serde_json::Value) -> Event {
        Event {
            kind,
            outcome: Outcome::Success,
            actor: Actor::from(&self.principal),
            origin: self.origin.address.clone(),
            request: Some(self.origin.request.clone()),
            detail,
        }
    }

    async fn must(self, app: &AppState, question: Question<'_>) -> Result<Self, Problem> {
        if app.policies.decide(&self.principal, &question)?.allowed {
            return Ok(self);
        }
        let asked = format!("{question:?}");
        let denied = self.event(
            EventKind::AccessDenied,
            serde_json::json!({ "asked": asked }),
        );
        app.audit
            .append(Event {
                outcome: Outcome::Denied,
                ..denied
            })
            .await?;
        Err(ProblemCode::Forbidden.into())
    }
}

impl FromRequestParts<AppState> for Origin {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let client = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let address = client.map_or_else(|| "unknown".to_owned(), |c| c.0.ip().to_string());
        Ok(Self {
            address,
            request: app.request_id()?,
        })
    }
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let origin = Origin::from_request_parts(parts, app).await?;
        let secret = cookie(parts).ok_or(ProblemCode::SignedOut)?;
        let session = SessionId(passwords::fingerprint(secret));
        let principal = resume(app, &session).await?;
        Ok(Self {
            principal,
            session,
            origin,
        })
    }
}

impl FromRequestParts<AppState> for Administrator {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let person = SignedIn::from_request_parts(parts, app).await?;
        person.must(app, Question::Administer).await.map(Self)
    }
}

impl FromRequestParts<AppState> for Officer {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        let person = SignedIn::from_request_parts(parts, app).await?;
        person.must(app, Question::Review).await.map(Self)
    }
}

fn cookie(parts: &Parts) -> Option<&str> {
    let headers = parts.headers.get_all(COOKIE).iter();
    let pairs = headers
        .filter_map(|value| value.to_str().ok())
        .flat_map(|v| v.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(name, _)| *name == COOKIE_NAME)
        .map(|(_, value)| value)
}

/// The person of a session that is still good.
async fn resume(app: &AppState, id: &SessionId) -> Result<Principal, Problem> {
    let now = app.clock.now();
    let session = app.store.session(id).await?.ok_or(ProblemCode::SignedOut)?;
    let idle = now.since(session.last_seen_at) > app.config.session_idle();
    if idle || now >= session.expires_at {
        app.store.end_session(id).await?;
        return Err(ProblemCode::SignedOut
            .because("The session has ended. Sign in again; what you typed is still here"));
    }
    if now.since(session.last_seen_at) > TOUCH {
        app.store.touch_session(id, now).await?;
    }
    let user = app.store.user(session.user).await?;
    let user = user
        .filter(|user| !user.disabled)
        .ok_or(ProblemCode::SignedOut)?;
    Ok(user.into())
}

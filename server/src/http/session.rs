//! Extractors that identify and authorise the person of a request. A route takes one of them.

use super::listener::ClientAddress;
use super::problem::{HttpResult, Problem};
use crate::app::{AppState, Caller, ErrorCode, SessionUse};
use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use cloister_audit::Actor;
use cloister_domain::{Principal, SessionId};
use cloister_policies::AuthorizationRequest;
use std::time::Duration;

/// The name of the session cookie. Browsers refuse a cookie with this prefix without `Secure` and
/// `Path=/`.
const COOKIE_NAME: &str = "__Host-cloister";

/// The session cookie with this secret.
pub fn session_cookie(secret: String) -> Cookie<'static> {
    Cookie::build((COOKIE_NAME, secret))
        .path("/")
        .secure(true)
        .http_only(true)
        .same_site(SameSite::Strict)
        .build()
}

/// The header of requests that the interface sends by itself. They do not prolong the session.
const BACKGROUND: HeaderName = HeaderName::from_static("x-cloister-background");

/// The client of a request that needs no session.
#[derive(Clone, Debug)]
pub struct Client(pub Caller);

/// The secret of the session that the browser has, valid or not.
#[derive(Clone, Debug)]
pub struct PreviousSession(pub Option<String>);

/// A person with a session.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The person, read for this request.
    pub person: Principal,
    /// The session.
    pub session: SessionId,
    /// After this time without another request the session ends.
    pub expires_in: Duration,
    /// After this time the session ends even if it is used.
    pub ends_in: Duration,
    /// The person as the audit log names them.
    pub caller: Caller,
}

/// A person who may administer.
#[derive(Clone, Debug)]
pub struct Administrator(pub SignedIn);

/// A person who may review the audit log.
#[derive(Clone, Debug)]
pub struct Officer(pub SignedIn);

impl FromRequestParts<AppState> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> HttpResult<Self> {
        let address = parts.extensions.get::<ClientAddress>();
        Ok(Self(Caller {
            actor: Actor {
                user: None,
                name: "unknown".into(),
            },
            origin: address.map_or_else(|| "unknown".into(), |address| address.0.to_string()),
            request: Some(app.request_id()?),
        }))
    }
}

fn session_secret(parts: &Parts) -> Option<String> {
    let cookies = CookieJar::from_headers(&parts.headers);
    Some(cookies.get(COOKIE_NAME)?.value().to_owned())
}

impl FromRequestParts<AppState> for PreviousSession {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _app: &AppState,
    ) -> Result<Self, Self::Rejection> {
        Ok(Self(session_secret(parts)))
    }
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> HttpResult<Self> {
        let Client(client) = Client::from_request_parts(parts, app).await?;
        let secret = session_secret(parts).ok_or(ErrorCode::SignedOut)?;
        let by = if parts.headers.contains_key(BACKGROUND) {
            SessionUse::Background
        } else {
            SessionUse::ByPerson
        };
        let resumed = app.resume_session(&secret, by).await?;
        Ok(Self {
            caller: Caller {
                actor: Actor::from(&resumed.person),
                ..client
            },
            person: resumed.person,
            session: resumed.id,
            expires_in: resumed.expires_in,
            ends_in: resumed.ends_in,
        })
    }
}

impl SignedIn {
    async fn require(self, app: &AppState, action: AuthorizationRequest<'_>) -> HttpResult<Self> {
        app.authorize(&self.caller, &self.person, action).await?;
        Ok(self)
    }
}

impl FromRequestParts<AppState> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> HttpResult<Self> {
        let person = SignedIn::from_request_parts(parts, app).await?;
        person
            .require(app, AuthorizationRequest::Administer)
            .await
            .map(Self)
    }
}

impl FromRequestParts<AppState> for Officer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> HttpResult<Self> {
        let person = SignedIn::from_request_parts(parts, app).await?;
        person
            .require(app, AuthorizationRequest::Review)
            .await
            .map(Self)
    }
}

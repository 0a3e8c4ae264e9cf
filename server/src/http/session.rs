//! Extractors that identify and authorise the person of a request. A route takes one of them.
//!
//! A person has a session, which the cookie names, or a program of theirs has an API token. A group of
//! routes says which scope a token needs ([`TokenScope`] as an extension). Without one, tokens are
//! refused.

use super::listener::ClientAddress;
use super::problem::{HttpResult, Problem};
use crate::app::{AppState, Caller, ErrorCode, SessionUse, describe_device};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, header};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use cloister_audit::Actor;
use cloister_domain::{Principal, SessionId, TokenScope};
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

/// What the client says it is.
#[derive(Clone, Debug)]
pub struct Device(pub String);

/// A person with a session or an API token.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The person, read for this request.
    pub person: Principal,
    /// The session, or the token in its place.
    pub session: SessionId,
    /// After this time without another request the session ends.
    pub expires_in: Duration,
    /// After this time the session ends even if it is used.
    pub ends_in: Duration,
    /// Whether the person typed their password recently enough for a dangerous act.
    pub is_recent: bool,
    /// The person as the audit log names them.
    pub caller: Caller,
}

/// A person with a session who may have to set up a second factor first. Only the routes that this
/// needs take it.
#[derive(Clone, Debug)]
pub struct Enrolling {
    /// The person.
    pub signed_in: SignedIn,
    /// Whether the person must set up a second factor before anything else.
    pub lacks_second_factor: bool,
}

/// A person who may administer.
#[derive(Clone, Debug)]
pub struct Administrator(pub SignedIn);

/// A person who may administer, and who typed their password recently. Routes that change people,
/// groups and access take it.
#[derive(Clone, Debug)]
pub struct RecentAdministrator(pub SignedIn);

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

impl FromRequestParts<AppState> for Device {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        _app: &AppState,
    ) -> Result<Self, Self::Rejection> {
        let agent = parts.headers.get(header::USER_AGENT);
        let agent = agent.and_then(|agent| agent.to_str().ok());
        Ok(Self(describe_device(agent.unwrap_or_default())))
    }
}

/// The secret of the API token of a request.
fn bearer_secret(parts: &Parts) -> Option<String> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, secret) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| secret.trim().to_owned())
}

impl FromRequestParts<AppState> for Enrolling {
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
        let signed_in = SignedIn {
            caller: Caller {
                actor: Actor::from(&resumed.person),
                ..client
            },
            person: resumed.person,
            session: resumed.id,
            expires_in: resumed.expires_in,
            ends_in: resumed.ends_in,
            is_recent: resumed.is_recent,
        };
        Ok(Self {
            signed_in,
            lacks_second_factor: resumed.lacks_second_factor,
        })
    }
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> HttpResult<Self> {
        if let Some(secret) = bearer_secret(parts) {
            return Self::with_token(parts, app, &secret).await;
        }
        let Enrolling {
            signed_in,
            lacks_second_factor,
        } = Enrolling::from_request_parts(parts, app).await?;
        if lacks_second_factor {
            return Err(ErrorCode::SecondFactorMissing.into());
        }
        Ok(signed_in)
    }
}

impl SignedIn {
    async fn with_token(parts: &mut Parts, app: &AppState, secret: &str) -> HttpResult<Self> {
        let Client(client) = Client::from_request_parts(parts, app).await?;
        let scope = parts.extensions.get::<TokenScope>().copied();
        let resumed = app.resume_token(client, secret, scope).await?;
        Ok(Self {
            session: SessionId(format!("token {}", resumed.token.id)),
            person: resumed.person,
            expires_in: Duration::ZERO,
            ends_in: Duration::ZERO,
            is_recent: false,
            caller: resumed.caller,
        })
    }

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

impl FromRequestParts<AppState> for RecentAdministrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> HttpResult<Self> {
        let Administrator(person) = Administrator::from_request_parts(parts, app).await?;
        if !person.is_recent {
            return Err(ErrorCode::ReauthenticationNeeded.into());
        }
        Ok(Self(person))
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

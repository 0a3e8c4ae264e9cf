//! Extractors that identify and authorise the person of a request. A route takes one of them.

use super::problem::{HttpResult, Problem};
use crate::app::{AppState, Caller, ErrorCode};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
use cloister_audit::Actor;
use cloister_domain::{Principal, SessionId};
use cloister_policies::AuthorizationRequest;
use std::net::SocketAddr;

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

/// The client of a request that needs no session.
#[derive(Clone, Debug)]
pub struct Client(pub Caller);

/// A person with a session.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The person, read for this request.
    pub person: Principal,
    /// The session.
    pub session: SessionId,
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
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(Caller {
            actor: Actor {
                user: None,
                name: "unknown".into(),
            },
            origin: address.map_or_else(|| "unknown".into(), |address| address.ip().to_string()),
            request: Some(app.request_id()?),
        }))
    }
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> HttpResult<Self> {
        let Client(client) = Client::from_request_parts(parts, app).await?;
        let cookies = CookieJar::from_headers(&parts.headers);
        let cookie = cookies.get(COOKIE_NAME).ok_or(ErrorCode::SignedOut)?;
        let (session, person) = app.resume_session(cookie.value()).await?;
        Ok(Self {
            caller: Caller {
                actor: Actor::from(&person),
                ..client
            },
            person,
            session,
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

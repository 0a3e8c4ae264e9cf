//! Security headers of all responses, and the refusal of cross-site requests.

use super::problem::Problem;
use crate::app::ErrorCode;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Allows only the script and style of the appliance, and no frame around it. Text becomes markup only through
/// the templates of Svelte (Trusted Types).
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types svelte-trusted-html";

/// Browsers use HTTPS only for a year (RFC 6797).
const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000";

/// Refuses state-changing requests that a page of another site makes a browser send. The cookie is
/// `SameSite=Strict` as well. This check protects browsers that ignore that attribute.
pub async fn refuse_cross_site(request: Request, next: Next) -> Response {
    let is_safe = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    if !is_safe && is_cross_site(request.headers()) {
        let error = ErrorCode::Forbidden.with_detail("The request came from another site");
        return Problem::from(error).into_response();
    }
    next.run(request).await
}

fn is_cross_site(headers: &HeaderMap) -> bool {
    let value = |name: HeaderName| headers.get(name)?.to_str().ok();
    let site = value(HeaderName::from_static("sec-fetch-site"));
    if let Some(site) = site {
        return !matches!(site, "same-origin" | "none");
    }
    match value(header::ORIGIN) {
        Some(origin) => origin.strip_prefix("https://") != value(header::HOST),
        None => false,
    }
}

/// Whether the client calls the server `localhost`. All programs of a developer's machine share this
/// name, so browsers must not be told to use HTTPS for it.
fn is_for_localhost(request: &Request) -> bool {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok());
    let host = host.or_else(|| request.uri().host()).unwrap_or_default();
    host == "localhost" || host.starts_with("localhost:")
}

/// Adds the security headers.
pub async fn add(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let is_local = is_for_localhost(&request);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=()",
        ),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if !is_local {
        let name = header::STRICT_TRANSPORT_SECURITY;
        headers.insert(name, HeaderValue::from_static(STRICT_TRANSPORT_SECURITY));
    }
    if is_api {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

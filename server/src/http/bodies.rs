//! Reads the body of a request before the request is handled, within a time and a size.

use super::problem::HttpResult;
use crate::app::ErrorCode;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::time::Duration;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// The largest body: a question, or a few checkpoints.
const MAX_BODY_BYTES: usize = 256 * 1024;
/// The largest body of a request that needs no session: a name, a password and a link.
const MAX_ANONYMOUS_BODY_BYTES: usize = 4 * 1024;
/// The requests that need no session.
const ANONYMOUS: &[&str] = &["/api/v1/session", "/api/v1/setup", "/api/v1/activation"];

/// The beginning of the paths to which files are uploaded.
const UPLOADS: &str = "/api/v1/uploads/";

/// Collects the body. A client that sends it too slowly, or sends too much, gets an error.
pub async fn collect(request: Request, next: Next) -> Response {
    if is_upload(&request) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let limit = max_bytes(parts.uri.path());
    match read_body(body, limit, BODY_TIMEOUT).await {
        Ok(bytes) => {
            let request = Request::from_parts(parts, Body::from(bytes));
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// Whether the body is a file, which the use case reads part by part within limits of its own.
fn is_upload(request: &Request) -> bool {
    request.method() == Method::PUT && request.uri().path().starts_with(UPLOADS)
}

fn max_bytes(path: &str) -> usize {
    if ANONYMOUS.contains(&path) {
        MAX_ANONYMOUS_BODY_BYTES
    } else {
        MAX_BODY_BYTES
    }
}

async fn read_body(body: Body, limit: usize, timeout: Duration) -> HttpResult<Bytes> {
    match tokio::time::timeout(timeout, to_bytes(body, limit)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_too_long_or_broken)) => {
            let detail = format!("The request must have at most {limit} bytes");
            Err(ErrorCode::TooLarge.with_detail(detail).into())
        }
        Err(_elapsed) => Err(ErrorCode::Timeout.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use futures_util::stream::{self, StreamExt};
    use tower::ServiceExt;

    async fn status_of(path: &str, bytes: usize) -> u16 {
        let echo = post(|body: Bytes| async move { body });
        let router = Router::new()
            .route("/api/v1/session", echo.clone())
            .route("/other", echo)
            .layer(from_fn(collect));
        let request = Request::post(path)
            .body(Body::from(vec![0; bytes]))
            .unwrap();
        router.oneshot(request).await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn bodies_are_limited_by_size() {
        assert_eq!(status_of("/other", 100_000).await, 200);
        assert_eq!(status_of("/other", 300_000).await, 413);
        assert_eq!(status_of("/api/v1/session", 1000).await, 200);
        assert_eq!(status_of("/api/v1/session", 5000).await, 413);
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_refused() {
        let first = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{"))]);
        let body = Body::from_stream(first.chain(stream::pending()));
        let read = read_body(body, 100, Duration::from_millis(20)).await;
        assert_eq!(read.unwrap_err().into_response().status().as_u16(), 408);
    }
}

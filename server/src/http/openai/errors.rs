//! Problem documents as errors of the API of `OpenAI`.

use axum::Json;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// The largest problem document.
const MAX_PROBLEM_BYTES: usize = 64 * 1024;

/// Replaces the problem document of a failed request.
pub(super) async fn convert(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let retry_after = response.headers().get(header::RETRY_AFTER).cloned();
    let body = to_bytes(response.into_body(), MAX_PROBLEM_BYTES).await;
    let problem: Value = body
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    let mut converted = (status, Json(error(&problem))).into_response();
    if let Some(seconds) = retry_after {
        converted.headers_mut().insert(header::RETRY_AFTER, seconds);
    }
    converted
}

/// An error for a problem document, or for an error inside an answer.
pub(super) fn error(problem: &Value) -> Value {
    let text = |name: &str| problem.get(name).and_then(Value::as_str);
    let code = text("code").unwrap_or("unknown");
    let title = text("title").unwrap_or("Something went wrong");
    let message = match text("detail") {
        Some(detail) => format!("{title}. {detail}."),
        None => format!("{title}."),
    };
    json!({ "error": { "message": message, "type": code, "param": null, "code": code } })
}

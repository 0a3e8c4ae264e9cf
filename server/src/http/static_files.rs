//! The files of the web application, which are embedded into this program.

use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../web/dist"]
#[allow_missing = true]
struct WebFiles;

const NOT_BUILT: &str = "This program was built without the web application. Build it with `make`.";

/// Serves a file, or the start page for every path without a file, compressed if the browser accepts that.
pub async fn serve(uri: Uri, request: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    let path = if WebFiles::get(path).is_some() {
        path
    } else {
        "index.html"
    };
    let compressed = if accepts_gzip(&request) {
        WebFiles::get(&format!("{path}.gz"))
    } else {
        None
    };
    let is_compressed = compressed.is_some();
    let Some(file) = compressed.or_else(|| WebFiles::get(path)) else {
        return (StatusCode::NOT_FOUND, NOT_BUILT).into_response();
    };
    // Vite names its output by content hash, so a name never gets other contents.
    let cache_control = if path.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut response = file.data.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type(path)),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static(cache_control),
    );
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if is_compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    let accepted = request.get(header::ACCEPT_ENCODING);
    let accepted = accepted.and_then(|value| value.to_str().ok());
    accepted.is_some_and(|codings| {
        codings
            .split(',')
            .any(|coding| coding.trim() == "gzip" || coding.trim().starts_with("gzip;q=1"))
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("png") => "image/png",
        _ => "application/octet-stream",
    }
}

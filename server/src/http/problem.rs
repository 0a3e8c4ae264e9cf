//! Errors as HTTP responses: RFC 9457 problem documents.

use crate::app::{AppError, ErrorCode};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// A problem document.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status.
    status: u16,
    #[serde(flatten)]
    error: AppError,
}

/// The result of a route.
pub type HttpResult<T> = std::result::Result<T, Problem>;

impl<E: Into<AppError>> From<E> for Problem {
    fn from(error: E) -> Self {
        let error = error.into();
        Self {
            status: status(error.code).as_u16(),
            error,
        }
    }
}

/// The HTTP status of an error code.
const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::WrongPassword
        | ErrorCode::WrongCurrentPassword
        | ErrorCode::SecondFactorNeeded
        | ErrorCode::WrongCode
        | ErrorCode::KeyRefused
        | ErrorCode::TokenRefused
        | ErrorCode::SignedOut => StatusCode::UNAUTHORIZED,
        ErrorCode::Locked | ErrorCode::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Timeout => StatusCode::REQUEST_TIMEOUT,
        ErrorCode::Forbidden
        | ErrorCode::SecondFactorMissing
        | ErrorCode::ReauthenticationNeeded => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::SetupLinkSpent => StatusCode::GONE,
        ErrorCode::Busy
        | ErrorCode::Overloaded
        | ErrorCode::DirectoryUnavailable
        | ErrorCode::AuditStopped
        | ErrorCode::ModelUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = status(self.error.code);
        let retry_after_s = self.error.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        let content_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, content_type);
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

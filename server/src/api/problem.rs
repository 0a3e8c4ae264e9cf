//! Errors as the interface sees them: RFC 9457, with one table of codes. The cause of a fault of
//! ours stays in the program's log.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cloister_audit::AuditError;
use cloister_domain::chance::NoEntropy;
use cloister_store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        /// What went wrong, for a program to act on.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        pub enum ProblemCode { $($(#[$doc])* #[serde(rename = $name)] $variant,)* }

        impl ProblemCode {
            /// The HTTP status of this problem.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)* }
            }
            /// A sentence that is the same for every problem of this code.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    /// The request does not make sense.
    BadRequest = "bad-request", BAD_REQUEST, "The request cannot be understood";
    /// The name or the password is wrong.
    WrongPassword = "wrong-password", UNAUTHORIZED, "The name or the password is wrong";
    /// Too many wrong passwords.
    Locked = "locked", TOO_MANY_REQUESTS, "Too many wrong passwords";
    /// There is no session, or it has ended.
    SignedOut = "signed-out", UNAUTHORIZED, "You are not signed in";
    /// The person may not do this.
    Forbidden = "forbidden", FORBIDDEN, "You may not do this";
    /// It is not there, or the person may not know that it is.
    NotFound = "not-found", NOT_FOUND, "There is nothing here";
    /// The name is taken.
    Conflict = "conflict", CONFLICT, "That is taken already";
    /// A value cannot be accepted.
    Invalid = "invalid", UNPROCESSABLE_ENTITY, "That cannot be accepted";
    /// The one-time link is used or has run out.
    SetupLinkSpent = "setup-link-spent", GONE, "This link can no longer be used";
    /// Everyone is busy.
    Busy = "busy", SERVICE_UNAVAILABLE, "Too many questions at once";
    /// The audit log cannot be written.
    AuditStopped = "audit-stopped", SERVICE_UNAVAILABLE, "The audit log cannot be written";
    /// The disk is full.
    DiskFull = "disk-full", INSUFFICIENT_STORAGE, "The disk is full";
    /// A model is missing or still loading.
    ModelUnavailable = "model-unavailable", SERVICE_UNAVAILABLE, "A model is not ready";
    /// A fault of ours.
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong in the appliance";
}

/// A problem on its way to the browser.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The code.
    pub code: ProblemCode,
    /// The same sentence for every problem of this code.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// After how many seconds another try makes sense.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub retry_after_s: Option<u64>,
}

impl From<ProblemCode> for Problem {
    fn from(code: ProblemCode) -> Self {
        let (title, status) = (code.title().to_owned(), code.status().as_u16());
        Self {
            code,
            title,
            status,
            detail: None,
            retry_after_s: None,
        }
    }
}

impl ProblemCode {
    /// A problem with what happened this time.
    pub fn because(self, detail: impl std::fmt::Display) -> Problem {
        Problem {
            detail: Some(detail.to_string()),
            ..self.into()
        }
    }
}

impl Problem {
    /// A fault of ours: the cause goes to the program's log, not to the browser.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed: {cause}");
        ProblemCode::Internal.because("The cause is in the appliance's log")
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.title),
            None => f.write_str(&self.title),
        }
    }
}

impl std::error::Error for Problem {}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let retry = self.retry_after_s;
        let mut response = (self.code.status(), Json(self)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(cause: StoreError) -> Self {
        match cause {
            StoreError::NameTaken(_) => ProblemCode::Conflict.because(cause),
            StoreError::BadName(_) => ProblemCode::Invalid.because(cause),
            StoreError::Absent(_) => ProblemCode::NotFound.because(cause),
            StoreError::DiskFull => ProblemCode::DiskFull.because(cause),
            StoreError::UnsafeEngine(_)
            | StoreError::AnotherEmbedder
            | StoreError::Corrupt { .. }
            | StoreError::File { .. }
            | StoreError::Database(_)
            | StoreError::Migration(_) => Self::internal(cause),
        }
    }
}

impl From<AuditError> for Problem {
    fn from(cause: AuditError) -> Self {
        tracing::error!(%cause, "{cause}");
        ProblemCode::AuditStopped.because(cause)
    }
}

impl From<cloister_policies::PolicyError> for Problem {
    fn from(cause: cloister_policies::PolicyError) -> Self {
        Self::internal(cause)
    }
}

impl From<NoEntropy> for Problem {
    fn from(cause: NoEntropy) -> Self {
        Self::internal(cause)
    }
}

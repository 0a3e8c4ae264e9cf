//! JSON bodies. Errors are problem documents.

use super::problem::{HttpResult, Problem};
use crate::app::ErrorCode;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

/// A JSON body, or a JSON response.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> HttpResult<Self> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(value)) => Ok(Self(value)),
            Err(cause) => Err(problem(&cause)),
        }
    }
}

impl<T: serde::Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

fn problem(cause: &JsonRejection) -> Problem {
    let detail = if matches!(cause, JsonRejection::MissingJsonContentType(_)) {
        "The request needs the header `content-type: application/json`".to_owned()
    } else {
        let reason = cause.body_text();
        format!("The body is not what the route expects: {reason}")
    };
    ErrorCode::Invalid.with_detail(detail).into()
}

//! The HTTPS interface: the API `/api/v1`, and the files of the web application.
//!
//! A route extracts its arguments, calls one use case of `app/`, and returns its view as JSON.
//! Errors are RFC 9457 problems. Every route takes one of the extractors of [`session`], which
//! authorise the request.

mod bodies;
mod json;
mod listener;
mod monitoring;
mod openai;
mod problem;
mod proxy_protocol;
mod router;
mod routes;
mod security_headers;
mod session;
mod static_files;

pub use listener::{ConnectionLimits, GuardedAcceptor};
pub use monitoring::monitoring_router;
pub use router::{openapi_document, router};

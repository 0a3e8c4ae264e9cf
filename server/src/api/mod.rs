//! The interface's API, `/api/v1`: one file for each group of endpoints, JSON in and out, errors as
//! RFC 9457 problems. Every endpoint takes one of the extractors of [`session`], which ask the one
//! authorisation function; what they hand on is already narrowed to the person.

mod access;
mod answers;
mod audit;
mod conversations;
mod documents;
mod files;
mod guard;
mod openapi;
mod people;
mod problem;
mod router;
pub mod search;
mod session;
mod sign_in;
mod status;

pub use answers::{QuoteView, Step};
pub use openapi::document as openapi_document;
pub use problem::{Problem, ProblemCode};
pub use router::router;

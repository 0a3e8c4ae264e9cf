//! Hybrid search: finds passages by words and by vectors, among those that a person may read. This is the
//! only crate that knows tantivy.
//!
//! An [`Index`] is a cache of the database. It follows the sequence numbers of the database's rows, and
//! verifies what it reads. If something is damaged, it starts a new generation and searches the intact
//! part until that one is complete. Each [`SearchRequest`] has the permitted revisions as a bitmap, which
//! filters inside both arms, so that a deleted or superseded revision is hidden from the next search;
//! [`Index::delete_revisions`] only frees its space.
//!
//! This crate deliberately does not know people, policies, document files or models.
//!
//! To add an arm, add a module that takes the permitted bitmap and returns passages with scores, normalise
//! these scores in `fusion`, and extend `tests/permission.rs`, which verifies all results.

mod acceptance;
mod admission;
mod api;
pub mod bench;
mod comparison;
mod dense;
mod error;
mod files;
mod fusion;
mod interpolation_search;
mod lexical;
mod request;
mod revisions;
mod search;
mod snapshot;
mod storage;

pub use acceptance::{Regression, SiteQuestions, TestQuestion, question_from_passage};
pub use api::Index;
pub use comparison::{Comparison, QuestionSource};
pub use error::{IndexError, Result};
pub use request::{
    DenseMethod, GraphCertificate, GraphStatus, Hit, IndexCondition, IndexEntry, IndexSettings,
    IndexStatus, SearchOutcome, SearchRequest,
};

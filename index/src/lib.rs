//! Finds passages by words and by meaning, within what a person may read: the only crate that
//! knows tantivy.
//!
//! An [`Index`] is a cache. The database's rows are the truth; the index follows their sequence
//! numbers, checks what it reads before it uses it, and where something does not hold begins anew
//! while the rest answers. Permission
//! comes in with each [`SearchRequest`] as a bitmap of revisions and acts inside both arms, so a
//! deleted or superseded revision is gone with the next search; [`Index::forget`] is only
//! compaction.
//!
//! This crate deliberately does not know people, policies, documents' files or models: a vector
//! is numbers of length 1, and text is text.
//!
//! To add an arm, give it a module that takes the permitted bitmap and returns passages with a
//! score, normalise that score in `fusion`, and extend `tests/permission.rs`, which holds for
//! whatever is returned.

mod comparison;
mod entry;
mod error;
mod files;
mod fusion;
mod generation;
mod hybrid;
mod index;
mod keyword;
mod keyword_files;
mod place;
mod pointer;
mod revisions;
mod salvage;
mod seal;
mod snapshot;
pub mod trial;
mod turns;
mod upkeep;
mod vectors;
mod words;

pub use comparison::{Asked, Asker, Comparison, SiteQuestions, Worse, question_of};
pub use entry::{
    Hit, IndexCondition, IndexEntry, IndexSettings, IndexStatus, SearchOutcome, SearchRequest,
};
pub use error::{IndexError, Result};
pub use index::Index;

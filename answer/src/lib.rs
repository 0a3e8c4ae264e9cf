//! Turns a question into a cited answer or a refusal.
//!
//! The steps are: retrieve passages, select sentences, decide, write the audit record, quote,
//! generate, verify. The program copies quotes byte for byte, and decides from features and
//! weights whether to answer. A generated sentence is shown only if `generation/verify.rs` finds
//! that its quote supports it and that it bears on the question. The audit record is on the disk
//! before the first quote leaves.
//!
//! This crate deliberately knows neither HTTP nor permissions: its caller passes a
//! [`Library`](cloister_store::Library) that is already narrowed to one person.
//!
//! To add a feature of the decision, see `CONTRIBUTING.md`. To add a check of generated sentences,
//! add it to `generation/verify.rs` with rows of accepted and rejected sentences.

mod answerer;
mod decision;
pub mod evaluation;
mod examination;
mod examples;
mod extraction;
mod follow_up;
mod generation;
mod model;
mod parts;
mod presentation;
mod question;
mod replay;
mod retrieval;
mod standalone;
#[cfg(test)]
mod test_support;

pub use answerer::{Answer, Answerer};
pub use extraction::quote::{Quote, QuoteCell, QuoteTable};
pub use extraction::sentence_reranker::SentenceReranker;
pub use follow_up::{PreviousTurn, contextualize};
pub use model::error::AnswerError;
pub use model::hit::{RetrievedPassage, SearchQuery, SearchResults};
pub use model::weights::AnswerWeights;
pub use parts::{AnswerRequest, AnswererParts};
pub use presentation::event::{AnswerEvent, Provenance, Receipt};
pub use presentation::notices::{Notice, Reading, SpellingVariant};
pub use presentation::snippet::{SnippetPart, snippet};
pub use replay::{Comparison, LoggedAnswer, Replay};
pub use retrieval::dedup::{ReadableHit, group_for_reading};
pub use retrieval::glossary::Glossary;
pub use retrieval::related_words::SiteThesaurus;
pub use retrieval::rerank::{RerankModel, RerankTest, Reranker, RerankerStatus};
pub use retrieval::translation::SiteDictionaries;

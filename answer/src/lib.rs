//! A question becomes a cited answer, or a refusal: retrieve, select, decide, log, quote, compose,
//! verify.
//!
//! Quotes are copied by the program, byte for byte. Whether to answer is decided by the program
//! from scores and evidence ([`gate`]). What a model writes is shown a sentence at a time, and
//! only where [`verify`] finds it supported by its quote and bearing on the question. The audit
//! entry is on the disk before the first quote leaves.
//!
//! This crate deliberately knows neither HTTP nor who may read what: it is handed a library that
//! is already narrowed to one person. To add a kind of check, add it to [`verify`] with its rows
//! of supported and unsupported sentences.

mod answerer;
pub mod arrange;
pub mod compose;
mod composing;
mod error;
mod event;
pub mod evidence;
pub mod follow_up;
pub mod gate;
pub mod glossary;
pub mod kind;
mod masking;
mod quote;
pub mod remark;
mod replay;
pub mod rerank;
mod retrieve;
pub mod select;
pub mod slips;
pub mod snippet;
pub mod verify;
mod whole;
mod words;
pub mod writing;

pub use answerer::{Answer, Answerer, Asked, CANDIDATES, Judged, RETRIEVED, judge};
pub use error::AnswerError;
pub use event::{AnswerEvent, MadeWith, Receipt};
pub use quote::Quote;
pub use replay::{Compared, Entries, Replay};
pub use retrieve::{Found, FoundPassage, RerankTest, SearchTask};

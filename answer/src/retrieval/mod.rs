//! Retrieves passages for a question.

pub mod dedup;
pub mod glossary;
pub(crate) mod phrases;
pub mod related_words;
pub mod rerank;
pub mod rows;
pub mod search;
pub mod substitutions;
pub mod translation;
pub mod word_matches;

/// Passages that are retrieved for a question, before duplicates are removed.
pub const CANDIDATE_PASSAGES: usize = 32;
/// Passages from which a question is answered.
pub const ANSWER_PASSAGES: usize = 12;

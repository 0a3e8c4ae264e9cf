//! Extracts the sentences of passages that may answer a question.

pub(crate) mod comparison;
pub mod continuation;
pub mod quote;
pub mod quote_spans;
pub mod select;
pub mod sentence_reranker;
pub mod span_expansion;
pub mod table;

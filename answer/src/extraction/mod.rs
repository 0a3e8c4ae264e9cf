//! Extracts the sentences of passages that may answer a question.

pub mod answer_type;
pub(crate) mod comparison;
pub mod continuation;
pub mod metadata_lines;
pub mod quotes;
pub mod scope;
pub mod select;
pub mod sentence_reranker;
pub mod span_expansion;
pub mod substitutions;
pub mod table;

//! Extracts the sentences of passages that may answer a question.

pub mod answer_type;
pub mod select;
pub mod span_expansion;
pub mod spelling;

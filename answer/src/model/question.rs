//! A question, analysed once and passed through the pipeline.

use crate::extraction::answer_type::AnswerType;
use cloister_text::content::{content_stems, named_entities};
use std::collections::BTreeSet;

/// A question and everything that the pipeline derives from its text alone.
#[derive(Clone, Debug)]
pub struct AnalyzedQuestion {
    /// The question.
    pub text: String,
    /// Its vector, of length 1.
    pub vector: Vec<f32>,
    /// The stems of its content words.
    pub stems: BTreeSet<String>,
    /// The stems of its names, numbers and codes.
    pub entities: BTreeSet<String>,
    /// The type of answer that it expects.
    pub answer_type: AnswerType,
}

impl AnalyzedQuestion {
    /// Analyses a question. `vector` is its embedding.
    pub fn new(text: &str, vector: Vec<f32>) -> Self {
        Self {
            text: text.to_owned(),
            vector,
            stems: content_stems(text),
            entities: named_entities(text),
            answer_type: AnswerType::detect(text),
        }
    }
}

//! A question, analysed once and passed through the pipeline.

pub mod answer_type;
pub mod metadata_lines;
pub mod scope;

use crate::question::answer_type::AnswerType;
use crate::question::metadata_lines::asks_for_metadata;
use crate::question::scope::{AnswerScope, without_instructions};
use cloister_text::Language;
use cloister_text::ranges::{Amount, amounts};
use cloister_text::translation::with_english_phrases;
use std::collections::BTreeSet;

/// A question and everything that the pipeline derives from its text alone.
#[derive(Clone, Debug)]
pub struct AnalyzedQuestion {
    /// The question, without phrases that say how to answer.
    pub text: String,
    /// Its language: English if it is unknown.
    pub language: Language,
    /// Its vector, of length 1.
    pub vector: Vec<f32>,
    /// The stems of its content words.
    pub stems: BTreeSet<String>,
    /// The stems of its names, numbers and codes.
    pub entities: BTreeSet<String>,
    /// The type of answer that it expects.
    pub answer_type: AnswerType,
    /// How much it asks for.
    pub scope: AnswerScope,
    /// Whether it asks for the metadata of a document: its version, its owner, its day.
    pub asks_for_metadata: bool,
    /// The type of answer that its second part expects, if it has two: `… and who approves it?`
    pub second_answer_type: Option<AnswerType>,
    /// The ages, periods and amounts that it names.
    pub amounts: Vec<Amount>,
}

impl AnalyzedQuestion {
    /// Analyses a question. `vector` is its embedding.
    pub fn new(text: &str, vector: Vec<f32>) -> Self {
        let language = Language::of_query(text);
        let answer_type = AnswerType::of_question(text, language);
        let topic = without_instructions(text);
        Self {
            language,
            scope: AnswerScope::detect(&with_english_phrases(text, language), answer_type),
            second_answer_type: second_part(text)
                .map(|part| AnswerType::of_question(part, language)),
            vector,
            stems: language.content_stems(&topic),
            entities: language.named_entities(&topic),
            answer_type,
            asks_for_metadata: asks_for_metadata(&topic),
            amounts: amounts(&topic),
            text: topic,
        }
    }
}

/// The second part of a question with two: `who approves it?` of `What does it cost, and who
/// approves it?`
fn second_part(question: &str) -> Option<&str> {
    const PREPOSITIONS: [&str; 6] = ["to ", "by ", "within ", "for ", "from ", "in "];
    const QUESTION_WORDS: [&str; 8] = [
        "who", "whom", "when", "where", "how", "what", "which", "why",
    ];
    let lower = question.to_ascii_lowercase();
    let mut from = 0;
    while let Some(found) = lower.get(from..)?.find(" and ") {
        let start = from + found + " and ".len();
        let rest = lower.get(start..)?;
        let after_preposition = PREPOSITIONS
            .iter()
            .find_map(|preposition| rest.strip_prefix(preposition))
            .unwrap_or(rest);
        let first_word = after_preposition.split([' ', '?']).next()?;
        if QUESTION_WORDS.contains(&first_word) {
            return question.get(start..);
        }
        from = start;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_may_have_a_second_part() {
        for (question, expected) in [
            (
                "What does it cost, and who approves it?",
                Some("who approves it?"),
            ),
            ("When is it reported and to whom?", Some("to whom?")),
            (
                "Who decides, and within what time?",
                Some("within what time?"),
            ),
            ("Which towels and sheets are washed?", None),
            ("Who brings food and in which bags?", Some("in which bags?")),
        ] {
            assert_eq!(second_part(question), expected, "{question}");
        }
    }
}

//! How much a question asks for: one fact, or everything that belongs to it.

use crate::question::answer_type::AnswerType;
use cloister_text::fold::words;

/// How much a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerScope {
    /// One fact.
    Fact,
    /// A list, the steps of a procedure, a comparison or a summary.
    Everything,
}

/// Words that ask for everything wherever they are.
const EVERYTHING: [&str; 14] = [
    "list",
    "all",
    "every",
    "steps",
    "step",
    "summarise",
    "summarize",
    "summary",
    "compare",
    "comparison",
    "difference",
    "differences",
    "overview",
    "typically",
];

/// How a question about a procedure may start.
const PROCEDURES: [&str; 16] = [
    "how do",
    "how should",
    "how can",
    "how is",
    "how are",
    "how must",
    "how to",
    "what happens",
    "what must",
    "what should",
    "what do",
    "what are",
    "what to",
    "what is to be",
    "what is done",
    "who works",
];

impl AnswerScope {
    /// Detects the scope from the words of a question.
    pub fn detect(question: &str, answer_type: AnswerType) -> Self {
        let words: Vec<String> = words(question).collect();
        let has_everything = words.iter().any(|word| asks_for_everything(word));
        let text = words.join(" ");
        let is_procedure = answer_type == AnswerType::Any
            && PROCEDURES
                .iter()
                .any(|opening| text.starts_with(opening) || text.contains(&format!(" {opening} ")));
        if has_everything
            || is_procedure
            || asks_which_of_several(&words)
            || asks_for_several_aspects(&words)
        {
            Self::Everything
        } else {
            Self::Fact
        }
    }
}

/// Whether a word asks for everything wherever it is. It must be in lower case.
pub fn asks_for_everything(word: &str) -> bool {
    EVERYTHING.contains(&word)
}

/// Phrases that say how to answer, not what about.
const INSTRUCTIONS: [&str; 6] = [
    "step by step",
    "in detail",
    "in short",
    "in full",
    "briefly",
    "please",
];

/// A question without the phrases that say how to answer. Their words would match `the next step`.
pub fn without_instructions(question: &str) -> String {
    let mut text = question.to_owned();
    for phrase in INSTRUCTIONS {
        while let Some(start) = text.to_ascii_lowercase().find(phrase) {
            let end = start + phrase.len();
            let (before, after) = (text.get(..start), text.get(end..));
            let (Some(before), Some(after)) = (before, after) else {
                break;
            };
            let before = before.trim_end_matches([' ', ',']);
            let after = after.trim_start_matches(',');
            let joined = format!("{before}{after}");
            joined.trim_start().clone_into(&mut text);
        }
    }
    let has_words = text.chars().any(char::is_alphanumeric);
    if has_words { text } else { question.to_owned() }
}

/// Whether `which` is followed by a plural within three words: `Which health records are kept?`
fn asks_which_of_several(words: &[String]) -> bool {
    const MAX_PHRASE_WORDS: usize = 3;
    let Some(which) = words.iter().position(|word| word == "which") else {
        return false;
    };
    let mut phrase = words.iter().skip(which + 1).take(MAX_PHRASE_WORDS);
    phrase.any(|word| word == "are" || word == "were" || is_plural(word))
}

/// Whether one event is asked about from several sides: `When is it reported, and to whom?`
fn asks_for_several_aspects(words: &[String]) -> bool {
    let asks = |word: &str| words.iter().any(|other| other == word);
    asks("when") && (asks("whom") || asks("who") || asks("where"))
}

fn is_plural(word: &str) -> bool {
    word.len() > 3 && word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloister_text::Language;

    #[test]
    fn instructions_are_not_what_a_question_is_about() {
        for (question, expected) in [
            (
                "What happens, step by step, when a key is lost?",
                "What happens when a key is lost?",
            ),
            ("Please list all forms.", "list all forms."),
            ("How are keys kept?", "How are keys kept?"),
            ("Please", "Please"),
        ] {
            assert_eq!(without_instructions(question), expected);
        }
    }

    #[test]
    fn lists_and_procedures_ask_for_everything() {
        for (question, expected) in [
            (
                "Which results are phoned within 30 minutes?",
                AnswerScope::Everything,
            ),
            (
                "Which health records are kept for 8 years?",
                AnswerScope::Everything,
            ),
            ("How do I stop a nosebleed?", AnswerScope::Everything),
            (
                "What must a notice of a breach contain?",
                AnswerScope::Everything,
            ),
            (
                "Summarise the first aid for a burn.",
                AnswerScope::Everything,
            ),
            (
                "When must a breach be reported, and to whom?",
                AnswerScope::Everything,
            ),
            ("How long are complaints kept?", AnswerScope::Fact),
            ("Which form is used for a refund?", AnswerScope::Fact),
            ("Who approves travel abroad?", AnswerScope::Fact),
            ("How much may a teller pay out?", AnswerScope::Fact),
        ] {
            let answer_type = AnswerType::of_question(question, Language::ENGLISH);
            assert_eq!(
                AnswerScope::detect(question, answer_type),
                expected,
                "{question}"
            );
        }
    }
}

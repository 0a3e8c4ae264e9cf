//! Decides whether a generated sentence may be shown.
//!
//! A sentence is shown only if its quote supports it and it bears on the question. Every check
//! prefers to withhold: the quote is on the page already, so little is lost.

use crate::question::answer_type::AnswerType;
use cloister_text::content::names;
use cloister_text::fold::words;
use cloister_text::numbers::{Quantity, quantities, values};
use cloister_text::{Language, split_sentences};
use serde::Serialize;

/// Words that a fluent model may add without changing what a sentence says. Any other added word
/// may be the name of another drug or office, and no list of those is complete.
const CONNECTIVES: &[&str] = &[
    "according",
    "followed",
    "given",
    "happen",
    "included",
    "means",
    "mentioned",
    "needed",
    "occurs",
    "provided",
    "regarding",
    "related",
    "required",
    "said",
    "specified",
    "stated",
    "taken",
    "used",
];
/// The minimum number of words.
const MIN_WORDS: usize = 3;
/// The minimum cosine to the question.
const MIN_QUESTION_SIMILARITY: f32 = 0.45;
/// The minimum probability of entailment by the quote, if the site has an NLI model.
const MIN_ENTAILMENT: f32 = 0.5;
/// Parts of markup, links and addresses.
const MARKUP: &[&str] = &[
    "<", ">", "](", "http", "www.", "```", "**", "{", "}", "|", "@",
];

/// How strictly a sentence is compared with its quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Strictness {
    /// The minimum cosine to the quote.
    min_quote_similarity: f32,
    /// Whether the words of the quote must keep their order.
    requires_order: bool,
    /// Whether the sentence must contain the expected type of answer, because it is the only one.
    requires_answer_type: bool,
    /// Whether [`CONNECTIVES`] may be added.
    allows_connectives: bool,
}

impl Strictness {
    /// For a model that can be trusted with a paraphrase.
    pub(crate) const PARAPHRASE: Self = Self {
        min_quote_similarity: 0.55,
        requires_order: false,
        requires_answer_type: false,
        allows_connectives: true,
    };
    /// For a small model. What it shortens is mostly right. What it reorders it often reverses:
    /// `the Mongols defeated the Tran` from a quote that says the opposite.
    pub(crate) const SHORTENING: Self = Self {
        min_quote_similarity: 0.8,
        requires_order: true,
        requires_answer_type: true,
        allows_connectives: false,
    };
}

/// Why a sentence is withheld. Stored in the audit log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectionReason {
    /// It has too few words.
    Empty,
    /// It has markup, a link or an address.
    Markup,
    /// It was cut off.
    Unfinished,
    /// It cites nothing, or a passage that the model was not given.
    Citation,
    /// A number or its unit differs from the quote.
    Number,
    /// Only one of sentence and quote is negated.
    Negation,
    /// The quote does not have a name of the sentence.
    Name,
    /// It says more than the quote.
    Unsupported,
    /// It has the words of the quote in another order, which may reverse the meaning.
    Order,
    /// The NLI model finds that the quote does not entail it.
    #[serde(rename = "entailment")]
    NliModel,
    /// It only repeats the question.
    Repetition,
    /// It only repeats the quote, which is on the page already.
    RepeatsQuote,
    /// It does not answer the question.
    BesideThePoint,
}

/// Scores of models for a sentence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct SupportScores {
    /// Cosine to the quote.
    pub quote_similarity: f32,
    /// Cosine to the question.
    pub question_similarity: f32,
    /// Probability that the quote entails the sentence. `None` without an NLI model.
    pub entailment: Option<f32>,
}

/// What must support a sentence.
#[derive(Clone, Copy, Debug)]
pub struct Support<'a> {
    /// The quote.
    pub quote: &'a str,
    /// The headings above it, which say what it is about.
    pub headings: &'a [String],
}

impl Support<'_> {
    /// Headings and quote.
    pub(crate) fn text(self) -> String {
        format!("{} {}", self.headings.join(" "), self.quote)
    }
}

/// Checks whether `sentence` may be shown: first its words against its support and the question,
/// then the scores of models.
pub(crate) fn verify(
    sentence: &str,
    support: Support<'_>,
    question: &str,
    scores: &SupportScores,
    strictness: Strictness,
) -> Result<(), RejectionReason> {
    let language = Language::of_query(support.quote);
    check_words(sentence, support, question, strictness, language)?;
    if repeats_quote(sentence, support.quote, language) {
        return Err(RejectionReason::RepeatsQuote);
    }
    let requires_order = strictness.requires_order || is_reversible(support.quote, language);
    if requires_order && !keeps_order(sentence, support.quote, language) {
        return Err(RejectionReason::Order);
    }
    if strictness.requires_answer_type && !contains_expected_answer(sentence, question, language) {
        return Err(RejectionReason::BesideThePoint);
    }
    if scores.quote_similarity < strictness.min_quote_similarity {
        return Err(RejectionReason::Unsupported);
    }
    if scores.question_similarity < MIN_QUESTION_SIMILARITY {
        return Err(RejectionReason::BesideThePoint);
    }
    if scores.entailment.is_some_and(|p| p < MIN_ENTAILMENT) {
        return Err(RejectionReason::NliModel);
    }
    Ok(())
}

fn check_words(
    sentence: &str,
    support: Support<'_>,
    question: &str,
    strictness: Strictness,
    language: Language,
) -> Result<(), RejectionReason> {
    if words(sentence).count() < MIN_WORDS {
        return Err(RejectionReason::Empty);
    }
    if MARKUP.iter().any(|markup| sentence.contains(markup)) {
        return Err(RejectionReason::Markup);
    }
    if !sentence.ends_with(['.', '!', '”', '"', ')']) {
        return Err(RejectionReason::Unfinished);
    }
    if !numbers_are_supported(sentence, support.quote, language) {
        return Err(RejectionReason::Number);
    }
    if language.is_negated(sentence) != language.is_negated(support.quote) {
        return Err(RejectionReason::Negation);
    }
    let support = support.text();
    let supported: Vec<String> = words(&support).collect();
    let names = names(sentence);
    let mut name_words = names.iter().flat_map(|name| words(name));
    if name_words.any(|word| !supported.contains(&word)) {
        return Err(RejectionReason::Name);
    }
    check_stems(sentence, &support, question, strictness, language)
}

fn check_stems(
    sentence: &str,
    support: &str,
    question: &str,
    strictness: Strictness,
    language: Language,
) -> Result<(), RejectionReason> {
    let sentence = language.content_stems(sentence);
    let support = language.content_stems(support);
    let question = language.content_stems(question);
    let added: Vec<&String> = sentence
        .difference(&question)
        .filter(|word| !(strictness.allows_connectives && is_connective(word)))
        .collect();
    if added.is_empty() {
        return Err(RejectionReason::Repetition);
    }
    if added.iter().any(|word| !support.contains(*word)) {
        return Err(RejectionReason::Unsupported);
    }
    // A word of the question is not thereby supported: asked about loan files, a model attributes
    // to them what the quote says about complaint files.
    if sentence
        .intersection(&question)
        .any(|word| !support.contains(word))
    {
        return Err(RejectionReason::Unsupported);
    }
    if !question.is_empty() && sentence.is_disjoint(&question) && support.is_disjoint(&question) {
        return Err(RejectionReason::BesideThePoint);
    }
    Ok(())
}

fn is_connective(stemmed: &str) -> bool {
    let english = Language::ENGLISH;
    CONNECTIVES
        .iter()
        .any(|word| english.content_stem(word) == stemmed)
}

/// Whether a sentence contains the expected type of answer. For [`AnswerType::Any`] nothing tells
/// what the sentence leaves out, so no sentence does. A person must be another than the question
/// names: `the team is responsible for the servers` does not say who leads the team.
fn contains_expected_answer(sentence: &str, question: &str, language: Language) -> bool {
    let answer_type = AnswerType::of_question(question, language);
    if answer_type != AnswerType::Person {
        return answer_type.is_contained_in(sentence, language);
    }
    let question = language.content_stems(question);
    let added: Vec<&str> = sentence
        .split_whitespace()
        .filter(|word| {
            let stems = language.content_stems(word);
            stems.is_empty() || !stems.is_subset(&question)
        })
        .collect();
    answer_type.is_contained_in(&added.join(" "), language)
}

/// Whether the words of a quote in another order may say something else. With two numbers, one may
/// be attributed to what the other belongs to. With a negation, something else may be negated.
fn is_reversible(quote: &str, language: Language) -> bool {
    values(quote).len() > 1 || language.is_negated(quote)
}

/// Whether a sentence has the content words of a sentence of the quote, in a row, and leaves out a quarter of them
/// at most. A shorter part can be the answer itself.
fn repeats_quote(sentence: &str, quote: &str, language: Language) -> bool {
    let said = ordered_content(sentence, language);
    split_sentences(quote).into_iter().any(|range| {
        let quoted = quote
            .get(range)
            .map_or_else(Vec::new, |text| ordered_content(text, language));
        let mut rows = quoted.windows(said.len().max(1));
        said.len() * 4 >= quoted.len() * 3 && rows.any(|row| row == said)
    })
}

fn ordered_content(text: &str, language: Language) -> Vec<String> {
    let content = language.content_stems(text);
    let mut stems = ordered_stems(text, language);
    stems.retain(|stem| content.contains(stem));
    stems
}

/// The stem of every negation.
const NEGATION: &str = "not";

/// The stems of a text in order, with all negations equal.
fn ordered_stems(text: &str, language: Language) -> Vec<String> {
    words(text)
        .map(|word| {
            if language.is_negation(&word) {
                NEGATION.to_owned()
            } else {
                language.content_stem(&word)
            }
        })
        .collect()
}

/// Whether the words that a sentence shares with the quote, negations included, have the order of
/// the quote, and no number between them is skipped before another number. *Adults 10 mg, children
/// 5 mg* does not support *adults 5 mg*.
fn keeps_order(sentence: &str, quote: &str, language: Language) -> bool {
    let content = language.content_stems(quote);
    let mut shared = ordered_stems(sentence, language);
    shared.retain(|word| content.contains(word) || word == NEGATION);
    let quote = ordered_stems(quote, language);
    let mut rest = quote
        .iter()
        .skip_while(|word| Some(*word) != shared.first());
    let mut has_skipped_number = false;
    for word in &shared {
        let mut is_found = false;
        for quoted in rest.by_ref() {
            if quoted == word {
                is_found = true;
                break;
            }
            has_skipped_number |= is_number(quoted);
        }
        if !is_found || (has_skipped_number && is_number(word)) {
            return false;
        }
    }
    true
}

fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether the quote has every number of the sentence, with the same unit.
fn numbers_are_supported(sentence: &str, quote: &str, language: Language) -> bool {
    let quoted = quantities(quote);
    quantities(sentence).iter().all(|quantity| {
        quoted
            .iter()
            .any(|quoted| supports(quoted, quantity, language))
    })
}

fn supports(quoted: &Quantity, quantity: &Quantity, language: Language) -> bool {
    quoted.value == quantity.value
        && match &quantity.unit {
            None => true,
            Some(unit) => quoted.unit.as_ref() == Some(unit) || is_no_unit(unit, language),
        }
}

/// Whether the word after a number is not a unit but a function word, as in `72 of the`.
fn is_no_unit(word: &str, language: Language) -> bool {
    language.content_stems(word).is_empty()
}

#[cfg(test)]
mod tests;

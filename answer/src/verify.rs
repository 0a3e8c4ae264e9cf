//! Whether a sentence that a model wrote may be shown.
//!
//! It is shown only if its quote says it and it bears on the question. Every rule errs towards
//! withholding: a quote is on the page already, so little is lost.

use crate::kind::Kind;
use crate::words::{content_stems, denies, names, numbers, stem, words};
use serde::Serialize;

/// At least this share of the words that the sentence adds to the question stands in the quote.
const SUPPORTED: f32 = 0.85;
/// Cosine to the question, below which a sentence is beside the point.
const TO_THE_POINT: f32 = 0.45;

/// How strictly a sentence is held to its quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strictness {
    /// Cosine to the quote, below which a sentence says something else.
    faithful: f32,
    /// Whether the quote's words must come in its order.
    in_order: bool,
    /// Whether it is all of the answer, and so must hold the kind of thing that is asked for.
    alone: bool,
}

impl Strictness {
    /// For a model that can be trusted with a paraphrase.
    pub const PARAPHRASE: Self = Self {
        faithful: 0.55,
        in_order: false,
        alone: false,
    };
    /// For a small model, which turns what it reorders round: `the Mongols defeated the Tran` from
    /// a quote that says the contrary. What it shortens is mostly right.
    pub const SHORTENING: Self = Self {
        faithful: 0.8,
        in_order: true,
        alone: true,
    };
}

/// Why a sentence is withheld.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Withheld {
    /// It says nothing, or is no sentence.
    Empty,
    /// It holds markup, a link or an address.
    Markup,
    /// It was cut off.
    Unfinished,
    /// It cites nothing, or something that the model was not given.
    Citation,
    /// A number or its unit is not the quote's.
    Number,
    /// It denies what the quote says, or says what the quote denies.
    Negation,
    /// A name is not in the quote.
    Name,
    /// It says more than the quote.
    Unsupported,
    /// It has the quote's words in another order, and so may turn it round.
    Order,
    /// It only says the question again.
    Repetition,
    /// It does not answer the question.
    BesideThePoint,
}

/// What models say about a sentence's meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Signs {
    /// Cosine to the quote.
    pub to_quote: f32,
    /// Cosine to the question.
    pub to_question: f32,
    /// Nats by which the sentence makes a token of the question likelier.
    pub explains: f32,
    /// The same of the quote.
    pub quote_explains: f32,
}

/// What a sentence must be supported by.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The quote.
    pub quote: &'a str,
    /// The headings above it, which say what it speaks of.
    pub headings: &'a [String],
}

impl Source<'_> {
    fn text(self) -> String {
        format!("{} {}", self.headings.join(" "), self.quote)
    }
}

/// Whether `sentence` may be shown: what its source and the question say about its words, and then
/// what models say about its meaning.
pub fn verify(
    sentence: &str,
    source: Source<'_>,
    question: &str,
    signs: &Signs,
    strictness: Strictness,
) -> Result<(), Withheld> {
    check_words(sentence, source, question)?;
    if strictness.in_order && !in_order(sentence, source.quote) {
        return Err(Withheld::Order);
    }
    if strictness.alone && !holds_what_is_asked(sentence, question) {
        return Err(Withheld::BesideThePoint);
    }
    if signs.to_quote < strictness.faithful {
        return Err(Withheld::Unsupported);
    }
    if signs.to_question < TO_THE_POINT {
        return Err(Withheld::BesideThePoint);
    }
    Ok(())
}

fn check_words(sentence: &str, source: Source<'_>, question: &str) -> Result<(), Withheld> {
    let quote = source.quote;
    if words(sentence).count() < 3 {
        return Err(Withheld::Empty);
    }
    if has_markup(sentence) {
        return Err(Withheld::Markup);
    }
    if !sentence.ends_with(['.', '!', '”', '"', ')']) {
        return Err(Withheld::Unfinished);
    }
    if !numbers_stand(sentence, quote) {
        return Err(Withheld::Number);
    }
    if denies(sentence) != denies(quote) {
        return Err(Withheld::Negation);
    }
    let source = source.text();
    let known: Vec<String> = words(&source).collect();
    if names(sentence)
        .iter()
        .any(|name| words(name).any(|word| !known.contains(&word)))
    {
        return Err(Withheld::Name);
    }
    check_support(sentence, &source, question)
}

fn check_support(sentence: &str, source: &str, question: &str) -> Result<(), Withheld> {
    let (said, source, asked) = (
        content_stems(sentence),
        content_stems(source),
        content_stems(question),
    );
    let added: Vec<&String> = said.difference(&asked).collect();
    if added.is_empty() {
        return Err(Withheld::Repetition);
    }
    let stands = added.iter().filter(|word| source.contains(**word)).count() as f32;
    if stands / (added.len() as f32) < SUPPORTED {
        return Err(Withheld::Unsupported);
    }
    // What is only in the question is not thereby true: of a quote on complaint files a model says
    // what was asked of loan files.
    if said
        .iter()
        .any(|word| asked.contains(word) && !source.contains(word))
    {
        return Err(Withheld::Unsupported);
    }
    if said.is_disjoint(&asked) && !asked.is_empty() && source.is_disjoint(&asked) {
        return Err(Withheld::BesideThePoint);
    }
    Ok(())
}

/// Whether a sentence holds the kind of thing that is asked for. Where that is of no known kind,
/// nobody can tell what the sentence left out, and none does. A person must be another than the
/// question names: of who leads the team, `the team is responsible for the servers` says nothing.
fn holds_what_is_asked(sentence: &str, question: &str) -> bool {
    let kind = Kind::of(question);
    match kind {
        Kind::Anything => return false,
        Kind::Time | Kind::Number | Kind::Contact => return kind.fits(sentence) > 0.0,
        Kind::Person => {}
    }
    let asked = content_stems(question);
    let added = sentence.split_whitespace().filter(|word| {
        let stems = content_stems(word);
        stems.is_empty() || !stems.is_subset(&asked)
    });
    kind.fits(&added.collect::<Vec<_>>().join(" ")) > 0.0
}

/// Whether the words that a sentence shares with the quote come in the quote's order.
fn in_order(sentence: &str, quote: &str) -> bool {
    let stems = |text: &str| -> Vec<String> { words(text).map(|word| stem(&word)).collect() };
    let (said, quoted) = (stems(sentence), stems(quote));
    let telling = content_stems(quote);
    let mut rest = quoted.iter();
    let mut shared = said.iter().filter(|word| telling.contains(*word));
    shared.all(|word| rest.any(|quoted| quoted == word))
}

fn has_markup(sentence: &str) -> bool {
    let signs = ["<", ">", "](", "http", "www.", "```", "**", "{", "}", "|"];
    signs.iter().any(|sign| sentence.contains(sign)) || sentence.contains('@')
}

/// Every number of the sentence stands in the quote, with the same unit where the quote's has one.
fn numbers_stand(sentence: &str, quote: &str) -> bool {
    let source = numbers(quote);
    numbers(sentence).iter().all(|(value, unit)| {
        let mut same = source.iter().filter(|(known, _)| known == value).peekable();
        same.peek().is_some()
            && same.any(|(_, known)| unit == known || unit.is_none() || is_plain(unit.as_deref()))
    })
}

/// Whether the word after a number is no unit: a preposition, as in `72 of the`.
fn is_plain(unit: Option<&str>) -> bool {
    unit.is_some_and(|word| content_stems(word).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTE: &str = "The Privacy Officer notifies the supervisory authority within 72 hours \
                         after the hospital became aware of the breach.";
    const HEADINGS: [&str; 2] = [
        "Breach Notification Policy",
        "Notification of the authority",
    ];
    const QUESTION: &str = "When must a breach be reported to the authority?";

    fn source(headings: &[String]) -> Source<'_> {
        Source {
            quote: QUOTE,
            headings,
        }
    }

    #[test]
    fn a_sentence_that_is_all_of_the_answer_holds_what_is_asked_for() {
        let cases = [
            (
                QUESTION,
                "The Privacy Officer notifies the authority within 72 hours.",
                true,
            ),
            (
                QUESTION,
                "The Privacy Officer notifies the supervisory authority.",
                false,
            ),
            (
                "Who leads the team?",
                "The team is responsible for all servers.",
                false,
            ),
            (
                "Who leads the team?",
                "The team is led by the Security Officer.",
                true,
            ),
            ("What is a breach?", "A breach is a loss of data.", false),
        ];
        for (question, sentence, expected) in cases {
            assert_eq!(
                holds_what_is_asked(sentence, question),
                expected,
                "{sentence}"
            );
        }
    }

    #[test]
    fn sentences_are_shown_or_withheld_for_these_reasons() {
        let headings = HEADINGS.map(str::to_owned);
        let cases = [
            (
                "The supervisory authority is notified within 72 hours.",
                Ok(()),
            ),
            (
                "The breach notification is made within 72 hours.",
                Err(Withheld::Unsupported),
            ),
            (
                "A breach must be reported to the insurer within 72 hours.",
                Err(Withheld::Unsupported),
            ),
            (
                "The authority is notified within 24 hours.",
                Err(Withheld::Number),
            ),
            (
                "The authority is notified within 72 days.",
                Err(Withheld::Number),
            ),
            (
                "The authority is not notified within 72 hours.",
                Err(Withheld::Negation),
            ),
            (
                "The authority is notified by Doctor Ames within 72 hours.",
                Err(Withheld::Name),
            ),
            (
                "The insurance company pays damages to affected customers.",
                Err(Withheld::Unsupported),
            ),
            (
                "A breach must be reported to the authority.",
                Err(Withheld::Repetition),
            ),
            ("", Err(Withheld::Empty)),
            (
                "See [this](http://example.org) within 72 hours.",
                Err(Withheld::Markup),
            ),
            (
                "<b>Within 72 hours</b> the authority is notified.",
                Err(Withheld::Markup),
            ),
            (
                "The supervisory authority is notified within",
                Err(Withheld::Unfinished),
            ),
        ];
        for (sentence, expected) in cases {
            assert_eq!(
                check_words(sentence, source(&headings), QUESTION),
                expected,
                "{sentence}"
            );
        }
    }

    #[test]
    fn a_sentence_that_turns_its_quote_round_is_not_in_order() {
        let quote = "The Mongols were defeated by the Tran dynasty in 1288, after a long war.";
        let cases = [
            ("The Mongols were defeated in 1288.", true),
            ("The Tran dynasty was defeated by the Mongols.", false),
            ("After a war the Mongols were defeated.", false),
            ("They fought in 1288.", true),
        ];
        for (sentence, expected) in cases {
            assert_eq!(in_order(sentence, quote), expected, "{sentence}");
        }
    }

    #[test]
    fn a_true_sentence_that_answers_another_question_is_withheld() {
        let signs = Signs {
            to_quote: 1.0,
            to_question: 0.1,
            ..Signs::default()
        };
        let sentence = "The supervisory authority is notified within 72 hours.";
        let verdict = verify(
            sentence,
            source(&[]),
            QUESTION,
            &signs,
            Strictness::PARAPHRASE,
        );
        assert_eq!(verdict, Err(Withheld::BesideThePoint));
    }
}

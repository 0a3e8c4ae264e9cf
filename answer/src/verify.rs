//! Whether a sentence that a model wrote may be shown.
//!
//! It is shown only if its quote says it and it bears on the question. Every rule errs towards
//! withholding: a quote is on the page already, so little is lost.

use crate::kind::Kind;
use crate::words::{content_stems, denies, is_denial, names, numbers, stem, values, words};
use serde::Serialize;

/// Words that say nothing by themselves of what a sentence is about. Any other that is not the quote's
/// may be another drug or another office, of which no list is complete.
const JOINING: &[&str] = &[
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
/// Cosine to the question, below which a sentence is beside the point.
const TO_THE_POINT: f32 = 0.45;
/// Where the site has a model that tells whether a sentence follows from a text, it must find that
/// likelier than not.
const FOLLOWS: f32 = 0.5;

/// How strictly a sentence is held to its quote.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Strictness {
    /// Cosine to the quote, below which a sentence says something else.
    faithful: f32,
    /// Whether the quote's words must come in its order.
    in_order: bool,
    /// Whether it is all of the answer, and so must hold the kind of thing that is asked for.
    alone: bool,
    /// Whether it may have words of [`JOINING`] that the quote has not.
    joining: bool,
}

impl Strictness {
    /// For a model that can be trusted with a paraphrase.
    pub const PARAPHRASE: Self = Self {
        faithful: 0.55,
        in_order: false,
        alone: false,
        joining: true,
    };
    /// For a small model, which turns what it reorders round: `the Mongols defeated the Tran` from
    /// a quote that says the contrary. What it shortens is mostly right.
    pub const SHORTENING: Self = Self {
        faithful: 0.8,
        in_order: true,
        alone: true,
        joining: false,
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
    /// A model that tells what follows from what finds that it does not follow from its quote.
    Entailment,
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
    /// How likely it is that it follows from the quote, where the site has a model that tells.
    pub follows: Option<f32>,
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
    /// Headings and quote.
    pub(crate) fn text(self) -> String {
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
    check_words(sentence, source, question, strictness)?;
    let ordered = strictness.in_order || can_be_turned_round(source.quote);
    if ordered && !in_order(sentence, source.quote) {
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
    if signs.follows.is_some_and(|follows| follows < FOLLOWS) {
        return Err(Withheld::Entailment);
    }
    Ok(())
}

fn check_words(
    sentence: &str,
    source: Source<'_>,
    question: &str,
    strictness: Strictness,
) -> Result<(), Withheld> {
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
    check_support(sentence, &source, question, strictness)
}

fn check_support(
    sentence: &str,
    source: &str,
    question: &str,
    strictness: Strictness,
) -> Result<(), Withheld> {
    let (said, source, asked) = (
        content_stems(sentence),
        content_stems(source),
        content_stems(question),
    );
    let joining = |word: &String| {
        let mut joining = JOINING.iter().map(|joining| stem(joining));
        strictness.joining && joining.any(|joining| joining == *word)
    };
    let mut added = said
        .difference(&asked)
        .filter(|word| !joining(word))
        .peekable();
    if added.peek().is_none() {
        return Err(Withheld::Repetition);
    }
    if added.any(|word| !source.contains(word)) {
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

/// Whether a quote's words in another order may say something else: with two numbers, the one may be
/// given to what the other belongs to, and with a denial another thing may be denied.
fn can_be_turned_round(quote: &str) -> bool {
    values(quote).len() > 1 || denies(quote)
}

/// What every word that denies is compared as.
const DENIAL: &str = "not";

/// The stems of a text in their order, in which all denials are one.
fn in_turn(text: &str) -> Vec<String> {
    let compared = |word: String| {
        if is_denial(&word) {
            DENIAL.to_owned()
        } else {
            stem(&word)
        }
    };
    words(text).map(compared).collect()
}

/// Whether the words that a sentence shares with the quote come in the quote's order, its denials with
/// them, and no number between them is left out before one that is said: of *adults 10 mg, children
/// 5 mg* nobody may say *adults 5 mg*.
fn in_order(sentence: &str, quote: &str) -> bool {
    let (said, quoted) = (in_turn(sentence), in_turn(quote));
    let telling = content_stems(quote);
    let is_number = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let is_shared = |word: &&String| telling.contains(*word) || *word == DENIAL;
    let mut shared = said.iter().filter(is_shared).peekable();
    let first = shared.peek().copied();
    let mut rest = quoted.iter().skip_while(|word| Some(*word) != first);
    let mut left_out = false;
    shared.all(|word| {
        let stands = rest.any(|quoted| {
            left_out |= quoted != word && is_number(quoted);
            quoted == word
        });
        stands && !(left_out && is_number(word))
    })
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
                check_words(
                    sentence,
                    source(&headings),
                    QUESTION,
                    Strictness::PARAPHRASE
                ),
                expected,
                "{sentence}"
            );
        }
    }

    #[test]
    fn what_a_fluent_model_gets_wrong_is_withheld() {
        let signs = Signs {
            to_quote: 1.0,
            to_question: 1.0,
            follows: None,
        };
        let cases = [
            (
                "Give heparin 5000 units every 12 hours until the patient walks.",
                "Give warfarin 5000 units every 12 hours until the patient walks.",
                Err(Withheld::Unsupported),
            ),
            (
                "Give heparin 5000 units every 12 hours until the patient walks.",
                "It is stated that heparin is given every 12 hours.",
                Err(Withheld::Order),
            ),
            (
                "Heparin is stopped once the patient walks.",
                "It is stated that once the patient walks, heparin is stopped.",
                Ok(()),
            ),
            (
                "Adults are given 10 mg, children 5 mg.",
                "Children are given 10 mg.",
                Err(Withheld::Order),
            ),
            (
                "Adults are given 10 mg, children 5 mg.",
                "Adults are given 5 mg.",
                Err(Withheld::Order),
            ),
            (
                "Adults are given 10 mg, children 5 mg.",
                "Adults are given 10 mg.",
                Ok(()),
            ),
            (
                "Give paracetamol, not aspirin, to children.",
                "Give aspirin, not paracetamol, to children.",
                Err(Withheld::Order),
            ),
            (
                "Give paracetamol, not aspirin, to children.",
                "Do not give paracetamol to children.",
                Err(Withheld::Order),
            ),
            (
                "Transfers above $500 need a second signature.",
                "Transfers above €500 need a second signature.",
                Err(Withheld::Number),
            ),
            (
                "Call the doctor if the potassium is <3.5 mmol/l.",
                "Call the doctor if the potassium is ≥3.5 mmol/l.",
                Err(Withheld::Number),
            ),
            (
                "Keep the sample at -20 °C.",
                "Keep the sample at 20 °C.",
                Err(Withheld::Number),
            ),
        ];
        for (quote, sentence, expected) in cases {
            let source = Source {
                quote,
                headings: &[],
            };
            let verdict = verify(
                sentence,
                source,
                "What is to be done?",
                &signs,
                Strictness::PARAPHRASE,
            );
            assert_eq!(verdict, expected, "{quote} {sentence}");
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
            follows: None,
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

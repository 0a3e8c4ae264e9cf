//! The type of answer that a question expects, and whether a sentence contains one.
//!
//! `How often …` expects a sentence with a period, `Who …` one with a person or a role. A question
//! of no such type expects any sentence. The words that name periods, units, roles and the like are
//! those of the language (`text/languages/`).

use cloister_text::Language;
use cloister_text::fold::{fold, words};
use cloister_text::translation::with_english_phrases;
use std::collections::HashSet;

/// The type of answer that a question expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerType {
    /// A point in time, a period or a frequency.
    Time,
    /// A number, an amount or a size.
    Number,
    /// A person, a role or a team.
    Person,
    /// The name of the person who has a role.
    PersonName,
    /// An address or a telephone number.
    Contact,
    /// Anything else.
    Any,
}

/// Words after `how` that ask for a time.
const TIME_ADVERBS: &[&str] = &[
    "long",
    "often",
    "frequently",
    "soon",
    "fast",
    "quickly",
    "old",
];

/// Words after `how` that ask for a number.
const NUMBER_ADVERBS: &[&str] = &["many", "much", "large", "big", "high", "low", "tall", "far"];

/// Words that ask for a time, after `how`, `what` or `which`.
const TIME_NOUNS: &[&str] = &["time", "date", "frequency"];

/// Words that ask for a number, after `how`, `what` or `which`.
const NUMBER_NOUNS: &[&str] = &[
    "percent",
    "percentage",
    "number",
    "amount",
    "score",
    "size",
    "cost",
    "price",
    "dose",
    "shortest",
    "longest",
    "minimum",
    "maximum",
    "limit",
    "budget",
];

/// The match of a sentence without a name if a name is expected.
const WITHOUT_NAME: f32 = -8.0;

impl AnswerType {
    /// Detects the type from the words of a question. Question words of other languages are read as
    /// those of English.
    pub fn of_question(question: &str, language: Language) -> Self {
        let terms = language.answer_words();
        let words: Vec<String> = words(&with_english_phrases(question, language)).collect();
        let names = |list: &HashSet<String>| words.iter().any(|word| list.contains(word));
        let has = |word: &str| words.iter().any(|known| known == word);
        let has_any = |list: &[&str]| list.iter().any(|word| has(word));
        let measures = has_any(&["how", "what", "which"]);
        if has_any(&["address", "phone", "telephone"]) || has("email") && has("which") {
            return Self::Contact;
        }
        if has("when")
            || asks_how(&words, TIME_ADVERBS)
            || measures && (names(&terms.time_units) || has_any(TIME_NOUNS))
        {
            return Self::Time;
        }
        if asks_how(&words, NUMBER_ADVERBS) || measures && has_any(NUMBER_NOUNS) {
            return Self::Number;
        }
        let asks_who_is = matches!(words.as_slice(), [who, is, ..]
            if who == "who" && matches!(is.as_str(), "is" | "was" | "are"));
        if asks_who_is && names(&terms.titles) {
            return Self::PersonName;
        }
        if has_any(&["who", "whom", "whose"]) || has("which") && names(&terms.roles) {
            return Self::Person;
        }
        Self::Any
    }

    /// How well a sentence matches: 1 if it contains this type of answer, 0 if it does not, and 0.5
    /// for [`Any`](Self::Any). Far below 0 if a name is expected and there is none: a sentence that
    /// only has the role of the question repeats the question.
    pub fn match_score(self, sentence: &str, language: Language) -> f32 {
        let contains = match self {
            Self::Any => return 0.5,
            Self::Time => contains_time(sentence, language),
            Self::Number => contains_number(sentence, language),
            Self::Person => contains_person(sentence, language),
            Self::PersonName if !contains_name(sentence, language) => return WITHOUT_NAME,
            Self::PersonName => true,
            Self::Contact => contains_contact(sentence),
        };
        f32::from(u8::from(contains))
    }

    /// Whether a sentence contains this type of answer. [`Any`](Self::Any) is not contained in any.
    pub fn is_contained_in(self, sentence: &str, language: Language) -> bool {
        self != Self::Any && self.match_score(sentence, language) > 0.5
    }
}

/// Whether `how` is followed by one of these words.
fn asks_how(words: &[String], adverbs: &[&str]) -> bool {
    words.windows(2).any(
        |pair| matches!(pair, [how, adverb] if how == "how" && adverbs.contains(&adverb.as_str())),
    )
}

fn contains_time(sentence: &str, language: Language) -> bool {
    let periods = &language.answer_words().periods;
    let words: Vec<String> = words(sentence).collect();
    words
        .iter()
        .any(|word| periods.contains(word) || is_year(word))
        || sentence.split_whitespace().any(is_time_of_day)
        || contains_duration(&words, language)
}

/// Whether a unit of time follows a number within three words: `4 hours`, `five (5) business days`.
fn contains_duration(words: &[String], language: Language) -> bool {
    const MAX_DISTANCE: usize = 3;
    let terms = language.answer_words();
    words.iter().enumerate().any(|(position, word)| {
        let before = words
            .get(position.saturating_sub(MAX_DISTANCE)..position)
            .unwrap_or_default();
        let states_age = before.iter().any(|word| terms.ages.contains(word));
        terms.time_units.contains(word)
            && before.iter().any(|word| is_count(word, language))
            && !states_age
    })
}

/// Whether a word is a time of day: `14:00`.
fn is_time_of_day(word: &str) -> bool {
    word.trim_matches(|c: char| !c.is_alphanumeric())
        .split_once(':')
        .is_some_and(|(hour, minute)| has_digit(hour) && has_digit(minute))
}

fn contains_number(sentence: &str, language: Language) -> bool {
    words(without_item_number(sentence)).any(|word| is_count(&word, language))
}

/// A list item without its number, which is not an answer.
fn without_item_number(sentence: &str) -> &str {
    let first = sentence.split_whitespace().next().unwrap_or_default();
    if first.ends_with(['.', ')']) && has_digit(first) {
        return sentence.strip_prefix(first).unwrap_or(sentence);
    }
    sentence
}

/// Whether a sentence names a role, or has two adjacent capitalised words after its first word.
fn contains_person(sentence: &str, language: Language) -> bool {
    let roles = &language.answer_words().roles;
    let capitalised: Vec<bool> = sentence
        .split_whitespace()
        .map(|word| word.chars().next().is_some_and(char::is_uppercase))
        .collect();
    words(sentence).any(|word| roles.contains(&word))
        || capitalised
            .windows(2)
            .skip(1)
            .any(|pair| pair == [true, true])
}

/// Whether two adjacent capitalised words are no title: `Ada Lovelace`.
fn contains_name(sentence: &str, language: Language) -> bool {
    let titles = &language.answer_words().titles;
    let is_name = |word: &&str| {
        let letters = word.trim_matches(|c: char| !c.is_alphanumeric());
        let mut rest = letters.chars();
        rest.next().is_some_and(char::is_uppercase)
            && letters.chars().any(char::is_lowercase)
            && rest.all(|c| c.is_lowercase() || matches!(c, '-' | '\''))
            && !titles.contains(fold(letters).trim_end_matches('s'))
    };
    let words: Vec<&str> = sentence.split_whitespace().collect();
    words.windows(2).any(|pair| {
        matches!(pair, [first, second] if is_name(first) && is_name(second)
            && first.ends_with(char::is_alphabetic))
    })
}

fn contains_contact(sentence: &str) -> bool {
    const MIN_PHONE_DIGITS: usize = 7;
    ["@", "://", "www."]
        .iter()
        .any(|sign| sentence.contains(sign))
        || sentence.chars().filter(char::is_ascii_digit).count() >= MIN_PHONE_DIGITS
}

fn is_count(word: &str, language: Language) -> bool {
    has_digit(word) || language.answer_words().counts.contains(word)
}

fn has_digit(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_digit())
}

fn is_year(word: &str) -> bool {
    word.len() == 4
        && word
            .parse()
            .is_ok_and(|year: u32| (1000..2200).contains(&year))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_expects_a_type_of_answer() {
        let cases = [
            ("How often are backups taken?", AnswerType::Time),
            ("In how many days must it be reported?", AnswerType::Time),
            (
                "When must a breach be reported, and to whom?",
                AnswerType::Time,
            ),
            ("How many nurses are on a ward?", AnswerType::Number),
            (
                "What is the minimum length of a password?",
                AnswerType::Number,
            ),
            ("Who approves a change?", AnswerType::Person),
            ("Who is the chief risk officer?", AnswerType::PersonName),
            ("Which team is in charge of backups?", AnswerType::Person),
            ("Which address do I write to?", AnswerType::Contact),
            ("May visitors bring flowers?", AnswerType::Any),
            ("Wie lange werden Akten aufbewahrt?", AnswerType::Time),
            ("Was kostet eine Karte?", AnswerType::Number),
            ("Wer ist die Leiterin der Klinik?", AnswerType::PersonName),
            ("Dans quel délai faut-il répondre ?", AnswerType::Time),
        ];
        for (question, expected) in cases {
            assert_eq!(
                AnswerType::of_question(question, Language::of_query(question)),
                expected,
                "{question}"
            );
        }
    }

    #[test]
    fn a_sentence_contains_a_type_of_answer() {
        let cases = [
            (AnswerType::Time, "Logs are reviewed weekly.", true),
            (
                AnswerType::Time,
                "Submit it within five (5) business days.",
                true,
            ),
            (AnswerType::Time, "No later than 10:00 local time.", true),
            (AnswerType::Time, "Date & time of backup", false),
            (AnswerType::Time, "• The day is recorded.", false),
            (AnswerType::Number, "1. Passwords are long.", false),
            (AnswerType::Number, "They have at least 8 characters.", true),
            (
                AnswerType::Person,
                "It is reported to the Security Officer.",
                true,
            ),
            (AnswerType::Person, "It was written by Ada Lovelace.", true),
            (AnswerType::Person, "Changes to Chef recipes.", false),
            (
                AnswerType::PersonName,
                "Ada Lovelace | Chief Operating Officer (COO)",
                true,
            ),
            (
                AnswerType::PersonName,
                "The board includes the Chief Executive Officer (CEO), Chief Risk Officer.",
                false,
            ),
            (
                AnswerType::Time,
                "Children below 12 years come first.",
                false,
            ),
            (AnswerType::Contact, "Write to reports@example.org.", true),
            (AnswerType::Contact, "Write to us.", false),
        ];
        for (answer_type, sentence, contains) in cases {
            assert_eq!(
                answer_type.match_score(sentence, Language::of_query(sentence)) > 0.5,
                contains,
                "{sentence}"
            );
        }
        assert!(
            (AnswerType::Any.match_score("Anything.", Language::ENGLISH) - 0.5).abs()
                < f32::EPSILON
        );
    }
}

//! The type of answer that a question expects, and whether a sentence contains one.
//!
//! `How often …` expects a sentence with a period, `Who …` one with a person or a role. A question
//! of no such type, or in a language other than English, expects any sentence.

use cloister_text::fold::words;

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

/// Words that name a point in time, a period or a frequency.
const PERIODS: &[&str] = &[
    "daily",
    "nightly",
    "weekly",
    "biweekly",
    "fortnightly",
    "monthly",
    "quarterly",
    "annual",
    "annually",
    "biannual",
    "biannually",
    "yearly",
    "hourly",
    "immediately",
    "immediate",
    "once",
    "twice",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "today",
    "midnight",
    "noon",
    "regularly",
    "ongoing",
    "promptly",
];

/// Units of time.
const TIME_UNITS: &[&str] = &[
    "second",
    "seconds",
    "minute",
    "minutes",
    "hour",
    "hours",
    "day",
    "days",
    "night",
    "nights",
    "week",
    "weeks",
    "month",
    "months",
    "quarter",
    "quarters",
    "year",
    "years",
    "decade",
    "decades",
    "century",
    "centuries",
    "am",
    "pm",
];

/// Words for numbers and quantities.
const COUNTS: &[&str] = &[
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "fifteen", "twenty", "thirty", "forty", "fifty", "sixty", "ninety", "hundred",
    "thousand", "million", "billion", "half", "first", "second", "third", "every", "each", "per",
    "dozen", "several", "single", "double",
];

/// Words for people, roles and teams.
const ROLES: &[&str] = &[
    "officer",
    "officers",
    "team",
    "teams",
    "manager",
    "managers",
    "director",
    "directors",
    "member",
    "members",
    "employee",
    "employees",
    "staff",
    "owner",
    "owners",
    "customer",
    "customers",
    "nurse",
    "nurses",
    "doctor",
    "doctors",
    "physician",
    "physicians",
    "pharmacist",
    "committee",
    "department",
    "board",
    "administrator",
    "administrators",
    "supervisor",
    "supervisors",
    "president",
    "chair",
    "chairman",
    "responder",
    "responders",
    "engineer",
    "engineers",
    "master",
    "lead",
    "leader",
    "clinician",
    "clinicians",
    "auditor",
    "auditors",
    "designee",
    "partner",
    "partners",
    "contractor",
    "contractors",
    "head",
    "user",
    "users",
    "ceo",
    "cto",
    "coo",
    "cfo",
    "ciso",
    "cpo",
    "party",
    "people",
    "person",
    "patient",
    "patients",
    "king",
    "queen",
    "duke",
    "emperor",
    "scientist",
    "author",
    "professor",
    "minister",
    "founder",
];

/// Words of titles, which are often capitalised and are no names.
const TITLES: &[&str] = &[
    "chief",
    "executive",
    "operating",
    "financial",
    "finance",
    "technology",
    "information",
    "security",
    "privacy",
    "risk",
    "medical",
    "nursing",
    "officer",
    "director",
    "manager",
    "head",
    "lead",
    "leader",
    "president",
    "vice",
    "chair",
    "owner",
    "founder",
    "secretary",
    "treasurer",
    "controller",
    "consultant",
    "senior",
    "deputy",
    "assistant",
    "board",
    "team",
    "department",
    "policy",
    "ceo",
    "coo",
    "cto",
    "cfo",
    "ciso",
];

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
    /// Detects the type from the words of a question.
    pub fn detect(question: &str) -> Self {
        let words: Vec<String> = words(question).collect();
        let has = |word: &str| words.iter().any(|known| known == word);
        let has_any = |list: &[&str]| list.iter().any(|word| has(word));
        let measures = has_any(&["how", "what", "which"]);
        if has_any(&["address", "phone", "telephone"]) || has("email") && has("which") {
            return Self::Contact;
        }
        if has("when")
            || asks_how(&words, TIME_ADVERBS)
            || measures && (has_any(TIME_UNITS) || has_any(TIME_NOUNS))
        {
            return Self::Time;
        }
        if asks_how(&words, NUMBER_ADVERBS) || measures && has_any(NUMBER_NOUNS) {
            return Self::Number;
        }
        let asks_who_is = matches!(words.as_slice(), [who, is, ..]
            if who == "who" && matches!(is.as_str(), "is" | "was" | "are"));
        if asks_who_is && has_any(TITLES) {
            return Self::PersonName;
        }
        if has_any(&["who", "whom", "whose"]) || has("which") && has_any(ROLES) {
            return Self::Person;
        }
        Self::Any
    }

    /// How well a sentence matches: 1 if it contains this type of answer, 0 if it does not, and 0.5
    /// for [`Any`](Self::Any). Far below 0 if a name is expected and there is none: a sentence that
    /// only has the role of the question repeats the question.
    pub fn match_score(self, sentence: &str) -> f32 {
        let contains = match self {
            Self::Any => return 0.5,
            Self::Time => contains_time(sentence),
            Self::Number => contains_number(sentence),
            Self::Person => contains_person(sentence),
            Self::PersonName if !contains_name(sentence) => return WITHOUT_NAME,
            Self::PersonName => true,
            Self::Contact => contains_contact(sentence),
        };
        f32::from(u8::from(contains))
    }

    /// Whether a sentence contains this type of answer. [`Any`](Self::Any) is not contained in any.
    pub fn is_contained_in(self, sentence: &str) -> bool {
        self != Self::Any && self.match_score(sentence) > 0.5
    }
}

/// Whether `how` is followed by one of these words.
fn asks_how(words: &[String], adverbs: &[&str]) -> bool {
    words.windows(2).any(
        |pair| matches!(pair, [how, adverb] if how == "how" && adverbs.contains(&adverb.as_str())),
    )
}

fn contains_time(sentence: &str) -> bool {
    let words: Vec<String> = words(sentence).collect();
    words
        .iter()
        .any(|word| PERIODS.contains(&word.as_str()) || is_year(word))
        || sentence.split_whitespace().any(is_time_of_day)
        || contains_duration(&words)
}

/// A number of years after one of these words is an age: `below 12 years`.
const AGE_WORDS: [&str; 4] = ["below", "under", "aged", "age"];

/// Whether a unit of time follows a number within three words: `4 hours`, `five (5) business days`.
fn contains_duration(words: &[String]) -> bool {
    const MAX_DISTANCE: usize = 3;
    words.iter().enumerate().any(|(position, word)| {
        let before = words
            .get(position.saturating_sub(MAX_DISTANCE)..position)
            .unwrap_or_default();
        let states_age = before.iter().any(|word| AGE_WORDS.contains(&word.as_str()));
        TIME_UNITS.contains(&word.as_str())
            && before.iter().any(|word| is_count(word))
            && !states_age
    })
}

/// Whether a word is a time of day: `14:00`.
fn is_time_of_day(word: &str) -> bool {
    word.trim_matches(|c: char| !c.is_alphanumeric())
        .split_once(':')
        .is_some_and(|(hour, minute)| has_digit(hour) && has_digit(minute))
}

fn contains_number(sentence: &str) -> bool {
    words(without_item_number(sentence)).any(|word| is_count(&word))
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
fn contains_person(sentence: &str) -> bool {
    let capitalised: Vec<bool> = sentence
        .split_whitespace()
        .map(|word| word.chars().next().is_some_and(char::is_uppercase))
        .collect();
    words(sentence).any(|word| ROLES.contains(&word.as_str()))
        || capitalised
            .windows(2)
            .skip(1)
            .any(|pair| pair == [true, true])
}

/// Whether two adjacent capitalised words are no title: `Ada Lovelace`.
fn contains_name(sentence: &str) -> bool {
    let is_name = |word: &&str| {
        let letters = word.trim_matches(|c: char| !c.is_alphanumeric());
        let mut rest = letters.chars();
        rest.next().is_some_and(char::is_uppercase)
            && letters.chars().any(char::is_lowercase)
            && rest.all(|c| c.is_lowercase() || matches!(c, '-' | '\''))
            && !TITLES.contains(&letters.to_lowercase().trim_end_matches('s'))
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

fn is_count(word: &str) -> bool {
    has_digit(word) || COUNTS.contains(&word)
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
            ("Wie lange werden Akten aufbewahrt?", AnswerType::Any),
        ];
        for (question, expected) in cases {
            assert_eq!(AnswerType::detect(question), expected, "{question}");
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
                answer_type.match_score(sentence) > 0.5,
                contains,
                "{sentence}"
            );
        }
        assert!((AnswerType::Any.match_score("Anything.") - 0.5).abs() < f32::EPSILON);
    }
}

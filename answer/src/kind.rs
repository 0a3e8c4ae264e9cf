//! The kind of thing that a question asks for, and whether a sentence holds one.
//!
//! `How often …` is answered by a sentence that names a period, `Who …` by one that names a person
//! or a role. A question of no such kind, or in a language whose words are not known here, asks for
//! anything, and every sentence is as good as another.

use crate::words::words;

/// What a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A moment, a period or how often.
    Time,
    /// A number, an amount, a size.
    Number,
    /// A person, a role, a team.
    Person,
    /// An address or a telephone number.
    Contact,
    /// Anything else.
    Anything,
}

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
const UNITS: &[&str] = &[
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
const COUNTS: &[&str] = &[
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "fifteen", "twenty", "thirty", "forty", "fifty", "sixty", "ninety", "hundred",
    "thousand", "million", "billion", "half", "first", "second", "third", "every", "each", "per",
    "dozen", "several", "single", "double",
];
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

impl Kind {
    /// What a question asks for.
    pub fn of(question: &str) -> Self {
        let asked: Vec<String> = words(question).collect();
        let says = |word: &str| asked.iter().any(|known| known == word);
        let after_how = |next: &[&str]| {
            let mut pairs = asked.windows(2);
            pairs.any(
                |pair| matches!(pair, [how, what] if how == "how" && next.contains(&what.as_str())),
            )
        };
        let measure = ["how", "what", "which"].iter().any(|word| says(word));
        if says("address") || says("email") && says("which") || says("phone") || says("telephone") {
            Self::Contact
        } else if says("when")
            || after_how(&[
                "long",
                "often",
                "frequently",
                "soon",
                "fast",
                "quickly",
                "old",
            ])
            || measure
                && UNITS
                    .iter()
                    .chain(&["time", "date", "frequency"])
                    .any(|unit| says(unit))
        {
            Self::Time
        } else if after_how(&["many", "much", "large", "big", "high", "low", "tall", "far"])
            || measure
                && [
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
                ]
                .iter()
                .any(|word| says(word))
        {
            Self::Number
        } else if ["who", "whom", "whose"].iter().any(|word| says(word))
            || says("which") && ROLES.iter().any(|role| says(role))
        {
            Self::Person
        } else {
            Self::Anything
        }
    }

    /// How well a sentence fits: 1 where it holds what is asked for, 0 where it does not, and a
    /// half where anything may be asked for.
    pub fn fits(self, sentence: &str) -> f32 {
        let holds = match self {
            Self::Anything => return 0.5,
            Self::Time => holds_time(sentence),
            Self::Number => holds_number(sentence),
            Self::Person => holds_person(sentence),
            Self::Contact => holds_contact(sentence),
        };
        f32::from(u8::from(holds))
    }
}

fn holds_time(sentence: &str) -> bool {
    let words: Vec<String> = words(sentence).collect();
    let among = |list: &[&str], word: &String| list.contains(&word.as_str());
    let counted = |word: &String| has_digit(word) || among(COUNTS, word);
    let period = words.iter().any(|word| among(PERIODS, word));
    let year = words.iter().any(|word| is_year(word));
    let clock = sentence.split_whitespace().any(|word| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        bare.split_once(':')
            .is_some_and(|(hour, minute)| has_digit(hour) && has_digit(minute))
    });
    // `4 hours`, `five (5) business days`.
    let measured = words.iter().enumerate().any(|(place, word)| {
        let before = words
            .get(place.saturating_sub(3)..place)
            .unwrap_or_default();
        among(UNITS, word) && before.iter().any(counted)
    });
    period || year || clock || measured
}

fn holds_number(sentence: &str) -> bool {
    // The number of a list's item says nothing.
    let item = sentence.split_whitespace().next().unwrap_or_default();
    let is_item = item.ends_with(['.', ')']) && has_digit(item);
    let rest = sentence
        .strip_prefix(item)
        .filter(|_| is_item)
        .unwrap_or(sentence);
    words(rest).any(|word| has_digit(&word) || COUNTS.contains(&word.as_str()))
}

fn holds_person(sentence: &str) -> bool {
    let role = words(sentence).any(|word| ROLES.contains(&word.as_str()));
    let capital = |word: &&str| word.chars().next().is_some_and(char::is_uppercase);
    let all: Vec<&str> = sentence.split_whitespace().collect();
    let named = all.windows(2).skip(1).any(|pair| pair.iter().all(capital));
    role || named
}

fn holds_contact(sentence: &str) -> bool {
    let digits = sentence.chars().filter(char::is_ascii_digit).count();
    sentence.contains('@') || sentence.contains("://") || sentence.contains("www.") || digits >= 7
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
    fn questions_ask_for_kinds() {
        let cases = [
            ("How often are backups taken?", Kind::Time),
            ("In how many days must it be reported?", Kind::Time),
            ("When must a breach be reported, and to whom?", Kind::Time),
            ("How many nurses are on a ward?", Kind::Number),
            ("What is the minimum length of a password?", Kind::Number),
            ("Who approves a change?", Kind::Person),
            ("Which team is in charge of backups?", Kind::Person),
            ("Which address do I write to?", Kind::Contact),
            ("May visitors bring flowers?", Kind::Anything),
            ("Wie lange werden Akten aufbewahrt?", Kind::Anything),
        ];
        for (question, kind) in cases {
            assert_eq!(Kind::of(question), kind, "{question}");
        }
    }

    #[test]
    fn sentences_hold_kinds() {
        let cases = [
            (Kind::Time, "Logs are reviewed weekly.", true),
            (Kind::Time, "Submit it within five (5) business days.", true),
            (Kind::Time, "No later than 10:00 local time.", true),
            (Kind::Time, "Date & time of backup", false),
            (Kind::Time, "• The day is recorded.", false),
            (Kind::Number, "1. Passwords are long.", false),
            (Kind::Number, "They have at least 8 characters.", true),
            (
                Kind::Person,
                "It is reported to the Security Officer.",
                true,
            ),
            (Kind::Person, "It was written by Ada Lovelace.", true),
            (Kind::Person, "Changes to Chef recipes.", false),
            (Kind::Contact, "Write to reports@example.org.", true),
            (Kind::Contact, "Write to us.", false),
        ];
        for (kind, sentence, holds) in cases {
            assert_eq!(kind.fits(sentence) > 0.5, holds, "{sentence}");
        }
        assert!((Kind::Anything.fits("Anything.") - 0.5).abs() < f32::EPSILON);
    }
}

//! Words as they are compared: what a text is about, its numbers, whether it denies.

use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation;

/// Words that say nothing about what a text is about.
const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be",
    "been", "before", "being", "both", "but", "by", "can", "could", "did", "do", "does", "doing",
    "done", "during", "each", "for", "from", "get", "had", "has", "have", "having", "he", "her",
    "here", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "itself", "many",
    "may", "me", "might", "more", "most", "much", "must", "my", "of", "on", "or", "other", "our",
    "out", "over", "own", "shall", "she", "should", "so", "some", "such", "than", "that", "the",
    "their", "them", "then", "there", "these", "they", "this", "those", "through", "to", "under",
    "until", "up", "us", "very", "was", "we", "were", "what", "when", "where", "which", "while",
    "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
];

const DENIALS: &[&str] = &[
    "not", "no", "never", "none", "nobody", "nothing", "neither", "nor", "without", "cannot",
];

/// The words of a text, in small letters.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.unicode_words().map(str::to_lowercase)
}

/// The stems of the words that say what a text is about.
pub fn content_stems(text: &str) -> BTreeSet<String> {
    words(text)
        .filter(|word| !STOP_WORDS.contains(&word.as_str()) && !DENIALS.contains(&word.as_str()))
        .map(|word| stem(&word))
        .collect()
}

const ORDINALS: &[&str] = &[
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth",
];

/// A word without its commonest English endings: enough to know `notified` in `notifies`. Words
/// with digits are codes and stay as they are, but for decades: `1970s` and `1970's` are one. Small
/// ordinals are written with digits.
pub fn stem(word: &str) -> String {
    let word = word.trim_end_matches("'s").trim_end_matches("’s");
    if let Some(place) = ORDINALS.iter().position(|ordinal| *ordinal == word) {
        let ending = ["st", "nd", "rd"].get(place).unwrap_or(&"th");
        return format!("{}{ending}", place + 1);
    }
    if word.chars().any(|c| c.is_ascii_digit()) {
        let decade = word.strip_suffix('s');
        let decade = decade.filter(|year| year.len() == 4 && year.ends_with('0'));
        return decade.unwrap_or(word).to_owned();
    }
    for (ending, shortest, instead) in [
        ("ational", 4, "ate"),
        ("ication", 3, "y"),
        ("ations", 4, ""),
        ("ation", 4, ""),
        ("ments", 4, ""),
        ("ment", 4, ""),
        ("ying", 3, "y"),
        ("ings", 4, ""),
        ("ing", 4, ""),
        ("ies", 2, "y"),
        ("ied", 2, "y"),
        ("edly", 3, ""),
        ("ed", 3, ""),
        ("es", 3, ""),
        ("ly", 4, ""),
        ("s", 3, ""),
        ("e", 3, ""),
    ] {
        if let Some(start) = word.strip_suffix(ending)
            && start.chars().count() >= shortest
            && !(ending == "s" && start.ends_with('s'))
        {
            return format!("{start}{instead}");
        }
    }
    word.to_owned()
}

/// A name, and what it would be without the ending that makes it an adjective or a country:
/// `india` is in `indian`, `west` in `western`, `ital` in `italy` and `italian`.
pub fn roots(name: &str) -> impl Iterator<Item = &str> {
    const ENDINGS: [&str; 7] = ["ern", "ian", "ean", "ese", "an", "n", "y"];
    let shorter = ENDINGS
        .iter()
        .filter_map(|ending| name.strip_suffix(ending));
    let telling = |root: &&str| root.chars().count() >= 4 && root.chars().all(char::is_alphabetic);
    std::iter::once(name).chain(shorter.filter(telling))
}

/// Whether a text writes an abbreviation out: `SP` as *Scottish Parliament*.
pub fn writes_out(text: &str, abbreviation: &str) -> bool {
    let joining = ["of", "and", "the", "for", "in", "on"];
    let letters: Vec<char> = abbreviation.chars().collect();
    let words = text.unicode_words().filter(|word| !joining.contains(word));
    let initials: Vec<char> = words.filter_map(|word| word.chars().next()).collect();
    letters.len() >= 2
        && letters.iter().all(|letter| letter.is_uppercase())
        && initials.windows(letters.len()).any(|some| some == letters)
}

/// What stands before a number and makes it another one.
const SIGNS: &str = "-<>≤≥±~≈$€£¥";

/// The numbers of a text as they are written, with their signs and currencies and without separators
/// of thousands, and each with the word that follows it.
pub fn numbers(text: &str) -> Vec<(String, Option<String>)> {
    let tokens: Vec<&str> = text.split_whitespace().collect();
    let mut found = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let bare = token.trim_matches(|c: char| !c.is_alphanumeric() && c != '%');
        if !bare.chars().any(|c| c.is_ascii_digit()) {
            continue;
        }
        let split = bare.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | ':')));
        let (digits, unit) = match split {
            Some(at) => (bare.get(..at).unwrap_or(bare), bare.get(at..)),
            None => (bare, None),
        };
        let before = token.chars().take_while(|c| !c.is_alphanumeric());
        let before = before.map(|c| if c == '−' { '-' } else { c });
        let sign: String = before.filter(|c| SIGNS.contains(*c)).collect();
        let value = sign + &plain_number(if digits.is_empty() { bare } else { digits });
        let next = tokens
            .get(place + 1)
            .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
        let unit = unit.or(next).map(|word| stem(&word.to_lowercase()));
        found.push((value, unit.filter(|word| !word.is_empty())));
    }
    found.extend(spelt_numbers(text));
    found
}

/// The numbers of a text, each once.
pub fn values(text: &str) -> BTreeSet<String> {
    numbers(text).into_iter().map(|(value, _)| value).collect()
}

fn plain_number(digits: &str) -> String {
    let bare = digits.trim_end_matches(['.', ',', ':']);
    let thousands = bare.split(',').skip(1).all(|group| group.len() == 3);
    if thousands {
        bare.replace(',', "")
    } else {
        bare.to_owned()
    }
}

/// Small numbers that are written as words.
fn spelt_numbers(text: &str) -> Vec<(String, Option<String>)> {
    const SPELT: &[&str] = &[
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve",
    ];
    let all: Vec<String> = words(text).collect();
    let mut found = Vec::new();
    for (place, word) in all.iter().enumerate() {
        if let Some(value) = SPELT.iter().position(|spelt| spelt == word)
            && value != 1
        {
            found.push((value.to_string(), all.get(place + 1).map(|next| stem(next))));
        }
    }
    found
}

/// Whether a text denies something.
pub fn denies(text: &str) -> bool {
    words(text).any(|word| is_denial(&word))
}

/// Whether a word, in small letters, denies.
pub fn is_denial(word: &str) -> bool {
    DENIALS.contains(&word) || word.ends_with("n't") || word.ends_with("n’t")
}

/// The words of a text that begin with a capital and do not begin a sentence: names, mostly.
pub fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut begins = true;
    for token in text.split_whitespace() {
        let word = token.trim_matches(|c: char| !c.is_alphanumeric());
        if !begins && word.chars().next().is_some_and(char::is_uppercase) {
            names.push(word.to_lowercase());
        }
        begins = token.ends_with(['.', '!', '?', ':']);
    }
    names
}

/// What a question names: the stems of its names, and its numbers and codes. A question that is
/// all capitals names nothing by them.
pub fn particulars(question: &str) -> BTreeSet<String> {
    let all = question.split_whitespace().count();
    let mut found = names(question);
    if 2 * found.len() > all {
        found.clear();
    }
    let coded = words(question).filter(|word| word.chars().any(|c| c.is_ascii_digit()));
    let about = content_stems(question);
    found
        .iter()
        .flat_map(|name| words(name))
        .map(|word| stem(&word))
        .filter(|stem| about.contains(stem))
        .chain(coded.map(|word| stem(&word)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_share_a_stem() {
        for (one, other) in [
            ("notifies", "notified"),
            ("notification", "notify"),
            ("reported", "reports"),
            ("doses", "dose"),
            ("patients", "patient"),
            ("measured", "measure"),
            ("1970's", "1970s"),
            ("tenth", "10th"),
            ("third", "3rd"),
        ] {
            assert_eq!(stem(one), stem(other), "{one}, {other}");
        }
        assert_ne!(stem("class"), stem("clas"));
        assert_ne!(stem("b12s"), stem("b12"));
    }

    #[test]
    fn numbers_are_found_with_their_units() {
        let found = |text: &str| {
            numbers(text)
                .into_iter()
                .map(|(n, unit)| (n, unit.unwrap_or_default()))
                .collect::<Vec<_>>()
        };
        let number = |n: &str, unit: &str| (n.to_owned(), unit.to_owned());
        assert_eq!(
            found("Give 4.5 g every six hours."),
            [number("4.5", "g"), number("6", "hour")]
        );
        assert_eq!(found("up to €10,000"), [number("€10000", "")]);
        assert_eq!(found("(−20 °C)"), [number("-20", "c")]);
        assert_eq!(
            found("5mg, then 72 hours"),
            [number("5", "mg"), number("72", "hour")]
        );
    }

    #[test]
    fn a_name_is_known_in_its_adjective_and_written_out() {
        let same = |one: &str, other: &str| roots(one).any(|root| roots(other).any(|r| r == root));
        for (one, other) in [
            ("west", "western"),
            ("indian", "india"),
            ("italy", "italian"),
            ("german", "germany"),
            ("melfi", "melfi"),
        ] {
            assert!(same(one, other), "{one}, {other}");
        }
        for (one, other) in [("paris", "parish"), ("iran", "iraq"), ("1059", "1058")] {
            assert!(!same(one, other), "{one}, {other}");
        }
        assert!(writes_out("a seat in the Scottish Parliament", "SP"));
        assert!(writes_out("the Bank of England and others", "BE"));
        assert!(!writes_out("a Scottish member of parliament", "SP"));
        assert!(!writes_out("a seat in the Scottish Parliament", "S"));
    }

    #[test]
    fn a_question_names_what_a_passage_must_hold() {
        let check = |question: &str, expected: &[&str]| {
            let found: Vec<String> = particulars(question).into_iter().collect();
            assert_eq!(found, expected, "{question}");
        };
        check(
            "Who was Count of Melfi in 1059?",
            &["1059", "count", "melfi"],
        );
        check("what is the dose for E11.9", &["e11.9"]);
        check("WHERE IS THE KEY?", &[]);
        check("When may I visit?", &[]);
    }
}

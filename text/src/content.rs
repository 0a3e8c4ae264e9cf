//! What a text is about: its content words, its names, whether it negates.
//!
//! The word lists are those of the language of the question.

use crate::fold::{fold, words};
use crate::language::Language;
use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation;

impl Language {
    /// The distinct stems of the content words of a text: all words except function words and
    /// negations.
    pub fn content_stems(self, text: &str) -> BTreeSet<String> {
        self.content_words(text)
            .map(|word| self.content_stem(&word))
            .collect()
    }

    /// The content words of a text, in the form of [`fold`].
    pub fn content_words(self, text: &str) -> impl Iterator<Item = String> + '_ {
        words(text).filter(move |word| self.is_content_word(word))
    }

    /// Whether a word is neither a function word nor a negation. The word must be in the form of
    /// [`fold`].
    fn is_content_word(self, word: &str) -> bool {
        let data = self.data();
        !data.function_words.contains(word) && !data.negations.contains(word)
    }

    /// The pairs of stems of adjacent words that are both content words, in one clause or cell.
    pub fn content_pairs(self, text: &str) -> BTreeSet<(String, String)> {
        const ENDS_OF_CLAUSES: [char; 8] = ['|', '\n', '.', ',', ';', ':', '(', ')'];
        let mut pairs = BTreeSet::new();
        for clause in text.split(ENDS_OF_CLAUSES) {
            let mut previous: Option<String> = None;
            for word in words(clause) {
                let current = self
                    .is_content_word(&word)
                    .then(|| self.content_stem(&word));
                if let (Some(one), Some(other)) = (previous, &current) {
                    pairs.insert((one, other.clone()));
                }
                previous = current;
            }
        }
        pairs
    }

    /// The Snowball stem of a word, as in the lexical index. The word must be in the form of
    /// [`fold`].
    ///
    /// Words with digits are codes and keep their form, except decades: `1970s` and `1970's` are
    /// equal. Small ordinals become digits: `third` and `3rd` are equal. Irregular forms have the
    /// stem of their base form: `kept` and `keeps` are equal.
    pub fn content_stem(self, word: &str) -> String {
        let word = word.trim_end_matches("'s").trim_end_matches("’s");
        let ordinals = &self.data().ordinals;
        if let Some(position) = ordinals.iter().position(|ordinal| ordinal == word) {
            let ending = ["st", "nd", "rd"].get(position).unwrap_or(&"th");
            return format!("{}{ending}", position + 1);
        }
        if word.chars().any(|c| c.is_ascii_digit()) {
            return without_plural_of_decade(word).to_owned();
        }
        fold(&self.stem(self.base_form(word).unwrap_or(word)))
    }

    /// Whether the stem is that of a number, in digits or as a numeral.
    pub fn names_number(self, stemmed: &str) -> bool {
        let numerals = &self.data().numerals;
        stemmed.chars().any(char::is_numeric)
            || numerals
                .iter()
                .any(|numeral| self.content_stem(numeral) == stemmed)
    }

    /// Whether a text negates something.
    pub fn is_negated(self, text: &str) -> bool {
        words(text).any(|word| self.is_negation(&word))
    }

    /// Whether a word negates. The word must be in the form of [`fold`].
    pub fn is_negation(self, word: &str) -> bool {
        self.data().negations.contains(word) || word.ends_with("n't") || word.ends_with("n’t")
    }

    /// What a question names: the stems of its names, its numbers and its codes. In a question that
    /// is mostly capitals, and in a language whose nouns have capitals, capitals do not mark names.
    pub fn named_entities(self, question: &str) -> BTreeSet<String> {
        let mut names = names(question);
        let is_mostly_names = 2 * names.len() > question.split_whitespace().count();
        if is_mostly_names || self.data().capitalised_nouns {
            names.clear();
        }
        let content = self.content_stems(question);
        let mut entities: BTreeSet<String> = names
            .iter()
            .flat_map(|name| words(name))
            .map(|word| self.content_stem(&word))
            .filter(|stem| content.contains(stem))
            .collect();
        entities.extend(
            words(question)
                .filter(|word| word.chars().any(|c| c.is_ascii_digit()))
                .map(|word| self.content_stem(&word)),
        );
        entities
    }
}

/// `1970` for `1970s`, any other word unchanged.
fn without_plural_of_decade(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(year) if year.len() == 4 && year.ends_with('0') => year,
        _ => word,
    }
}

/// A name, and the name without an ending that makes it an adjective or a country: `india` is a
/// root of `indian`, `west` of `western`, `ital` of `italy` and of `italian`.
pub fn name_roots(name: &str) -> impl Iterator<Item = &str> {
    const ENDINGS: [&str; 7] = ["ern", "ian", "ean", "ese", "an", "n", "y"];
    const MIN_CHARS: usize = 4;
    let roots = ENDINGS
        .iter()
        .filter_map(|ending| name.strip_suffix(ending))
        .filter(|root| root.chars().count() >= MIN_CHARS && root.chars().all(char::is_alphabetic));
    std::iter::once(name).chain(roots)
}

/// Whether a text has words with the initials of an abbreviation: *Scottish Parliament* for `SP`.
pub fn expands_abbreviation(text: &str, abbreviation: &str) -> bool {
    const UNCOUNTED: [&str; 6] = ["of", "and", "the", "for", "in", "on"];
    let letters: Vec<char> = abbreviation.chars().collect();
    if letters.len() < 2 || !letters.iter().all(|letter| letter.is_uppercase()) {
        return false;
    }
    let initials: Vec<char> = text
        .unicode_words()
        .filter(|word| !UNCOUNTED.contains(word))
        .filter_map(|word| word.chars().next())
        .collect();
    initials
        .windows(letters.len())
        .any(|window| window == letters)
}

/// The capitalised words of a text that do not start a sentence, in the form of [`fold`]. Most are
/// names.
pub fn names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut starts_sentence = true;
    for token in text.split_whitespace() {
        let word = token.trim_matches(|c: char| !c.is_alphanumeric());
        if !starts_sentence && word.chars().next().is_some_and(char::is_uppercase) {
            names.push(fold(word));
        }
        starts_sentence = token.ends_with(['.', '!', '?', ':']);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH: Language = Language::ENGLISH;

    #[test]
    fn pairs_are_adjacent_content_words_of_one_clause() {
        let pairs = ENGLISH.content_pairs("Head of Member Services | Ada Lovelace");
        let texts: Vec<String> = pairs.iter().map(|(a, b)| format!("{a} {b}")).collect();
        assert_eq!(texts, ["ada lovelac", "member servic"]);
        assert!(
            ENGLISH
                .content_pairs("five days")
                .iter()
                .all(|(five, _)| ENGLISH.names_number(five))
        );
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        for (one, other) in [
            ("notifies", "notified"),
            ("notifications", "notification"),
            ("reported", "reports"),
            ("doses", "dose"),
            ("patients", "patient"),
            ("measured", "measure"),
            ("1970's", "1970s"),
            ("tenth", "10th"),
            ("third", "3rd"),
            ("kept", "keeping"),
            ("children", "child"),
        ] {
            assert_eq!(
                ENGLISH.content_stem(one),
                ENGLISH.content_stem(other),
                "{one}, {other}"
            );
        }
        assert_ne!(ENGLISH.content_stem("class"), ENGLISH.content_stem("clas"));
        assert_ne!(ENGLISH.content_stem("b12s"), ENGLISH.content_stem("b12"));
    }

    #[test]
    fn a_name_matches_its_adjective_and_its_expanded_form() {
        let share_a_root =
            |one: &str, other: &str| name_roots(one).any(|r| name_roots(other).any(|o| o == r));
        for (one, other) in [
            ("west", "western"),
            ("indian", "india"),
            ("italy", "italian"),
            ("german", "germany"),
            ("melfi", "melfi"),
        ] {
            assert!(share_a_root(one, other), "{one}, {other}");
        }
        for (one, other) in [("paris", "parish"), ("iran", "iraq"), ("1059", "1058")] {
            assert!(!share_a_root(one, other), "{one}, {other}");
        }
        assert!(expands_abbreviation(
            "a seat in the Scottish Parliament",
            "SP"
        ));
        assert!(expands_abbreviation("the Bank of England and others", "BE"));
        assert!(!expands_abbreviation(
            "a Scottish member of parliament",
            "SP"
        ));
        assert!(!expands_abbreviation(
            "a seat in the Scottish Parliament",
            "S"
        ));
    }

    #[test]
    fn a_question_names_what_a_passage_must_hold() {
        let check = |question: &str, expected: &[&str]| {
            let found: Vec<String> = ENGLISH.named_entities(question).into_iter().collect();
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

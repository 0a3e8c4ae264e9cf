//! Words and stems for the lexical index and its queries.

use crate::codes::trim_punctuation;
use crate::language::Language;
use std::ops::Range;

/// Words of this many bytes or more are not indexed.
pub(crate) const MAX_WORD_BYTES: usize = 100;

/// A query is cut after this many words. More add noise and time.
pub(crate) const MAX_QUERY_WORDS: usize = 64;

/// A term and its place in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The term as it is indexed.
    pub text: String,
    /// The number of words before it, stop words included.
    pub position: usize,
    /// The bytes of the word in the text.
    pub range: Range<usize>,
}

/// The stems of a text without its stop words, in order.
pub fn stem_tokens(text: &str, language: Language) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (position, range) in word_ranges(text).enumerate() {
        let Some(word) = text.get(range.clone()) else {
            continue;
        };
        if word.len() >= MAX_WORD_BYTES {
            continue;
        }
        let lower = lowercase(word);
        if language.is_stop_word(&lower) {
            continue;
        }
        tokens.push(Token {
            text: language.stem(&lower),
            position,
            range,
        });
    }
    tokens
}

/// The runs of letters and digits in a text.
fn word_ranges(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(move |word| {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            start..start + word.len()
        })
}

/// Lower case, one character at a time: unlike [`str::to_lowercase`], a final sigma is lowered as
/// any other.
fn lowercase(word: &str) -> String {
    word.chars().flat_map(char::to_lowercase).collect()
}

/// A text in which each word that joins letters and digits is followed by its parts: `FY2018` by
/// `FY` and `2018`.
pub fn split_letters_and_digits(text: &str) -> String {
    let mut split = String::new();
    for word in text.split(|c: char| !c.is_alphanumeric()) {
        split.push_str(word);
        split.push(' ');
        if word.chars().any(char::is_numeric) && word.chars().any(char::is_alphabetic) {
            push_parts(word, &mut split);
        }
        split.push(' ');
    }
    split
}

fn push_parts(word: &str, split: &mut String) {
    let mut previous: Option<char> = None;
    for c in word.chars() {
        if previous.is_some_and(|previous| previous.is_numeric() != c.is_numeric()) {
            split.push(' ');
        }
        split.push(c);
        previous = Some(c);
    }
}

/// The distinct stems of a query that may be in any of these languages.
pub fn query_stems(text: &str, languages: &[Language]) -> Vec<String> {
    let text = split_letters_and_digits(text);
    let mut distinct: Vec<String> = Vec::new();
    for language in languages {
        for token in stem_tokens(&text, *language)
            .into_iter()
            .take(MAX_QUERY_WORDS)
        {
            if !distinct.contains(&token.text) {
                distinct.push(token.text);
            }
        }
    }
    distinct
}

/// The stems of each two adjacent words of a query, joined. File names omit the space
/// (`AMERICANEXPRESS_2022.pdf`).
pub fn adjacent_pair_stems(text: &str, languages: &[Language]) -> Vec<String> {
    let words: Vec<&str> = text.split_whitespace().map(trim_punctuation).collect();
    let pairs: Vec<String> = words
        .windows(2)
        .map(<[&str]>::concat)
        .filter(|pair| pair.chars().all(char::is_alphabetic))
        .collect();
    query_stems(&pairs.join(" "), languages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(code: &str) -> Language {
        Language::from_code(Some(code))
    }

    #[test]
    fn stop_words_are_left_out_and_keep_their_position() {
        let tokens = stem_tokens("The opening, of Hours", Language::ENGLISH);
        let expected = [("open", 1, 4..11), ("hour", 3, 16..21)];
        let expected = expected.map(|(text, position, range)| Token {
            text: text.into(),
            position,
            range,
        });
        assert_eq!(tokens, expected);
        assert!(stem_tokens(&"x".repeat(MAX_WORD_BYTES), Language::ENGLISH).is_empty());
    }

    #[test]
    fn a_question_is_stemmed_without_its_stop_words() {
        assert_eq!(
            query_stems("What are the opening hours?", &[Language::ENGLISH]),
            ["what", "open", "hour"]
        );
    }

    #[test]
    fn a_question_is_stemmed_in_every_language_of_the_documents() {
        let languages = [Language::ENGLISH, language("deu")];
        assert_eq!(
            query_stems("Aufbewahrung der Akten", &languages),
            ["aufbewahrung", "der", "akten", "aufbewahr", "akt"]
        );
    }

    #[test]
    fn every_language_has_stems_and_stop_words() {
        for (code, one, many) in [
            ("eng", "the policy", "policies"),
            ("deu", "die Aufbewahrung", "Aufbewahrungen"),
            ("fra", "le médicament", "médicaments"),
            ("spa", "el medicamento", "medicamentos"),
            ("ita", "il farmaco", "farmaci"),
            ("nld", "de verpleegkundige", "verpleegkundigen"),
            ("por", "o medicamento", "medicamentos"),
        ] {
            let languages = [language(code)];
            let stems = query_stems(one, &languages);
            assert_eq!(stems.len(), 1, "{code}: {stems:?}");
            assert_eq!(stems, query_stems(many, &languages), "{code}");
        }
    }

    #[test]
    fn letters_and_digits_are_split() {
        let english = [Language::ENGLISH];
        assert_eq!(query_stems("FY2018", &english), ["fy2018", "fy", "2018"]);
        assert_eq!(
            query_stems("aspirin 3M", &english),
            ["aspirin", "3m", "3", "m"]
        );
    }

    #[test]
    fn two_adjacent_words_are_also_one() {
        let english = [Language::ENGLISH];
        assert_eq!(
            adjacent_pair_stems("American Express in FY2022, by region", &english),
            ["americanexpress", "expressin", "byregion"]
        );
        assert!(adjacent_pair_stems("", &english).is_empty());
    }
}

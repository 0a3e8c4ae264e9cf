//! From text to the words that are searched.
//!
//! Two readings of every text: English stems without stop words, for prose, and the codes as they
//! are written (`§ 12(3)`, `E11.9`, `DE-41/2`), which stemming and splitting would destroy.

use tantivy::tokenizer::{
    Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, StopWordFilter, TextAnalyzer,
    TokenStream, WhitespaceTokenizer,
};

/// The analyzer of prose.
pub(crate) const PROSE: &str = "cloister_prose_1";
/// The analyzer of codes, over [`codes`] joined by spaces.
pub(crate) const CODES: &str = "cloister_codes_1";

/// Longer words are no words; tantivy's own limit for a term is higher.
const LONGEST: usize = 100;

/// More words than this in a question add noise and time only.
const MOST_WORDS: usize = 64;

pub(crate) fn prose() -> TextAnalyzer {
    let plain = TextAnalyzer::builder(SimpleTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST))
        .filter(LowerCaser);
    match StopWordFilter::new(Language::English) {
        Some(stop_words) => plain
            .filter(stop_words)
            .filter(Stemmer::new(Language::English))
            .build(),
        None => plain.filter(Stemmer::new(Language::English)).build(),
    }
}

pub(crate) fn code_analyzer() -> TextAnalyzer {
    TextAnalyzer::builder(WhitespaceTokenizer::default())
        .filter(RemoveLongFilter::limit(LONGEST))
        .build()
}

/// The distinct stems of a question.
pub(crate) fn stems(text: &str) -> Vec<String> {
    let mut analyzer = prose();
    let mut stream = analyzer.token_stream(text);
    let mut stems = Vec::new();
    while let Some(token) = stream.next() {
        if !stems.contains(&token.text) {
            stems.push(token.text.clone());
        }
    }
    stems.truncate(MOST_WORDS);
    stems
}

/// The distinct codes of a question: those of its [`codes`] that are more than a plain word.
pub(crate) fn question_codes(text: &str) -> Vec<String> {
    let mut found = codes(text);
    found.sort_unstable();
    found.dedup();
    found.retain(|code| code.len() <= LONGEST && is_code(code));
    found.truncate(MOST_WORDS);
    found
}

/// A word with a digit or a sign in it, or an abbreviation as it was lowered; plain words are the
/// stems' business.
fn is_code(word: &str) -> bool {
    word.chars().any(|c| !c.is_alphabetic())
}

/// A text's words as they are written, lower case, without the punctuation around them. A
/// paragraph sign is joined to the number after it.
pub(crate) fn codes(text: &str) -> Vec<String> {
    let mut codes: Vec<String> = Vec::new();
    let mut sign = String::new();
    for word in text.split_whitespace() {
        let trimmed = trim(word);
        if trimmed.is_empty() {
            continue;
        }
        if trimmed.chars().all(|c| c == '§') {
            "§".clone_into(&mut sign);
            continue;
        }
        let code = format!("{}{}", std::mem::take(&mut sign), trimmed.to_lowercase());
        codes.push(code);
    }
    codes
}

/// Takes punctuation off both ends, but no bracket whose partner stands inside the word.
fn trim(word: &str) -> &str {
    let mut rest = word;
    loop {
        let first = rest.chars().next().filter(|c| is_edge(*c));
        let last = rest.chars().next_back().filter(|c| is_edge(*c));
        let shorter = match (first, last) {
            (Some('('), _) if rest.contains(')') && !rest.ends_with(')') => None,
            (Some(first), _) => rest.strip_prefix(first),
            (None, Some(')')) if rest.contains('(') => None,
            (None, Some(last)) => rest.strip_suffix(last),
            (None, None) => None,
        };
        match shorter {
            Some(shorter) => rest = shorter,
            None => return rest,
        }
    }
}

fn is_edge(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '§' | '%' | '€' | '$' | '£' | '°' | '+' | '#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stay_as_they_are_written() {
        let check = |text: &str, expected: &[&str]| assert_eq!(codes(text), expected, "{text}");
        check("See § 12(3), please.", &["see", "§12(3)", "please"]);
        check("(ICD E11.9)", &["icd", "e11.9"]);
        check("under §5(a).", &["under", "§5(a)"]);
        check("\"IBAN: DE89-3704\"", &["iban", "de89-3704"]);
        check("2–6 °C, 5 %", &["2–6", "°c", "5", "%"]);
        check("... --- ", &[]);
    }

    #[test]
    fn a_question_is_searched_by_its_stems_and_its_codes() {
        assert_eq!(
            stems("What are the opening hours?"),
            ["what", "open", "hour"]
        );
        assert_eq!(
            question_codes("the dose in § 12(3) or E11.9?"),
            ["e11.9", "§12(3)"]
        );
    }
}

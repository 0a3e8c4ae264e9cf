//! Words as they are written: codes (`§ 12(3)`, `E11.9`, `DE-41/2`), which stemming would destroy,
//! and quoted phrases.

use crate::fold::{fold_written, is_unspaced, is_word_char};
use crate::iban::find_iban;
use crate::token::{MAX_QUERY_WORDS, MAX_WORD_BYTES, Token, trim_punctuation};

/// The words of a text as they are written, in lower case and in order. An IBAN in groups of four
/// is also one word, at the position of its first group.
///
/// The byte ranges of the tokens are empty.
pub fn code_tokens(text: &str) -> Vec<Token> {
    let words = written_words(text);
    let mut tokens = Vec::with_capacity(words.len());
    for (position, word) in words.iter().enumerate() {
        let iban = words.get(position..).and_then(find_iban);
        for text in [Some(word.clone()), iban].into_iter().flatten() {
            if text.len() <= MAX_WORD_BYTES {
                tokens.push(Token {
                    text,
                    position,
                    range: 0..0,
                });
            }
        }
    }
    tokens
}

/// The distinct codes of a query, sorted: its written words that are more than a plain word, and
/// its IBANs.
pub fn query_codes(text: &str) -> Vec<String> {
    let mut codes = written_words(text);
    for position in 0..codes.len() {
        if let Some(iban) = codes.get(position..).and_then(find_iban) {
            codes.push(iban);
        }
    }
    codes.sort_unstable();
    codes.dedup();
    codes.retain(|code| code.len() <= MAX_WORD_BYTES && is_code(code));
    codes.truncate(MAX_QUERY_WORDS);
    codes
}

/// The phrases in quotation marks that a query requires, each as its written words.
///
/// A single plain word in quotation marks inside a question (*what is meant by "surge"?*) is a
/// term that the question is about, not a required phrase.
pub fn quoted_phrases(text: &str) -> Vec<Vec<String>> {
    let is_question = text.trim_end().ends_with('?');
    let mut phrases = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(['"', '“', '„', '«']) {
        let Some((inside, later)) = after.split_once(['"', '”', '“', '»']) else {
            break;
        };
        rest = later;
        let words: Vec<String> = written_words(inside)
            .into_iter()
            .take(MAX_QUERY_WORDS)
            .collect();
        let is_plain_word = matches!(&*words, [word] if !is_code(word));
        if !(words.is_empty() || is_question && is_plain_word) {
            phrases.push(words);
        }
    }
    phrases
}

/// Whether a word has a digit or a sign in it. Plain words are searched by their stems.
fn is_code(word: &str) -> bool {
    word.chars().any(|c| !c.is_alphabetic())
}

/// Whether a code is a number, an amount or a year. Numbers are common and are rarely what a
/// question asks for.
pub fn is_number(code: &str) -> bool {
    code.chars()
        .all(|c| c.is_numeric() || (!c.is_alphanumeric() && c != '§'))
}

/// The words of a text as they are written, in the form of [`fold_written`], without the punctuation
/// around them. A
/// paragraph sign is joined to the word that follows it.
pub fn written_words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut paragraph_sign = "";
    for word in text.split_whitespace() {
        let trimmed = trim_punctuation(word);
        if trimmed.is_empty() {
            continue;
        }
        if trimmed.chars().all(|c| c == '§') {
            paragraph_sign = "§";
            continue;
        }
        push_written(&fold_written(trimmed), paragraph_sign, &mut words);
        paragraph_sign = "";
    }
    words
}

/// Adds a word. Each character of a script without spaces is a word of its own, so that a phrase is
/// found inside of a sentence.
fn push_written(word: &str, paragraph_sign: &str, words: &mut Vec<String>) {
    if !word.chars().any(is_unspaced) {
        words.push(format!("{paragraph_sign}{word}"));
        return;
    }
    let mut open = String::new();
    for c in word.chars() {
        if is_unspaced(c) {
            words.extend(take_word(&mut open));
            words.push(c.to_string());
        } else if is_word_char(c) || !open.is_empty() {
            open.push(c);
        }
    }
    words.extend(take_word(&mut open));
}

fn take_word(open: &mut String) -> Option<String> {
    let word = trim_punctuation(&std::mem::take(open)).to_owned();
    (!word.is_empty()).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stay_as_they_are_written() {
        let check = |text: &str, expected: &[&str]| assert_eq!(written_words(text), expected);
        check("See § 12(3), please.", &["see", "§12(3)", "please"]);
        check("(ICD E11.9)", &["icd", "e11.9"]);
        check("under §5(a).", &["under", "§5(a)"]);
        check("\"IBAN: DE89-3704\"", &["iban", "de89-3704"]);
        check("2–6 °C, 5 %", &["2-6", "°c", "5", "%"]);
        check(
            "„DE\u{2011}41/2“ Guillain-Barré",
            &["de-41/2", "guillain-barre"],
        );
        check("10⁹/l 患者。", &["10^9/l", "患", "者"]);
        check("... --- ", &[]);
    }

    #[test]
    fn an_iban_is_one_word_however_it_is_written() {
        let check = |text: &str, expected: &str| {
            assert!(query_codes(text).contains(&expected.to_owned()), "{text}");
            let tokens = code_tokens(text);
            let last = written_words(text).len() - 1;
            assert_eq!(tokens.last().unwrap().position, last, "{text}");
            assert!(tokens.iter().any(|token| token.text == expected), "{text}");
        };
        let german = "de89370400440532013000";
        check("IBAN DE89 3704 0044 0532 0130 00, please", german);
        check("IBAN: DE89370400440532013000", german);
        check("from BE68 5390 0754 7034 is paid", "be68539007547034");
        check("(GB29 NWBK 6016 1331 9268 19)", "gb29nwbk60161331926819");
        let wrong = "DE88 3704 0044 0532 0130 00";
        assert_eq!(code_tokens(wrong).len(), 6);
        assert_eq!(code_tokens("ab12 this that more even").len(), 5);
        assert_eq!(code_tokens("ab12").len(), 1);
    }

    #[test]
    fn a_question_has_codes_beside_its_plain_words() {
        assert_eq!(
            query_codes("the dose in § 12(3) or E11.9?"),
            ["e11.9", "§12(3)"]
        );
    }

    #[test]
    fn quotation_marks_hold_phrases() {
        assert_eq!(
            quoted_phrases("What is \"minimum necessary\" in “§ 12(3)”?"),
            [vec!["minimum", "necessary"], vec!["§12(3)"]]
        );
        assert!(quoted_phrases("5\" pipe").is_empty());
        assert_eq!(quoted_phrases("\"surge\" capacity"), [vec!["surge"]]);
        assert_eq!(quoted_phrases("Where is “E11.9”?"), [vec!["e11.9"]]);
        assert!(quoted_phrases("What is meant by \"surge\"?").is_empty());
    }
}

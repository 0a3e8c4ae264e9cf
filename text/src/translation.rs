//! A question of another language, word by word in English.

use crate::dictionary::Dictionary;
use crate::fold::{compose, fold};
use crate::language::{Language, LanguageData};
use crate::thesaurus::Thesaurus;
use std::borrow::Cow;

/// The longest phrase that is looked up, in words.
const MAX_PHRASE_WORDS: usize = 4;
/// The maximum number of translations of a word that are considered.
const MAX_CANDIDATES: usize = 12;

/// What a word or phrase of a question may be in English.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WordTranslation {
    /// Known: a function word, a number, a code, or a word that stays as it is.
    Fixed(String),
    /// One of these, the most usual first. Never empty.
    OneOf(Vec<String>),
}

/// Translates a question word by word. Words that carry no meaning are left out.
///
/// A word that is in neither the dictionary nor `thesaurus`, which says what is English, stays as it
/// is: it may be a name.
pub fn translate_words(
    question: &str,
    dictionary: &Dictionary,
    thesaurus: &Thesaurus,
) -> Vec<WordTranslation> {
    let tokens = tokens(question);
    let words: Vec<String> = tokens.iter().map(|token| lower(token)).collect();
    let data = dictionary.language().data();
    let mut translated = Vec::new();
    let mut at = 0;
    while let (Some(rest), Some(token)) = (words.get(at..), tokens.get(at)) {
        let known = known_phrase(rest, data).map(|(length, english)| (length, fixed(english)));
        let (length, found) = known
            .or_else(|| dictionary_phrase(rest, dictionary))
            .unwrap_or_else(|| (1, single_word(token, dictionary, thesaurus)));
        translated.extend(found);
        at += length;
    }
    translated
}

/// A question with its function words and phrases in English, and its other words as they are:
/// `how much costs Überweisung`.
pub fn with_english_phrases(question: &str, language: Language) -> Cow<'_, str> {
    if language.data().english.is_empty() {
        return Cow::Borrowed(question);
    }
    let tokens = tokens(question);
    let words: Vec<String> = tokens.iter().map(|token| lower(token)).collect();
    let mut text = String::new();
    let mut at = 0;
    while let (Some(rest), Some(token)) = (words.get(at..), tokens.get(at)) {
        let (length, english) = known_phrase(rest, language.data()).unwrap_or((1, token));
        text.push_str(english);
        text.push(' ');
        at += length;
    }
    Cow::Owned(text)
}

/// The words of a question. Elided words are words: `l’hôpital` has two. Codes are not taken apart.
fn tokens(question: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    for token in question.split_whitespace() {
        let token = token.trim_matches(|c: char| !c.is_alphanumeric());
        if has_digit(token) {
            tokens.push(token);
        } else {
            tokens.extend(token.split(['\'', '’', '-', '/']));
        }
    }
    tokens.retain(|token| !token.is_empty());
    tokens
}

fn lower(word: &str) -> String {
    compose(word).to_lowercase()
}

fn has_digit(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_digit())
}

/// The longest phrase at the start of `words` that the language file has in English, and its length.
fn known_phrase<'l>(words: &[String], data: &'l LanguageData) -> Option<(usize, &'l str)> {
    (1..=MAX_PHRASE_WORDS.min(words.len()))
        .rev()
        .find_map(|length| {
            let english = data.english.get(&words.get(..length)?.join(" "))?;
            Some((length, english.as_str()))
        })
}

/// A translation that is known. None for a phrase that is left out.
fn fixed(english: &str) -> Vec<WordTranslation> {
    let word = (!english.is_empty()).then(|| WordTranslation::Fixed(english.to_owned()));
    word.into_iter().collect()
}

/// The longest phrase of at least two words at the start of `words` that the dictionary has, and its
/// length. It does not start with a function word.
fn dictionary_phrase(
    words: &[String],
    dictionary: &Dictionary,
) -> Option<(usize, Vec<WordTranslation>)> {
    let first = words.first()?;
    if dictionary.language().is_stop_word(first) {
        return None;
    }
    (2..=MAX_PHRASE_WORDS.min(words.len()))
        .rev()
        .find_map(|length| {
            let found = dictionary.entry(&words.get(..length)?.join(" "));
            Some((length, vec![one_of(&found)?]))
        })
}

fn single_word(
    token: &str,
    dictionary: &Dictionary,
    thesaurus: &Thesaurus,
) -> Vec<WordTranslation> {
    let word = lower(token);
    if has_digit(token) {
        return vec![WordTranslation::Fixed(token.to_owned())];
    }
    if dictionary.language().is_stop_word(&word) {
        return Vec::new();
    }
    if let Some(found) = one_of(&dictionary.translations(&word)) {
        return vec![found];
    }
    if let Some(parts) = dictionary.parts(&word) {
        let parts = parts
            .iter()
            .filter_map(|part| one_of(&dictionary.translations(part)));
        return parts.collect();
    }
    let guess = guess(&word, dictionary.language(), thesaurus);
    vec![WordTranslation::Fixed(
        guess.unwrap_or_else(|| token.to_owned()),
    )]
}

/// The translations, and the last word of each that is a phrase. `None` if there are none.
fn one_of(translations: &[&str]) -> Option<WordTranslation> {
    let mut candidates: Vec<String> = Vec::new();
    let phrases = translations.iter().copied();
    let heads = translations
        .iter()
        .filter_map(|phrase| Some(phrase.rsplit_once(' ')?.1));
    for candidate in phrases.chain(heads).take(2 * MAX_CANDIDATES) {
        if !candidates.iter().any(|known| known == candidate) {
            candidates.push(candidate.to_owned());
        }
    }
    candidates.truncate(MAX_CANDIDATES);
    (!candidates.is_empty()).then_some(WordTranslation::OneOf(candidates))
}

/// An English word that is written nearly like `word`, if its ending is changed: `additional` for
/// `adicional`.
fn guess(word: &str, language: Language, thesaurus: &Thesaurus) -> Option<String> {
    const MIN_CHARS: usize = 6;
    let mut forms = vec![fold(word)];
    for (ending, english) in &language.data().english_endings {
        let start = word.strip_suffix(ending.as_str());
        forms.extend(start.map(|start| fold(&format!("{start}{english}"))));
    }
    if let Some(form) = forms.iter().rev().find(|form| thesaurus.contains(form)) {
        return Some(form.clone());
    }
    let long = forms.iter().rev().filter(|form| form.len() >= MIN_CHARS);
    long.flat_map(|form| thesaurus.similar(form, 1))
        .next()
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english() -> Thesaurus {
        let lines = "additional\textra\t\nformation\t\t\nintensive\t\t\n";
        Thesaurus::parse(lines.to_owned()).unwrap()
    }

    fn translated(code: &str, entries: &str, question: &str) -> String {
        let language = Language::from_code(Some(code));
        let dictionary = Dictionary::parse(language, entries.to_owned()).unwrap();
        let words = translate_words(question, &dictionary, &english());
        let texts: Vec<String> = words
            .into_iter()
            .map(|word| match word {
                WordTranslation::Fixed(word) => word,
                WordTranslation::OneOf(words) => format!("({})", words.join("|")),
            })
            .collect();
        texts.join(" ")
    }

    #[test]
    fn words_phrases_and_compounds_are_translated() {
        let entries = "filiale\tbranch office,branch\nkrebs\tcancer\npatient\tpatient\n\
                       überweisung\tbank transfer\n";
        for (question, expected) in [
            (
                "Was kostet eine Überweisung in der Filiale?",
                "how much costs (bank transfer|transfer) (branch office|branch|office)",
            ),
            (
                "Wie lange darf ein Krebspatient E11.9 haben?",
                "how long may (cancer) (patient) E11.9",
            ),
        ] {
            assert_eq!(translated("deu", entries, question), expected);
        }
    }

    #[test]
    fn elided_words_and_words_that_english_shares_are_translated() {
        let entries = "hôpital\thospital\nsoins intensifs\tintensive care\n";
        for (question, expected) in [
            (
                "Quelle est la formation à l’hôpital ?",
                "what is formation (hospital)",
            ),
            (
                "Où sont les soins intensifs de Lyon ?",
                "where are (intensive care|care) Lyon",
            ),
            ("Qui est intensif ?", "who is intensive"),
        ] {
            assert_eq!(translated("fra", entries, question), expected);
        }
        let spanish = translated(
            "spa",
            "noche\tnight\n",
            "¿Cuánto cuesta cada noche adicional?",
        );
        assert_eq!(spanish, "how much costs each (night) additional");
    }
}

//! Words and stems for the lexical index and its queries.

use crate::fold::{compose, fold, is_raised, is_unspaced, is_word_char};
use crate::language::Language;
use crate::token::{MAX_QUERY_WORDS, MAX_WORD_BYTES, Token, trim_punctuation};
use std::ops::Range;
use unicode_normalization::char::is_combining_mark;

/// The stems of a text without its stop words, in order, each in the form of [`fold`]. Text that is
/// written without spaces becomes pairs of characters.
pub fn stem_tokens(text: &str, language: Language) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut position = 0;
    for range in word_ranges(text) {
        for piece in pieces(text, range) {
            let Some(word) = text.get(piece.clone()) else {
                continue;
            };
            if word.len() < MAX_WORD_BYTES {
                push_stems(word, language, position, &piece, &mut tokens);
            }
            position += 1;
        }
    }
    tokens
}

/// Adds the stem of a word, and other forms in which it is searched.
fn push_stems(
    word: &str,
    language: Language,
    position: usize,
    range: &Range<usize>,
    tokens: &mut Vec<Token>,
) {
    let lower = lowercase(&compose(word));
    if language.is_stop_word(&lower) {
        return;
    }
    let mut push = |text: String| {
        let is_new = tokens
            .iter()
            .rev()
            .take_while(|token| token.position == position)
            .all(|token| token.text != text);
        if is_new && !text.is_empty() {
            tokens.push(Token {
                text,
                position,
                range: range.clone(),
            });
        }
    };
    push(fold(&language.stem(&lower)));
    if !lower.is_ascii() {
        // Accents decide about some endings, and are not always typed.
        let plain = fold(&lower);
        push(fold(&language.stem(&plain)));
        if let Some(noun) = without_article(&plain) {
            push(noun.to_owned());
        }
    }
}

/// An Arabic word without the article that is written as part of it.
fn without_article(word: &str) -> Option<&str> {
    const MIN_CHARS: usize = 3;
    let articles = ["وال", "بال", "فال", "كال", "ال", "لل"];
    articles
        .iter()
        .find_map(|article| word.strip_prefix(article))
        .filter(|noun| noun.chars().count() >= MIN_CHARS)
}

/// The runs of letters, digits and marks in a text.
fn word_ranges(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    text.split(|c: char| !is_word_char(c))
        .filter(|word| word.contains(char::is_alphanumeric))
        .map(move |word| {
            let start = word.as_ptr() as usize - text.as_ptr() as usize;
            start..start + word.len()
        })
}

/// The parts of a word that are searched on their own: pairs of characters of scripts without spaces,
/// a number, its power, and what is left.
fn pieces(text: &str, range: Range<usize>) -> Vec<Range<usize>> {
    let word = text.get(range.clone()).unwrap_or_default();
    if word.is_ascii() {
        return vec![range];
    }
    let mut found = Vec::new();
    let mut run: Vec<Range<usize>> = Vec::new();
    let mut open: Option<Range<usize>> = None;
    let mut last: Option<char> = None;
    for (offset, c) in word.char_indices() {
        let place = range.start + offset..range.start + offset + c.len_utf8();
        if is_unspaced(c) {
            found.extend(open.take());
            run.push(place);
        } else if is_combining_mark(c) && !run.is_empty() {
            // A mark belongs to the character before it.
            run.last_mut()
                .into_iter()
                .for_each(|held| held.end = place.end);
        } else {
            push_pairs(&mut run, &mut found);
            let begins_power = is_raised(c) && last.is_some_and(|last| last.is_ascii_digit());
            if begins_power {
                found.extend(open.take());
            }
            match &mut open {
                Some(held) => held.end = place.end,
                None => open = Some(place),
            }
        }
        last = Some(c);
    }
    push_pairs(&mut run, &mut found);
    found.extend(open);
    found
}

/// The pairs of adjacent characters of a run; a single character is itself.
fn push_pairs(run: &mut Vec<Range<usize>>, found: &mut Vec<Range<usize>>) {
    if let [only] = run.as_slice() {
        found.push(only.clone());
    }
    let pairs = run.windows(2).filter_map(|pair| match pair {
        [first, second] => Some(first.start..second.end),
        _ => None,
    });
    found.extend(pairs);
    run.clear();
}

/// Lower case, one character at a time: unlike [`str::to_lowercase`], a final sigma is lowered as
/// any other.
fn lowercase(word: &str) -> String {
    word.chars().flat_map(char::to_lowercase).collect()
}

/// A text in which each word that joins letters and digits is followed by its parts: `FY2018` by
/// `FY` and `2018`.
pub fn split_letters_and_digits(text: &str) -> String {
    let text = compose(text);
    let mut split = String::new();
    for word in text.split(|c: char| !is_word_char(c)) {
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
    let text = compose(text);
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
    fn words_have_one_form_in_texts_and_queries() {
        for (code, written, typed) in [
            ("eng", "Me\u{301}nie\u{300}re", "Meniere"),
            ("deu", "Prü\u{ad}fungen", "Prufung"),
            ("fra", "prénoms", "prenom"),
            ("eng", "الوارفارين", "وارفارين"),
            ("eng", "患者はアレルギーがあります。", "アレルギー"),
            ("eng", "환자는 알레르기가 있습니다", "알레르기"),
            ("eng", "ผู้ป่วยแพ้ยา", "แพ้ยา"),
        ] {
            let in_text: Vec<String> = stem_tokens(written, language(code))
                .into_iter()
                .map(|token| token.text)
                .collect();
            for stem in query_stems(typed, &[language(code)]) {
                assert!(in_text.contains(&stem), "{stem} is not in {in_text:?}");
            }
        }
    }

    #[test]
    fn a_token_has_its_place_in_the_text_as_written() {
        let text = "a Mu\u{308}l\u{ad}ler 10⁹ 漢字 b";
        let places: Vec<(&str, &str)> = Box::leak(Box::new(stem_tokens(text, Language::ENGLISH)))
            .iter()
            .map(|token| (token.text.as_str(), text.get(token.range.clone()).unwrap()))
            .collect();
        assert_eq!(
            places,
            [
                ("muller", "Mu\u{308}l\u{ad}ler"),
                ("10", "10"),
                ("9", "⁹"),
                ("漢字", "漢字"),
                ("b", "b"),
            ]
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

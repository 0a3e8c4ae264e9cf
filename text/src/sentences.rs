//! Sentence boundaries.
//!
//! Unicode's rules (UAX 29) divide at every full stop before a capital letter. Sentences that they
//! divide after an abbreviation, a section number or an initial are joined again here.

use crate::language::{Language, LanguageData};
use std::ops::Range;
use unicode_segmentation::UnicodeSegmentation;

/// The byte ranges of the sentences of a text, in order, without the white space between them.
///
/// The abbreviations of all languages count in every text.
pub fn split_sentences(text: &str) -> Vec<Range<usize>> {
    let mut sentences: Vec<Range<usize>> = Vec::new();
    for (start, piece) in text.split_sentence_bound_indices() {
        let end = start + piece.len();
        match sentences.last_mut() {
            Some(last) if !ends_sentence(text.get(last.clone()).unwrap_or_default(), piece) => {
                last.end = end;
            }
            _ => sentences.push(start..end),
        }
    }
    for range in &mut sentences {
        *range = trim_range(text, range.clone());
    }
    sentences.retain(|range| !range.is_empty());
    sentences
}

/// The range without the white space at its ends.
pub fn trim_range(text: &str, range: Range<usize>) -> Range<usize> {
    let Some(piece) = text.get(range.clone()) else {
        return range;
    };
    let start = range.start + (piece.len() - piece.trim_start().len());
    start..start + piece.trim().len()
}

/// Whether the sentence that Unicode's rules end after `before` really ends there.
fn ends_sentence(before: &str, after: &str) -> bool {
    let before = before.trim_end();
    if before.ends_with(['!', '?', '…', '。', '！', '？']) {
        return true;
    }
    let Some(stem) = before.strip_suffix('.') else {
        // A line break or another mark: a colon or a bracket does not end a sentence.
        return before.ends_with(['.', '"', '”', ')', ']', '’', '\''])
            && ends_inside_closing_marks(before);
    };
    let word = stem.rsplit(char::is_whitespace).next().unwrap_or(stem);
    let word = word.trim_start_matches(['(', '[', '"', '“', '‘', '\'']);
    let lower = word.to_lowercase();
    if any_language(|language| language.company_suffixes.contains(&lower)) {
        let next = first_word(after);
        return any_language(|language| language.sentence_starters.contains(&next));
    }
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    let is_alone = stem.trim() == word && word.len() <= 4;
    let is_section = is_alone && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    !(is_abbreviation(&lower) || is_initial || is_section)
}

/// Whether a word in lower case, without its full stop, is an abbreviation of any language.
pub(crate) fn is_abbreviation(word: &str) -> bool {
    any_language(|language| language.abbreviations.contains(word))
}

fn any_language(holds: impl Fn(&LanguageData) -> bool) -> bool {
    Language::all().any(|language| holds(language.data()))
}

/// Whether the full stop is just inside closing marks.
fn ends_inside_closing_marks(before: &str) -> bool {
    before
        .trim_end_matches(['"', '”', ')', ']', '’', '\''])
        .ends_with(['.', '!', '?'])
}

fn first_word(text: &str) -> String {
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let found: Vec<_> = split_sentences(text)
            .into_iter()
            .map(|range| text.get(range).unwrap_or_default())
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn sentences_end_where_a_reader_ends_them() {
        check("One. Two! Three?", &["One.", "Two!", "Three?"]);
        check(
            "See Dr. Meyer, e.g. on Mondays. Then rest.",
            &["See Dr. Meyer, e.g. on Mondays.", "Then rest."],
        );
        check(
            "As § 12.3 says, No. 5 of Sec. 2 applies. It holds.",
            &["As § 12.3 says, No. 5 of Sec. 2 applies.", "It holds."],
        );
        check(
            "Acme Inc. Annual Report. Sold to Acme Inc. The price was $1.5 million.",
            &[
                "Acme Inc. Annual Report.",
                "Sold to Acme Inc.",
                "The price was $1.5 million.",
            ],
        );
        check(
            "J. P. Morgan grew in the U.S. by 3.2 percent. Costs fell.",
            &[
                "J. P. Morgan grew in the U.S. by 3.2 percent.",
                "Costs fell.",
            ],
        );
        check(
            "He said \"stop.\" Nobody did. (See page 3.) Fine.",
            &["He said \"stop.\"", "Nobody did.", "(See page 3.)", "Fine."],
        );
        check(
            "1. Wash your hands. Dry them.",
            &["1. Wash your hands.", "Dry them."],
        );
        check("  ", &[]);
    }
}

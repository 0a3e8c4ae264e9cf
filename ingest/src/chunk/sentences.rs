//! Where sentences begin and end.
//!
//! Unicode's rules divide at every full stop before a capital letter. Abbreviations, numbers of
//! sections and initials are put together again here.

use cloister_domain::ByteRange;
use unicode_segmentation::UnicodeSegmentation;

/// Words that end in a full stop and seldom end a sentence, without it, in lower case.
const ABBREVIATIONS: &[&str] = &[
    "e.g", "i.e", "cf", "vs", "viz", "approx", "resp", "incl", "excl", "no", "nos", "art", "arts",
    "sec", "sect", "para", "paras", "ch", "fig", "figs", "eq", "vol", "pp", "p", "ed", "eds", "al",
    "ca", "dr", "mr", "mrs", "ms", "prof", "sr", "jr", "st", "messrs", "hon", "rev", "gen", "col",
    "sen", "rep", "gov", "dept", "est", "bros", "u.s", "u.k", "e.u", "d.c", "a.m", "jan", "feb",
    "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "z.b", "d.h", "bzw",
    "ggf", "abs", "nr", "vgl", "str", "tel", "ext", "max", "min", "avg", "§",
];

/// Words that may end a sentence, or stand before a name: they divide only before a word that
/// begins sentences.
const COMPANIES: &[&str] = &["inc", "corp", "ltd", "co", "llc", "plc", "etc"];

/// Words that begin sentences, after [`COMPANIES`].
const BEGINNERS: &[&str] = &[
    "the", "a", "an", "in", "on", "at", "we", "our", "it", "its", "this", "these", "that", "those",
    "they", "he", "she", "for", "as", "if", "when", "under", "however", "each", "all", "no", "to",
    "there", "such", "see", "during", "after", "before", "while", "although", "any", "you", "i",
];

/// The sentences of a text, in order, without the white space between them.
pub fn sentences(text: &str) -> Vec<ByteRange> {
    let mut found: Vec<ByteRange> = Vec::new();
    for (start, piece) in text.split_sentence_bound_indices() {
        let end = start + piece.len();
        let Some(last) = found.last_mut() else {
            found.push(ByteRange::new(start, end));
            continue;
        };
        let before = last.of(text).unwrap_or_default();
        if ends_there(before, piece) {
            found.push(ByteRange::new(start, end));
        } else {
            last.end = end;
        }
    }
    found
        .into_iter()
        .map(|range| trim(text, range))
        .filter(|range| !range.is_empty())
        .collect()
}

/// The range without white space at its ends.
pub fn trim(text: &str, range: ByteRange) -> ByteRange {
    let Some(piece) = range.of(text) else {
        return range;
    };
    let start = range.start + (piece.len() - piece.trim_start().len());
    ByteRange::new(start, start + piece.trim().len())
}

/// Whether the sentence that Unicode's rules end after `before` does end there.
fn ends_there(before: &str, after: &str) -> bool {
    let before = before.trim_end();
    if before.ends_with(['!', '?', '…', '。', '！', '？']) {
        return true;
    }
    let Some(stem) = before.strip_suffix('.') else {
        // A line break or another mark: a colon or a bracket does not end a sentence.
        return before.ends_with(['.', '"', '”', ')', ']', '’', '\'']) && closes(before);
    };
    let word = stem.rsplit(char::is_whitespace).next().unwrap_or(stem);
    let word = word.trim_start_matches(['(', '[', '"', '“', '‘', '\'']);
    let lower = word.to_lowercase();
    let next = first_word(after);
    if COMPANIES.contains(&lower.as_str()) {
        return BEGINNERS.contains(&next.as_str());
    }
    let initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    let alone = stem.trim() == word && word.len() <= 4;
    let section = alone && word.chars().all(|c| c.is_ascii_digit() || c == '.');
    !(ABBREVIATIONS.contains(&lower.as_str()) || initial || section)
}

/// Whether the last full stop stands just inside closing marks.
fn closes(before: &str) -> bool {
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
        let found: Vec<_> = sentences(text)
            .into_iter()
            .map(|range| range.of(text).unwrap_or_default())
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

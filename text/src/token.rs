//! A token of a text, and the limits of words and queries.

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

/// A word without the punctuation at its ends. A bracket whose partner is inside the word stays.
pub(crate) fn trim_punctuation(word: &str) -> &str {
    let mut rest = word;
    loop {
        let first = rest.chars().next().filter(|c| is_edge_punctuation(*c));
        let last = rest.chars().next_back().filter(|c| is_edge_punctuation(*c));
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

fn is_edge_punctuation(c: char) -> bool {
    !c.is_alphanumeric() && !matches!(c, '§' | '%' | '€' | '$' | '£' | '°' | '+' | '#')
}

//! The part of a passage that shows why it was found.

use crate::words::{content_stems, stem, words};
use cloister_domain::ByteRange;
use serde::Serialize;
use unicode_segmentation::UnicodeSegmentation;

/// About so many bytes are shown.
const LENGTH: usize = 320;

/// A piece of a snippet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// Whether it is a word of the question.
    pub marked: bool,
}

/// The sentences of a passage that hold most of the question's words, with these words marked.
/// `sentences` are ranges of `text`, in order.
pub fn snippet(question: &str, text: &str, sentences: &[ByteRange]) -> Vec<Piece> {
    let asked = content_stems(question);
    let held = |range: &ByteRange| {
        let words = range.of(text).map(content_stems).unwrap_or_default();
        words.intersection(&asked).count()
    };
    let counts: Vec<usize> = sentences.iter().map(held).collect();
    let best = (0..counts.len())
        .rev()
        .max_by_key(|place| counts.get(*place));
    let shown = best
        .and_then(|place| sentences.get(place..))
        .map_or(text, |from| part(text, from));
    mark(shown, &asked)
}

/// From the first of these sentences as many as there is room for.
fn part<'a>(text: &'a str, from: &[ByteRange]) -> &'a str {
    let start = from.first().map_or(0, |range| range.start);
    let fits = from.iter().take_while(|range| range.end <= start + LENGTH);
    let end = fits
        .last()
        .or(from.first())
        .map_or(text.len(), |range| range.end);
    text.get(start..end).unwrap_or(text)
}

fn mark(text: &str, asked: &std::collections::BTreeSet<String>) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for bound in text.split_word_bounds() {
        let marked = words(bound)
            .next()
            .is_some_and(|word| asked.contains(&stem(&word)));
        match pieces.last_mut().filter(|last| last.marked == marked) {
            Some(last) => last.text.push_str(bound),
            None => pieces.push(Piece {
                text: bound.to_owned(),
                marked,
            }),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sentence_that_holds_the_question_is_shown_and_its_words_are_marked() {
        let text = "Staff wear badges. Visitors are welcome from 14:00. Keys are returned.";
        let sentences = [
            ByteRange::new(0, 18),
            ByteRange::new(19, 51),
            ByteRange::new(52, 70),
        ];
        let pieces = snippet("When is a visitor welcome?", text, &sentences);
        let whole: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        assert_eq!(whole, "Visitors are welcome from 14:00. Keys are returned.");
        let marked: Vec<&str> = pieces
            .iter()
            .filter(|p| p.marked)
            .map(|p| p.text.as_str())
            .collect();
        assert_eq!(marked, ["Visitors", "welcome"]);
    }
}

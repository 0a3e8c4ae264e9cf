//! The part of a passage that shows why it was found.

use cloister_domain::ByteRange;
use cloister_text::Language;
use cloister_text::fold::words;
use serde::Serialize;
use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation;

/// The approximate maximum length in bytes.
const MAX_BYTES: usize = 320;

/// A part of a snippet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnippetPart {
    /// Its text.
    pub text: String,
    /// Whether it is a word of the query.
    pub highlighted: bool,
}

/// The sentences of a passage that start with the one that has most words of the query, with these
/// words highlighted. `sentences` are ranges of `text`, in order.
pub fn snippet(query: &str, text: &str, sentences: &[ByteRange]) -> Vec<SnippetPart> {
    let language = Language::of_query(query);
    let query_stems = language.content_stems(query);
    let mut best = None;
    for (position, range) in sentences.iter().enumerate() {
        let stems = range
            .slice(text)
            .map(|sentence| language.content_stems(sentence))
            .unwrap_or_default();
        let shared = stems.intersection(&query_stems).count();
        if best.is_none_or(|(_, most)| shared > most) {
            best = Some((position, shared));
        }
    }
    let shown = best
        .and_then(|(position, _)| sentences.get(position..))
        .map_or(text, |from| leading_sentences(text, from));
    highlight(shown, &query_stems, language)
}

/// The first of these sentences, and those after it that fit into [`MAX_BYTES`].
fn leading_sentences<'a>(text: &'a str, sentences: &[ByteRange]) -> &'a str {
    let start = sentences.first().map_or(0, |range| range.start);
    let end = sentences
        .iter()
        .take_while(|range| range.end <= start + MAX_BYTES)
        .last()
        .or(sentences.first())
        .map_or(text.len(), |range| range.end);
    text.get(start..end).unwrap_or(text)
}

fn highlight(text: &str, query_stems: &BTreeSet<String>, language: Language) -> Vec<SnippetPart> {
    let mut parts: Vec<SnippetPart> = Vec::new();
    for segment in text.split_word_bounds() {
        let highlighted = words(segment)
            .next()
            .is_some_and(|word| query_stems.contains(&language.content_stem(&word)));
        match parts.last_mut() {
            Some(last) if last.highlighted == highlighted => last.text.push_str(segment),
            _ => parts.push(SnippetPart {
                text: segment.to_owned(),
                highlighted,
            }),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_sentence_is_shown_and_the_words_of_the_query_are_highlighted() {
        let text = "Staff wear badges. Visitors are welcome from 14:00. Keys are returned.";
        let sentences = [
            ByteRange::new(0, 18),
            ByteRange::new(19, 51),
            ByteRange::new(52, 70),
        ];
        let parts = snippet("When is a visitor welcome?", text, &sentences);
        let shown: String = parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!(shown, "Visitors are welcome from 14:00. Keys are returned.");
        let highlighted: Vec<&str> = parts
            .iter()
            .filter(|part| part.highlighted)
            .map(|part| part.text.as_str())
            .collect();
        assert_eq!(highlighted, ["Visitors", "welcome"]);
    }
}

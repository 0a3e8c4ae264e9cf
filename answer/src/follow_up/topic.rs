//! Finds the topic of the previous question, as it is named there.

use super::PreviousTurn;
use super::tokens::{ASKING_WORDS, AUXILIARIES, normalize, tokens};
use cloister_text::Language;
use cloister_text::fold::words;
use std::collections::HashSet;
use std::ops::Range;

const ARTICLES: &[&str] = &["a", "an", "the", "our", "all", "each", "every"];

/// The maximum number of words of a phrase.
const MAX_PHRASE_WORDS: usize = 4;

/// Whether a pronoun is plural. `None` if it can be either: `their`, `this`.
pub(super) fn is_plural_pronoun(token: &str) -> Option<bool> {
    match normalize(token).as_str() {
        "they" | "them" | "these" | "those" | "ones" => Some(true),
        "it" | "its" | "he" | "she" | "him" | "his" | "her" => Some(false),
        _ => None,
    }
}

/// The topic of the previous question: the phrase that its quotes mention most and that agrees with
/// the number of the pronoun, with its article.
pub(super) fn topic(previous: &PreviousTurn, plural: Option<bool>) -> Option<String> {
    let words: Vec<&str> = tokens(&previous.question).collect();
    let context = Context::new(previous);
    let mut best: Option<(usize, Range<usize>)> = None;
    for phrase in phrases(&words) {
        let Some(score) = context.score(&words, &phrase, plural) else {
            continue;
        };
        // Of equal phrases the longest wins, then the first: the topic of a question usually
        // precedes what is asked about it.
        let is_better = best
            .as_ref()
            .is_none_or(|(top, range)| (score, phrase.len()) > (*top, range.len()));
        if is_better {
            best = Some((score, phrase));
        }
    }
    let phrase = expand_phrase(&words, best?.1);
    let article = article_before(&words, phrase.start);
    let start = article.unwrap_or(phrase.start);
    let mut named = words.get(start..phrase.end)?.join(" ");
    if article.is_some() {
        named = lowercase_first_word(&named);
    }
    Some(
        named
            .trim_matches(|c: char| !c.is_alphanumeric())
            .to_owned(),
    )
}

fn lowercase_first_word(text: &str) -> String {
    match text.split_once(' ') {
        Some((first, rest)) => format!("{} {rest}", first.to_lowercase()),
        None => text.to_lowercase(),
    }
}

/// The titles, headings and quotes of the previous answer, as stems.
struct Context {
    texts: Vec<Vec<String>>,
    stems: HashSet<String>,
}

impl Context {
    fn new(previous: &PreviousTurn) -> Self {
        let texts: Vec<Vec<String>> = previous
            .titles
            .iter()
            .chain(&previous.quotes)
            .map(|text| {
                words(text)
                    .map(|word| Language::ENGLISH.content_stem(&word))
                    .collect()
            })
            .collect();
        Self {
            stems: texts.iter().flatten().cloned().collect(),
            texts,
        }
    }

    /// How likely a phrase is the topic. `None` if the context mentions none of its words.
    fn score(&self, words: &[&str], phrase: &Range<usize>, plural: Option<bool>) -> Option<usize> {
        let phrase_words = words.get(phrase.clone())?;
        let stems: Vec<String> = phrase_words
            .iter()
            .map(|token| Language::ENGLISH.content_stem(&normalize(token)))
            .collect();
        let mentioned = stems
            .iter()
            .filter(|stem| self.stems.contains(*stem))
            .count();
        if mentioned == 0 {
            return None;
        }
        let is_mentioned_together = self
            .texts
            .iter()
            .any(|text| text.windows(stems.len()).any(|window| window == stems));
        let last = normalize(phrase_words.last()?);
        let is_plural = last.ends_with('s') && !last.ends_with("ss");
        let agrees = plural.is_none_or(|plural| plural == is_plural);
        // A singular noun has an article. Without one, the word may be a verb.
        let is_singular_noun =
            plural == Some(false) && article_before(words, phrase.start).is_some();
        Some(
            mentioned
                + usize::from(is_mentioned_together)
                + usize::from(is_singular_noun)
                + 3 * usize::from(agrees),
        )
    }
}

/// Every run of up to [`MAX_PHRASE_WORDS`] words that can name something, as ranges of words.
fn phrases(words: &[&str]) -> Vec<Range<usize>> {
    let mut phrases = Vec::new();
    for start in 0..words.len() {
        for last in (start..words.len()).take(MAX_PHRASE_WORDS) {
            if !can_name(words, last) {
                break;
            }
            phrases.push(start..last + 1);
        }
    }
    phrases
}

/// Whether the word at `position` can be part of a name.
fn can_name(words: &[&str], position: usize) -> bool {
    let word_at = |position: Option<usize>| Some(normalize(words.get(position?)?));
    let Some(word) = word_at(Some(position)) else {
        return false;
    };
    let before = word_at(position.checked_sub(1));
    let before_that = word_at(position.checked_sub(2));
    // In `Who reviews audit logs` and `Who has to approve a request` this word is a verb.
    let follows_have_to = before.as_deref() == Some("to")
        && matches!(before_that.as_deref(), Some("has" | "have" | "had"));
    let follows_who = position == 1 && before.as_deref() == Some("who");
    if follows_who || follows_have_to {
        return false;
    }
    !Language::ENGLISH.content_stems(&word).is_empty()
        && !is_participle(&word)
        && !ASKING_WORDS.contains(&word.as_str())
        && !AUXILIARIES.contains(&word.as_str())
}

/// The phrase with the other words of its name: all of `an idle VPN connection`, of which the
/// quotes may mention only a part, and what follows in `a request for an audit`.
fn expand_phrase(words: &[&str], phrase: Range<usize>) -> Range<usize> {
    let Range { mut start, mut end } = phrase;
    while start > 0 && can_name(words, start - 1) {
        start -= 1;
    }
    let name_end = end_of_name(words, end);
    let has_auxiliary_before = (0..start).any(|position| is_one_of(words, position, AUXILIARIES));
    // The last word may be a verb: `are logs kept?`, `which exercises test the plan?` It is not if
    // a verb comes before or after it.
    let verb_is_before = name_end == words.len() && !has_auxiliary_before;
    let participle_follows = words
        .get(name_end)
        .is_some_and(|token| is_participle(&normalize(token)));
    if verb_is_before || participle_follows || is_one_of(words, name_end, AUXILIARIES) {
        end = name_end;
    }
    if is_one_of(words, end, &["of", "for", "on"]) {
        let complement = end + 1 + usize::from(is_one_of(words, end + 1, ARTICLES));
        let mut complement_end = end_of_name(words, complement);
        if has_auxiliary_before && complement_end == words.len() {
            complement_end -= 1;
        }
        if complement_end > complement {
            end = complement_end;
        }
    }
    start..end
}

/// The position after the last word from `position` on that can be part of a name.
fn end_of_name(words: &[&str], mut position: usize) -> usize {
    while can_name(words, position) {
        position += 1;
    }
    position
}

fn is_one_of(words: &[&str], position: usize, list: &[&str]) -> bool {
    words
        .get(position)
        .is_some_and(|token| list.contains(&normalize(token).as_str()))
}

/// The position of the article before a phrase.
fn article_before(words: &[&str], start: usize) -> Option<usize> {
    let before = start.checked_sub(1)?;
    is_one_of(words, before, ARTICLES).then_some(before)
}

/// `reviewed` in `How often are policies reviewed?` is not part of a name.
fn is_participle(word: &str) -> bool {
    word.len() > 4 && word.ends_with("ed")
}

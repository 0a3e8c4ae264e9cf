//! Comparisons of two things that are described in different places: each is searched for by itself,
//! and the sentences that say the same with other values are quoted side by side.

use crate::extraction::quote::Quote;
use crate::extraction::quote_spans::QuoteSpan;
use crate::model::hit::RetrievedPassage;
use cloister_domain::ByteRange;
use cloister_text::Language;
use cloister_text::fold::{fold, words};
use cloister_text::numbers::values;
use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation;

/// The maximum number of pairs of sentences that are quoted.
const MAX_PAIRS: usize = 2;
/// Words that ask for a comparison. *Different* does not.
const ASKS_TO_COMPARE: [&str; 7] = [
    "differ",
    "differs",
    "difference",
    "differences",
    "compare",
    "compared",
    "comparison",
];
/// Sentences that say the same share at least this part of their stems.
const MIN_OVERLAP: f32 = 0.4;

/// The two things that a question compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparedThings {
    /// Each thing, as a question about it alone.
    pub sides: [String; 2],
}

impl ComparedThings {
    /// Detects `the difference between A and B`, `compare A with B`, and `A versus B`.
    pub fn detect(question: &str) -> Option<Self> {
        let question = question.trim().trim_end_matches(['?', '.', '!']);
        let lower = question.to_ascii_lowercase();
        let start = ["between ", "compare ", "how does ", "how do "]
            .iter()
            .find_map(|opening| Some(lower.find(opening)? + opening.len()));
        let is_asked = words(question).any(|word| ASKS_TO_COMPARE.contains(&word.as_str()));
        let joints: &[&str] = if is_asked {
            &[
                " differ from ",
                " and ",
                " with ",
                " to ",
                " versus ",
                " vs ",
            ]
        } else {
            &[" versus ", " vs "]
        };
        let start = start.filter(|_| is_asked).unwrap_or_default();
        let (compared, lower) = (question.get(start..)?, lower.get(start..)?);
        let (joint, at) = joints
            .iter()
            .find_map(|joint| Some((joint, lower.find(joint)?)))?;
        let (one, other) = (compared.get(..at)?, compared.get(at + joint.len()..)?);
        let other = other.strip_suffix(" differ").unwrap_or(other);
        Some(Self {
            sides: [one.to_owned(), complete(one, other)],
        })
    }

    /// Whether the quotes do not name both things.
    pub fn is_one_sided(&self, quotes: &[Quote]) -> bool {
        (0..self.sides.len()).any(|side| {
            !quotes.iter().any(|quote| {
                let headings = quote.headings.iter().map(String::as_str);
                let place = headings.chain([quote.source.title.as_str(), &quote.source.path]);
                self.names_side(side, place.chain([quote.text.as_str()]))
            })
        })
    }

    /// Whether texts have the words of one side that the other side has not.
    fn names_side<'t>(&self, side: usize, texts: impl Iterator<Item = &'t str>) -> bool {
        let [one, other] = &self.sides;
        let (own, opposite) = if side == 0 {
            (one, other)
        } else {
            (other, one)
        };
        let known: BTreeSet<String> = texts.flat_map(distinctive_words).collect();
        let opposite = distinctive_words(opposite);
        distinctive_words(own)
            .difference(&opposite)
            .all(|word| known.contains(word))
    }

    /// The passages in whose place one side is named.
    fn passages_of<'p>(
        &self,
        side: usize,
        passages: &'p [RetrievedPassage],
    ) -> Vec<&'p RetrievedPassage> {
        let is_named = |hit: &&RetrievedPassage| {
            let headings = hit.passage.draft.headings.iter().map(String::as_str);
            let place = headings.chain([hit.source.title.as_str(), &hit.source.path]);
            self.names_side(side, place)
                && !self.names_side(1 - side, [hit.source.path.as_str()].into_iter())
        };
        passages.iter().filter(is_named).collect()
    }

    /// The sentences about both sides that say the same with other values, side by side. `passages`
    /// are those found for each side.
    pub fn pairs<'p>(&self, passages: [&'p [RetrievedPassage]; 2]) -> Vec<QuoteSpan<'p>> {
        let [ones, others] = passages;
        let ones = sentences(&self.passages_of(0, ones));
        let others = sentences(&self.passages_of(1, others));
        let mut pairs: Vec<(f32, usize, usize)> = Vec::new();
        for (position, one) in ones.iter().enumerate() {
            for (opposite, other) in others.iter().enumerate() {
                let overlap = one.overlap(other);
                if overlap >= MIN_OVERLAP && one.values != other.values {
                    pairs.push((overlap, position, opposite));
                }
            }
        }
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut chosen: Vec<(usize, usize)> = Vec::new();
        for (_, one, other) in pairs {
            let is_used = chosen.iter().any(|(a, b)| *a == one || *b == other);
            if !is_used && chosen.len() < MAX_PAIRS {
                chosen.push((one, other));
            }
        }
        let spans = chosen
            .iter()
            .flat_map(|(one, other)| [ones.get(*one), others.get(*other)].into_iter().flatten());
        spans
            .map(|sentence| QuoteSpan::new(sentence.hit, sentence.range))
            .collect()
    }
}

/// The second thing, with the words that it shares with the first and leaves out: `in Canada` after
/// `the stipends in the US` is `the stipends in Canada`.
fn complete(one: &str, other: &str) -> String {
    let first: Vec<&str> = one.split(' ').collect();
    let second: Vec<&str> = other.split(' ').collect();
    let preposition = second.first().copied().unwrap_or_default();
    let is_preposition = ["in", "at", "for", "on", "of", "to", "by", "from", "with"];
    if is_preposition.contains(&preposition)
        && let Some(at) = first.iter().rposition(|word| *word == preposition)
    {
        let shared = first.iter().take(at).copied();
        return shared.chain(second).collect::<Vec<_>>().join(" ");
    }
    let count = first.len().saturating_sub(second.len());
    let shared = first.iter().take(count).copied();
    shared.chain(second).collect::<Vec<_>>().join(" ")
}

/// The stems of the content words of a text, and its abbreviations: `US` is no pronoun.
fn distinctive_words(text: &str) -> BTreeSet<String> {
    const MIN_CAPITALS: usize = 2;
    let mut found = Language::ENGLISH.content_stems(text);
    let capitals = text.unicode_words().filter(|word| {
        word.chars().count() >= MIN_CAPITALS && word.chars().all(char::is_uppercase)
    });
    found.extend(capitals.map(fold));
    // The words of a path are in lower case.
    if !text.contains(' ') {
        found.extend(words(text));
    }
    found
}

/// A sentence with values.
struct ValuedSentence<'p> {
    hit: &'p RetrievedPassage,
    range: ByteRange,
    stems: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl ValuedSentence<'_> {
    /// The share of the stems of both that both have.
    fn overlap(&self, other: &Self) -> f32 {
        let common = self.stems.intersection(&other.stems).count();
        let all = self.stems.union(&other.stems).count();
        common as f32 / all.max(1) as f32
    }
}

/// The sentences of passages that have values.
fn sentences<'p>(passages: &[&'p RetrievedPassage]) -> Vec<ValuedSentence<'p>> {
    let mut found = Vec::new();
    for hit in passages {
        let draft = &hit.passage.draft;
        for range in &draft.sentences {
            let text = range.slice(&draft.text).unwrap_or_default();
            let values = values(text);
            if !values.is_empty() {
                found.push(ValuedSentence {
                    hit,
                    range: *range,
                    stems: Language::ENGLISH.content_stems(text),
                    values,
                });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;
    use cloister_domain::PassageSpan;

    #[test]
    fn both_sides_of_a_comparison_are_questions() {
        for (question, one, other) in [
            (
                "What is the difference between the stipends in the US and in Canada?",
                "the stipends in the US",
                "the stipends in Canada",
            ),
            (
                "How do level red and level black differ?",
                "level red",
                "level black",
            ),
            ("How does Plus differ from Basic?", "Plus", "Basic"),
            (
                "Compare the Plus account with the Everyday account.",
                "the Plus account",
                "the Everyday account",
            ),
            ("Plus versus Basic?", "Plus", "Basic"),
        ] {
            let found = ComparedThings::detect(question).map(|found| found.sides);
            assert_eq!(
                found,
                Some([one.to_owned(), other.to_owned()]),
                "{question}"
            );
        }
        for question in [
            "Who washes towels and sheets?",
            "How do I treat different wounds and burns?",
        ] {
            assert_eq!(ComparedThings::detect(question), None, "{question}");
        }
    }

    #[test]
    fn sentences_with_other_values_are_quoted_side_by_side() {
        let comparison = ComparedThings::detect(
            "What is the difference between the stipends in the US and in Canada?",
        )
        .unwrap();
        let passage = |id: i64, path: &str, text: &str| {
            let mut hit = retrieved(id, id, text);
            hit.source.path = path.to_owned();
            let range = ByteRange::new(0, text.len());
            hit.passage.draft.spans = vec![PassageSpan { page: 1, range }];
            hit
        };
        let us = [passage(1, "us-stipend.md", "The stipend is $749 a year.")];
        let canada = [passage(
            2,
            "canada-stipend.md",
            "The stipend is $782 a year.",
        )];
        let spans = comparison.pairs([&us, &canada]);
        let texts: Vec<&str> = spans.iter().filter_map(QuoteSpan::text).collect();
        assert_eq!(
            texts,
            ["The stipend is $749 a year.", "The stipend is $782 a year."]
        );
        assert!(comparison.pairs([&us, &us]).is_empty());
        let quotes = Quote::from_spans(&spans);
        assert!(!comparison.is_one_sided(&quotes));
        assert!(comparison.is_one_sided(&quotes[..1]));
    }
}

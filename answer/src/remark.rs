//! What a person should know before they rely on the quotes: that they disagree, that the question
//! may mean several things, or that they write a word otherwise.

use crate::kind::Kind;
use crate::quote::Quote;
use crate::slips::Slips;
use crate::words::{content_stems, denies, numbers, stem, words};
use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation;

/// Sentences of which so much is the same speak of the same thing.
const SAME_SUBJECT: f32 = 0.6;

/// What a person should know about the quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// These quotes, of different documents, speak of the same thing and say different things.
    Disagreement {
        /// Their numbers.
        quotes: Vec<u32>,
    },
    /// The question does not say which of several things it asks about.
    Ambiguity {
        /// What it may ask about.
        choices: Vec<Choice>,
    },
    /// No passage that was found holds these words of the question as they are written there.
    OtherSpelling {
        /// They, and how the quotes write them.
        words: Vec<Spelling>,
    },
}

/// A word of a question that the quotes write otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelling {
    /// As it was asked.
    pub asked: String,
    /// As the quotes have it.
    pub quoted: String,
}

/// One of the things that a question may ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it is: a title, and the heading below it.
    pub label: String,
    /// The question that asks about it.
    pub question: String,
}

/// How these quotes write what the question misspells, where it does: each word once.
pub fn other_spelling(question: &str, slips: &Slips, quotes: &[Quote]) -> Option<Remark> {
    let stem_of = |word: &str| stem(&word.to_lowercase());
    let spelling = |asked: &str| {
        let asked_stem = stem_of(asked);
        let meant = slips.meant(&asked_stem)?;
        let mut quoted = quotes.iter().flat_map(|quote| quote.text.unicode_words());
        let quoted = quoted.find(|word| stem_of(word) == meant)?;
        Some(Spelling {
            asked: asked.to_owned(),
            quoted: quoted.to_owned(),
        })
    };
    let mut words: Vec<Spelling> = Vec::new();
    for told in question.unicode_words().filter_map(spelling) {
        if words.iter().all(|known| known.asked != told.asked) {
            words.push(told);
        }
    }
    (!words.is_empty()).then_some(Remark::OtherSpelling { words })
}

/// What is to be said about these quotes, where anything is.
pub fn remark(question: &str, quotes: &[Quote]) -> Option<Remark> {
    let (first, others) = quotes.split_first()?;
    let others = others
        .iter()
        .filter(|other| other.source.document != first.source.document);
    let others: Vec<&Quote> = others.collect();
    let against: Vec<u32> = others
        .iter()
        .filter(|other| disagree(&first.text, &other.text))
        .map(|other| other.number)
        .collect();
    if !against.is_empty() {
        let mut numbers = vec![first.number];
        numbers.extend(against);
        return Some(Remark::Disagreement { quotes: numbers });
    }
    let choices = choices(question, first, &others)?;
    Some(Remark::Ambiguity { choices })
}

/// Whether two sentences speak of the same thing, and give it other numbers of the same unit, or
/// the one denies what the other says.
fn disagree(one: &str, other: &str) -> bool {
    if !same_subject(one, other) {
        return false;
    }
    denies(one) != denies(other) || other_numbers(one, other)
}

fn same_subject(one: &str, other: &str) -> bool {
    let subject = |text: &str| -> BTreeSet<String> {
        let stems = content_stems(text).into_iter();
        stems
            .filter(|stem| !stem.chars().any(|c| c.is_ascii_digit()))
            .collect()
    };
    let (one, other) = (subject(one), subject(other));
    let shared = one.intersection(&other).count() as f32;
    shared >= 3.0 && shared / one.len().max(other.len()) as f32 >= SAME_SUBJECT
}

/// Whether the sentences share a unit, and under it no number.
fn other_numbers(one: &str, other: &str) -> bool {
    let (one, other) = (numbers(one), numbers(other));
    one.iter()
        .filter_map(|(_, unit)| unit.as_ref())
        .any(|unit| {
            let of = |all: &[(String, Option<String>)]| -> BTreeSet<String> {
                let with = all.iter().filter(|(_, known)| known.as_ref() == Some(unit));
                with.map(|(value, _)| value.clone()).collect()
            };
            let (one, other) = (of(&one), of(&other));
            !other.is_empty() && one.is_disjoint(&other)
        })
}

/// What the question may ask about, where several documents answer it with what it asks for, each
/// of something else, and no word of it tells them apart.
fn choices(question: &str, first: &Quote, others: &[&Quote]) -> Option<Vec<Choice>> {
    let kind = Kind::of(question);
    let answers = |quote: &Quote| kind != Kind::Anything && kind.fits(&quote.text) >= 1.0;
    let other = others.iter().find(|other| {
        answers(first) && answers(other) && !first.text.eq_ignore_ascii_case(&other.text)
    })?;
    let asked = content_stems(question);
    let (one, another) = (about(first), about(other));
    let tells = one
        .symmetric_difference(&another)
        .any(|stem| asked.contains(stem));
    let part =
        one.difference(&another).next().is_some() && another.difference(&one).next().is_some();
    if tells || !part {
        return None;
    }
    Some([first, other].map(|quote| choice(question, quote)).into())
}

/// The stems of what stands above a quote, and of the quote itself.
fn about(quote: &Quote) -> BTreeSet<String> {
    let above = std::iter::once(&quote.source.title).chain(&quote.headings);
    let above = above.chain(std::iter::once(&quote.text));
    above.flat_map(|text| content_stems(text)).collect()
}

fn choice(question: &str, quote: &Quote) -> Choice {
    let heading = quote
        .headings
        .last()
        .filter(|heading| **heading != quote.source.title);
    let label = match heading {
        Some(heading) => format!("{} › {heading}", quote.source.title),
        None => quote.source.title.clone(),
    };
    let named: Vec<String> = words(&label).collect();
    let asked = question.trim().trim_end_matches(['?', '.', '!', ' ']);
    Choice {
        question: format!("{asked}, in “{}”?", named.join(" ")),
        label,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieve::sample;
    use cloister_domain::ByteRange;

    fn quote(number: u32, title: &str, heading: &str, text: &str) -> Quote {
        let mut found = sample(i64::from(number), i64::from(number), text);
        found.source.title = title.into();
        found.passage.draft.headings = vec![heading.into()];
        let range = ByteRange::new(0, text.len());
        found.passage.draft.spans = vec![cloister_domain::PassageSpan { page: 1, range }];
        Quote::of_found(number, &found, range).unwrap()
    }

    #[test]
    fn what_the_quotes_write_otherwise_is_told_as_both_are_written() {
        let passages = [sample(1, 1, "Warfarine is kept in the pharmacy.")];
        let quotes = [quote(
            1,
            "Drugs",
            "Keeping",
            &passages[0].passage.draft.text,
        )];
        let told =
            |question: &str| other_spelling(question, &Slips::of(question, &passages), &quotes);
        let words = vec![Spelling {
            asked: "Wafarin".into(),
            quoted: "Warfarine".into(),
        }];
        let expected = Some(Remark::OtherSpelling { words });
        assert_eq!(told("Where is Wafarin kept?"), expected);
        assert_eq!(told("Is Wafarin kept where Wafarin is?"), expected);
        assert_eq!(told("Where is Warfarine kept?"), None);
        assert_eq!(told("Where is Heparin kept?"), None);
    }

    #[test]
    fn other_numbers_of_the_same_thing_are_a_disagreement() {
        let cases = [
            (
                "A breach is reported to the authority within 72 hours.",
                true,
            ),
            (
                "A breach is reported to the authority within 24 hours.",
                false,
            ),
            (
                "A breach is not reported to the authority within 24 hours.",
                true,
            ),
            ("A breach is reported to the authority within a day.", false),
            ("A key is handed back within 30 hours.", false),
        ];
        let first = "A breach is reported to the authority within 24 hours.";
        for (text, expected) in cases {
            let quotes = [
                quote(1, "Breaches", "Telling", first),
                quote(2, "Privacy", "Breaches", text),
            ];
            let said = remark("Is a breach reported?", &quotes);
            let disagree = matches!(said, Some(Remark::Disagreement { .. }));
            assert_eq!(disagree, expected, "{text}");
        }
    }

    #[test]
    fn a_question_that_fits_two_things_is_given_back_with_both() {
        let quotes = [
            quote(
                1,
                "Audit logs",
                "Retention",
                "Audit logs are retained for 6 years.",
            ),
            quote(
                2,
                "Backups",
                "Retention",
                "Backups are retained for 90 days.",
            ),
        ];
        let said = remark("How long is the retention period?", &quotes);
        let Some(Remark::Ambiguity { choices }) = said else {
            panic!("{said:?}");
        };
        assert_eq!(choices[0].label, "Audit logs › Retention");
        assert_eq!(
            choices[1].question,
            "How long is the retention period, in “backups retention”?"
        );
        assert_eq!(remark("How long are backups retained?", &quotes), None);
        assert_eq!(
            remark("How long is the retention period?", &quotes[..1]),
            None
        );
    }
}

//! What a person should know before they rely on the quotes: that they disagree, or that the
//! question may mean several things.

use crate::kind::Kind;
use crate::quote::Quote;
use crate::words::{content_stems, denies, numbers, words};
use std::collections::BTreeSet;

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
}

/// One of the things that a question may ask about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it is: a title, and the heading below it.
    pub label: String,
    /// The question that asks about it.
    pub question: String,
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

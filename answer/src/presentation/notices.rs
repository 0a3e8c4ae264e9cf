//! Notices: what a person should know before relying on the quotes. They may contradict each
//! other, the question may be ambiguous, or the quotes spell a word differently.

use crate::extraction::quote::Quote;
use crate::question::AnalyzedQuestion;
use crate::retrieval::substitutions::Substitutions;
use cloister_text::Language;
use cloister_text::fold::{fold, words};
use cloister_text::numbers::{Quantity, quantities};
use std::collections::BTreeSet;
use unicode_segmentation::UnicodeSegmentation;

/// Sentences that share at least this part of their content stems have the same subject.
const SAME_SUBJECT_OVERLAP: f32 = 0.6;
/// Sentences with the same subject share at least this many content stems.
const MIN_SHARED_STEMS: usize = 3;

/// What a person should know about the quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Quotes of different documents contradict each other.
    Conflict {
        /// Their numbers.
        quotes: Vec<u32>,
    },
    /// The question has several readings.
    Ambiguity {
        /// The readings.
        readings: Vec<Reading>,
    },
    /// The quotes spell words of the question differently, and no retrieved passage has the
    /// spelling of the question.
    Spelling {
        /// The words.
        words: Vec<SpellingVariant>,
    },
}

/// A word of a question and its spelling in the quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpellingVariant {
    /// The spelling in the question.
    pub asked: String,
    /// The spelling in the quotes.
    pub quoted: String,
}

/// A reading of an ambiguous question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The subject: a title, and the heading below it.
    pub label: String,
    /// The question about this subject.
    pub question: String,
}

/// Detects words of a question that the quotes spell differently. Each word is listed once.
pub fn spelling_notice(
    question: &AnalyzedQuestion,
    substitutions: &Substitutions,
    quotes: &[Quote],
) -> Option<Notice> {
    let mut variants: Vec<SpellingVariant> = Vec::new();
    for asked in question.text.unicode_words() {
        if variants.iter().any(|known| known.asked == asked) {
            continue;
        }
        if let Some(intended) =
            substitutions.intended(&question.language.content_stem(&fold(asked)))
            && let Some(quoted) = word_with_stem(quotes, intended, question.language)
        {
            variants.push(SpellingVariant {
                asked: asked.to_owned(),
                quoted: quoted.to_owned(),
            });
        }
    }
    if variants.is_empty() {
        return None;
    }
    Some(Notice::Spelling { words: variants })
}

/// The first word of the quotes that has this stem.
fn word_with_stem<'q>(quotes: &'q [Quote], expected: &str, language: Language) -> Option<&'q str> {
    quotes
        .iter()
        .flat_map(|quote| quote.text.unicode_words())
        .find(|word| language.content_stem(&fold(word)) == expected)
}

/// Detects a conflict between the first quote and quotes of other documents, or an ambiguous
/// question.
pub fn conflict_or_ambiguity(question: &AnalyzedQuestion, quotes: &[Quote]) -> Option<Notice> {
    let (first, others) = quotes.split_first()?;
    let others: Vec<&Quote> = others
        .iter()
        .filter(|other| other.source.document != first.source.document)
        .collect();
    let mut conflicting: Vec<u32> = others
        .iter()
        .filter(|other| contradict(&first.text, &other.text, question.language))
        .map(|other| other.number)
        .collect();
    if !conflicting.is_empty() {
        conflicting.insert(0, first.number);
        return Some(Notice::Conflict {
            quotes: conflicting,
        });
    }
    let readings = readings(question, first, &others)?;
    Some(Notice::Ambiguity { readings })
}

/// Whether two sentences have the same subject, and either differ in the numbers of a unit or only
/// one of them is negated.
fn contradict(one: &str, other: &str, language: Language) -> bool {
    have_same_subject(one, other, language)
        && (language.is_negated(one) != language.is_negated(other) || differ_in_numbers(one, other))
}

fn have_same_subject(one: &str, other: &str, language: Language) -> bool {
    let (one, other) = (subject_stems(one, language), subject_stems(other, language));
    let shared = one.intersection(&other).count();
    let larger = one.len().max(other.len());
    shared >= MIN_SHARED_STEMS && shared as f32 / larger as f32 >= SAME_SUBJECT_OVERLAP
}

/// The content stems without digits.
fn subject_stems(text: &str, language: Language) -> BTreeSet<String> {
    let mut stems = language.content_stems(text);
    stems.retain(|stem| !stem.chars().any(|c| c.is_ascii_digit()));
    stems
}

/// Whether the sentences have numbers of a common unit, and none of them is equal.
fn differ_in_numbers(one: &str, other: &str) -> bool {
    let (one, other) = (quantities(one), quantities(other));
    one.iter()
        .filter_map(|quantity| quantity.unit.as_deref())
        .any(|unit| {
            let (one, other) = (values_of_unit(&one, unit), values_of_unit(&other, unit));
            !other.is_empty() && one.is_disjoint(&other)
        })
}

fn values_of_unit<'q>(quantities: &'q [Quantity], unit: &str) -> BTreeSet<&'q str> {
    quantities
        .iter()
        .filter(|quantity| quantity.unit.as_deref() == Some(unit))
        .map(|quantity| quantity.value.as_str())
        .collect()
}

/// The readings of a question if quotes of two documents contain the expected type of answer for
/// different subjects, and no word of the question distinguishes the subjects.
fn readings(question: &AnalyzedQuestion, first: &Quote, others: &[&Quote]) -> Option<Vec<Reading>> {
    let AnalyzedQuestion {
        text,
        answer_type,
        language,
        stems: question_stems,
        ..
    } = question;
    if !answer_type.is_contained_in(&first.text, *language) {
        return None;
    }
    let other = others.iter().find(|other| {
        answer_type.is_contained_in(&other.text, *language)
            && !first.text.eq_ignore_ascii_case(&other.text)
    })?;
    let (one, another) = (
        stems_in_context(first, *language),
        stems_in_context(other, *language),
    );
    let is_distinguished = one
        .symmetric_difference(&another)
        .any(|stem| question_stems.contains(stem));
    if is_distinguished || one.is_subset(&another) || another.is_subset(&one) {
        return None;
    }
    Some(vec![reading(text, first), reading(text, other)])
}

/// The stems of a quote, its headings and its title.
fn stems_in_context(quote: &Quote, language: Language) -> BTreeSet<String> {
    std::iter::once(&quote.source.title)
        .chain(&quote.headings)
        .chain(std::iter::once(&quote.text))
        .flat_map(|text| language.content_stems(text))
        .collect()
}

fn reading(question: &str, quote: &Quote) -> Reading {
    let title = &quote.source.title;
    let label = match quote.headings.last() {
        Some(heading) if heading != title => format!("{title} › {heading}"),
        _ => title.clone(),
    };
    let subject: Vec<String> = words(&label).collect();
    let question = question.trim().trim_end_matches(['?', '.', '!', ' ']);
    Reading {
        question: format!("{question}, in “{}”?", subject.join(" ")),
        label,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieval::word_matches::WordMatches;
    use crate::test_support::retrieved;
    use cloister_domain::{ByteRange, PassageSpan};
    use cloister_text::thesaurus::Thesaurus;

    fn quote(number: u32, title: &str, heading: &str, text: &str) -> Quote {
        let mut hit = retrieved(i64::from(number), i64::from(number), text);
        hit.source.title = title.into();
        hit.passage.draft.headings = vec![heading.into()];
        let range = ByteRange::new(0, text.len());
        hit.passage.draft.spans = vec![PassageSpan { page: 1, range }];
        Quote::from_hit(number, &hit, range).unwrap()
    }

    fn notice(question: &str, quotes: &[Quote]) -> Option<Notice> {
        conflict_or_ambiguity(&AnalyzedQuestion::new(question, Vec::new()), quotes)
    }

    #[test]
    fn another_spelling_is_reported_with_both_spellings() {
        let passages = [retrieved(1, 1, "Warfarine is kept in the pharmacy.")];
        let text = &passages[0].passage.draft.text;
        let quotes = [quote(1, "Drugs", "Keeping", text)];
        let check = |question: &str, expected: Option<Notice>| {
            let question = AnalyzedQuestion::new(question, Vec::new());
            let words = WordMatches::detect(&question, &passages, &Thesaurus::default());
            assert_eq!(
                spelling_notice(&question, &words.substitutions, &quotes),
                expected
            );
        };
        let words = vec![SpellingVariant {
            asked: "Wafarin".into(),
            quoted: "Warfarine".into(),
        }];
        let expected = Some(Notice::Spelling { words });
        check("Where is Wafarin kept?", expected.clone());
        check("Is Wafarin kept where Wafarin is?", expected);
        check("Where is Warfarine kept?", None);
        check("Where is Heparin kept?", None);
    }

    #[test]
    fn other_numbers_of_the_same_subject_are_a_conflict() {
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
            let notice = notice("Is a breach reported?", &quotes);
            let is_conflict = matches!(notice, Some(Notice::Conflict { .. }));
            assert_eq!(is_conflict, expected, "{text}");
        }
    }

    #[test]
    fn an_ambiguous_question_is_returned_with_both_readings() {
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
        let found = notice("How long is the retention period?", &quotes);
        let Some(Notice::Ambiguity { readings }) = found else {
            panic!("{found:?}");
        };
        assert_eq!(readings[0].label, "Audit logs › Retention");
        assert_eq!(
            readings[1].question,
            "How long is the retention period, in “backups retention”?"
        );
        assert_eq!(notice("How long are backups retained?", &quotes), None);
        assert_eq!(
            notice("How long is the retention period?", &quotes[..1]),
            None
        );
    }
}

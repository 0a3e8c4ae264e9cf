//! Chooses the spans to quote from the best sentences.
//!
//! The best sentence comes first. Further sentences are quoted only if they add something. A
//! question that asks for everything gets the entire list, or all rows that match.

use crate::extraction::select::{Selection, SentenceCandidate};
use crate::extraction::span_expansion::{expand, expand_to_section, merge_ranges};
use crate::extraction::table::row_at;
use crate::model::hit::RetrievedPassage;
use crate::model::weights::SentenceWeights;
use crate::question::AnalyzedQuestion;
use crate::question::answer_type::AnswerType;
use crate::question::scope::AnswerScope;
use cloister_domain::ByteRange;
use cloister_text::Language;
use cloister_text::numbers::values;
use std::collections::BTreeSet;

/// The maximum number of quotes for one fact.
const MAX_QUOTES: usize = 3;
/// The maximum number of quotes if the question asks for everything.
const MAX_QUOTES_OF_EVERYTHING: usize = 8;
/// Rows of one table that answer a question together have scores this near to each other.
const MAX_ROW_GAP: f32 = 0.35;
/// Quotes with this overlap of content stems and the same numbers repeat each other.
const REPETITION_OVERLAP: f32 = 0.8;

/// A part of a passage to quote.
#[derive(Clone, Debug)]
pub struct QuoteSpan<'p> {
    /// The passage.
    pub hit: &'p RetrievedPassage,
    /// The range in the text of the passage.
    pub range: ByteRange,
    /// Whether it only adds to an earlier span, which answers by itself.
    pub is_further: bool,
}

impl<'p> QuoteSpan<'p> {
    /// A span that answers, or a part of the question.
    pub fn new(hit: &'p RetrievedPassage, range: ByteRange) -> Self {
        Self {
            hit,
            range,
            is_further: false,
        }
    }

    /// The text of the span.
    pub fn text(&self) -> Option<&'p str> {
        self.range.slice(&self.hit.passage.draft.text)
    }
}

/// The spans to quote, best first, each with what must be quoted with it.
pub fn select_quotes<'p>(
    selection: &Selection<'p>,
    question: &AnalyzedQuestion,
    weights: &SentenceWeights,
) -> Vec<QuoteSpan<'p>> {
    let Some(best) = selection.candidates.first() else {
        return Vec::new();
    };
    let mut quotes = QuoteList::new(question, best);
    quotes.add(best);
    if let Some(second_type) = question.second_answer_type {
        for part in [question.answer_type, second_type] {
            quotes.extend(answer_of_part(
                selection,
                best,
                (part, question.language),
                weights,
            ));
        }
    }
    let answering = quotes.spans.len();
    for candidate in selection.candidates.iter().skip(1) {
        if quotes.accepts(best, candidate, weights) {
            quotes.add(candidate);
        }
    }
    if question.scope == AnswerScope::Fact {
        for span in quotes.spans.iter_mut().skip(answering) {
            span.is_further = true;
        }
    }
    quotes.spans
}

/// The best sentence for a part of a question, if the best of all does not answer that part.
fn answer_of_part<'s, 'p>(
    selection: &'s Selection<'p>,
    best: &SentenceCandidate<'p>,
    (expected, language): (AnswerType, Language),
    weights: &SentenceWeights,
) -> Option<&'s SentenceCandidate<'p>> {
    if expected == AnswerType::Any || expected.is_contained_in(best.text, language) {
        return None;
    }
    selection.candidates.iter().find(|candidate| {
        best.score - candidate.score <= weights.max_part_gap
            && expected.is_contained_in(candidate.text, language)
    })
}

/// The quotes so far.
struct QuoteList<'p> {
    scope: AnswerScope,
    language: Language,
    /// The numbers of the question that the best sentence has. Further rows must have them too.
    asked_values: BTreeSet<String>,
    /// The words of the question that the label of the best row has. If one fact is asked for, rows
    /// without them are about something else.
    asked_label: BTreeSet<String>,
    spans: Vec<QuoteSpan<'p>>,
    sentences: Vec<QuotedSentence>,
}

impl<'p> QuoteList<'p> {
    fn new(question: &AnalyzedQuestion, best: &SentenceCandidate<'_>) -> Self {
        let asked_values = values(&question.text)
            .intersection(&values(best.text))
            .cloned()
            .collect();
        Self {
            scope: question.scope,
            language: question.language,
            asked_values,
            asked_label: row_label_stems(best, question.language)
                .intersection(&question.stems)
                .cloned()
                .collect(),
            spans: Vec::new(),
            sentences: Vec::new(),
        }
    }

    /// Whether a sentence is near enough to the best one and adds something.
    fn accepts(
        &self,
        best: &SentenceCandidate<'p>,
        candidate: &SentenceCandidate<'p>,
        weights: &SentenceWeights,
    ) -> bool {
        let gap = best.score - candidate.score;
        let are_rows = are_sibling_rows(best, candidate);
        if are_rows
            && self.scope == AnswerScope::Fact
            && !self
                .asked_label
                .is_subset(&row_label_stems(candidate, self.language))
        {
            return false;
        }
        let is_sibling = self.scope == AnswerScope::Everything
            && are_rows
            && self.asked_values.is_subset(&values(candidate.text));
        let max_quotes = if is_sibling {
            MAX_QUOTES_OF_EVERYTHING
        } else {
            MAX_QUOTES
        };
        let max_gap = if is_sibling {
            MAX_ROW_GAP
        } else {
            weights.max_score_gap
        };
        let is_relevant = candidate
            .relevance
            .is_none_or(|relevance| relevance >= weights.min_relevance);
        if self.spans.len() >= max_quotes || gap > max_gap || !(is_relevant || is_sibling) {
            return false;
        }
        let sentence = QuotedSentence::new(candidate.text, self.language);
        !self.covers(candidate) && !self.sentences.iter().any(|other| sentence.repeats(other))
    }

    /// Whether a span already contains a sentence.
    fn covers(&self, candidate: &SentenceCandidate<'_>) -> bool {
        self.spans
            .iter()
            .any(|span| is_same_passage(span, candidate) && span.range.contains(candidate.range))
    }

    fn extend(&mut self, candidate: Option<&SentenceCandidate<'p>>) {
        if let Some(candidate) = candidate.filter(|candidate| !self.covers(candidate)) {
            self.add(candidate);
        }
    }

    /// Adds the expanded span of a sentence. If it overlaps an earlier span, that span is extended.
    fn add(&mut self, candidate: &SentenceCandidate<'p>) {
        let draft = &candidate.hit.passage.draft;
        let range = match self.scope {
            AnswerScope::Everything if self.spans.is_empty() => {
                expand_to_section(draft, candidate.range)
            }
            AnswerScope::Everything | AnswerScope::Fact => expand(draft, candidate.range),
        };
        let overlapping = self
            .spans
            .iter_mut()
            .find(|span| is_same_passage(span, candidate) && span.range.overlaps(range));
        match overlapping {
            Some(span) => {
                span.range = merge_ranges(draft, span.range, range).unwrap_or(span.range);
            }
            None => self.spans.push(QuoteSpan::new(candidate.hit, range)),
        }
        self.sentences
            .push(QuotedSentence::new(candidate.text, self.language));
    }
}

fn is_same_passage(span: &QuoteSpan<'_>, candidate: &SentenceCandidate<'_>) -> bool {
    std::ptr::eq(span.hit, candidate.hit)
}

/// Whether both are rows of tables in one document.
fn are_sibling_rows(one: &SentenceCandidate<'_>, other: &SentenceCandidate<'_>) -> bool {
    let is_row = |candidate: &SentenceCandidate<'_>| {
        row_at(&candidate.hit.passage.draft, candidate.range).is_some()
    };
    one.hit.passage.document == other.hit.passage.document && is_row(one) && is_row(other)
}

/// The stems of the first cell of a row. Empty for other sentences.
fn row_label_stems(candidate: &SentenceCandidate<'_>, language: Language) -> BTreeSet<String> {
    let draft = &candidate.hit.passage.draft;
    let label = row_at(draft, candidate.range).and_then(|row| row.row.cells.first());
    let text = label.and_then(|cell| cell.range.slice(&draft.text));
    text.map(|text| language.content_stems(text))
        .unwrap_or_default()
}

/// What a sentence says, to detect repetitions.
struct QuotedSentence {
    stems: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl QuotedSentence {
    fn new(text: &str, language: Language) -> Self {
        Self {
            stems: language.content_stems(text),
            values: values(text),
        }
    }
    /// Whether two sentences have the same words and numbers. The same words with another number
    /// are a contradiction, not a repetition.
    fn repeats(&self, other: &Self) -> bool {
        let shared = self.stems.intersection(&other.stems).count() as f32;
        let smaller = self.stems.len().min(other.stems.len()).max(1) as f32;
        shared / smaller >= REPETITION_OVERLAP && self.values == other.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::weights::AnswerWeights;
    use crate::test_support::{retrieved_lines, retrieved_table};

    #[test]
    fn a_quote_includes_the_sentence_that_refers_to_it() {
        let lines = [
            "Keys are kept by the porter.",
            "They are counted on Mondays.",
            "Visitors are welcome from two to six.",
        ];
        let hit = retrieved_lines(&lines);
        let quoted = |positions: &[usize]| -> Vec<String> {
            let scores = [0.9, 0.8, 0.7];
            let mut candidates = Vec::new();
            for (position, score) in positions.iter().zip(scores) {
                let range = hit.passage.draft.sentences[*position];
                candidates.push(SentenceCandidate {
                    score,
                    ..SentenceCandidate::new(&hit, range, lines[*position])
                });
            }
            let selection = Selection {
                candidates,
                ..Selection::default()
            };
            let question = AnalyzedQuestion::new("When are keys counted?", Vec::new());
            let mut weights = AnswerWeights::compiled_in().unwrap().sentence;
            weights.max_score_gap = 0.5;
            let spans = select_quotes(&selection, &question, &weights);
            let further: Vec<bool> = spans.iter().map(|span| span.is_further).collect();
            assert_eq!(further, [false, true], "the second only adds to the first");
            spans
                .iter()
                .map(|span| span.text().unwrap().to_owned())
                .collect()
        };
        let both = format!("{}\n{}", lines[0], lines[1]);
        assert_eq!(quoted(&[0, 1, 2]), [both.as_str(), lines[2]]);
        assert_eq!(quoted(&[1, 2, 0]), [both.as_str(), lines[2]]);
        assert_eq!(quoted(&[0, 2]), [lines[0], lines[2]]);
    }

    #[test]
    fn a_question_about_everything_gets_the_list_and_all_rows_that_match() {
        let lines = [
            "A notice contains:",
            "1. What happened.",
            "2. What the person should do.",
            "Keys are counted.",
        ];
        let hit = retrieved_lines(&lines);
        let rows: [&[&str]; 6] = [
            &["Test", "Unit", "Told within (minutes)"],
            &["Sodium", "mmol/L", "30"],
            &["Calcium", "mmol/L", "30"],
            &["Glucose", "mmol/L", "30"],
            &["Paracetamol", "mg/L", "30"],
            &["Ferritin", "ug/L", "60"],
        ];
        let table = retrieved_table(1, &rows);
        let weights = AnswerWeights::compiled_in().unwrap().sentence;
        let quoted = |question: &str, hit: &RetrievedPassage, scores: &[(usize, f32)]| {
            let draft = &hit.passage.draft;
            let mut selection = Selection::default();
            for (position, score) in scores {
                let range = draft.sentences[*position];
                let text = range.slice(&draft.text).unwrap();
                selection.candidates.push(SentenceCandidate {
                    score: *score,
                    ..SentenceCandidate::new(hit, range, text)
                });
            }
            let question = AnalyzedQuestion::new(question, Vec::new());
            let spans = select_quotes(&selection, &question, &weights);
            assert!(spans.iter().all(|span| !span.is_further));
            let texts = spans.iter().map(|span| span.text().unwrap().to_owned());
            texts.collect::<Vec<String>>()
        };
        let list = quoted("What must a notice contain?", &hit, &[(1, 0.9)]);
        assert_eq!(list, [lines[..3].join("\n")]);
        let scores = [(1, 0.9), (2, 0.88), (3, 0.86), (4, 0.84), (5, 0.6)];
        let all = quoted("Which results are told within 30 minutes?", &table, &scores);
        assert_eq!(all.len(), 4, "{all:?}");
        let fact = quoted("When is sodium told?", &table, &scores);
        assert_eq!(fact, ["Sodium | mmol/L | 30"]);
    }
}

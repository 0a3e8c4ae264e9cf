//! Selects the sentences that may answer a question.
//!
//! The score of a sentence is a weighted sum of features: dense similarity, term overlap, the
//! expected answer type, and the log-likelihood gain log P(question | sentence) − log P(question),
//! which even a small generator estimates well. The generator scores only the few best sentences,
//! and only if the other features leave a doubt.

use crate::decision::weights::SentenceWeights;
use crate::extraction::span_expansion::{context_line, expand, merge_ranges};
use crate::extraction::spelling::Corrections;
use crate::model::error::AnswerError;
use crate::model::hit::RetrievedPassage;
use crate::model::question::AnalyzedQuestion;
use cloister_domain::ByteRange;
use cloister_inference::{EmbedderService, GeneratorService, GeneratorState};
use cloister_text::content::content_stems;
use cloister_text::numbers::values;
use std::collections::{BTreeMap, BTreeSet};

/// Sentences are taken from this many of the best passages.
const MAX_PASSAGES: usize = 8;
/// The maximum number of sentences that are scored.
const MAX_SENTENCES: usize = 96;
/// The number of best sentences that are kept, and that the generator scores.
const MAX_CANDIDATES: usize = 8;
/// The generator reads at most this many bytes, counting the question once a sentence. Eight of the
/// longest sentences of a report and a long question would take two seconds.
const MAX_LIKELIHOOD_BYTES: usize = 2_800;
/// The maximum number of quotes.
const MAX_QUOTES: usize = 3;
/// Quotes with this overlap of content stems and the same numbers repeat each other.
const REPETITION_OVERLAP: f32 = 0.8;
/// A longer context line says too much to precede each of its items.
const MAX_CONTEXT_BYTES: usize = 240;
/// A shorter sentence is a heading or a fragment.
const MIN_WORDS: usize = 3;

/// A sentence, its features and its score.
#[derive(Clone, Debug)]
pub struct SentenceCandidate<'p> {
    /// The passage that it is part of.
    pub hit: &'p RetrievedPassage,
    /// Its range in the text of the passage.
    pub range: ByteRange,
    /// Its text.
    pub text: &'p str,
    /// Cosine of sentence and question.
    pub dense_similarity: f32,
    /// IDF-weighted share of the question's terms that it has, from 0 to 1.
    pub term_overlap: f32,
    /// Whether it contains the expected type of answer: 0, 0.5 or 1.
    pub answer_type: f32,
    /// Log-likelihood gain per token of the question, in nats. `None` without the generator.
    pub likelihood: Option<f32>,
    /// The weighted sum of the features.
    pub score: f32,
}

impl<'p> SentenceCandidate<'p> {
    /// A sentence without features.
    pub(crate) fn new(hit: &'p RetrievedPassage, range: ByteRange, text: &'p str) -> Self {
        Self {
            hit,
            range,
            text,
            dense_similarity: 0.0,
            term_overlap: 0.0,
            answer_type: 0.0,
            likelihood: None,
            score: 0.0,
        }
    }

    /// The text after the headings that say what it is about. `Antibiotics are given within one
    /// hour` answers a question about sepsis only in the guideline on sepsis.
    fn text_in_context(&self) -> String {
        let draft = &self.hit.passage.draft;
        let mut context: Vec<&str> = Vec::new();
        if let Some((first, others)) = draft.headings.split_first() {
            context.push(first);
            context.extend(others.last().map(String::as_str));
        }
        let line = context_line(draft, self.range);
        context.extend(line.filter(|line| line.len() <= MAX_CONTEXT_BYTES));
        if context.is_empty() {
            return self.text.to_owned();
        }
        format!("{}: {}", context.join(", "), self.text)
    }

    fn update_score(&mut self, weights: &SentenceWeights) {
        self.score = weights.dense_similarity * self.dense_similarity
            + weights.term_overlap * self.term_overlap
            + weights.answer_type * self.answer_type
            + weights.likelihood * self.likelihood.unwrap_or(0.0);
    }
}

/// A part of a passage to quote.
#[derive(Clone, Debug)]
pub struct QuoteSpan<'p> {
    /// The passage.
    pub hit: &'p RetrievedPassage,
    /// The range in the text of the passage.
    pub range: ByteRange,
}

impl<'p> QuoteSpan<'p> {
    /// The text of the span.
    pub fn text(&self) -> Option<&'p str> {
        self.range.slice(&self.hit.passage.draft.text)
    }
}

/// The best sentences, best first.
#[derive(Clone, Debug, Default)]
pub struct Selection<'p> {
    /// The sentences.
    pub candidates: Vec<SentenceCandidate<'p>>,
    /// The mistyped words of the question.
    pub corrections: Corrections,
}

/// The models and weights that score sentences.
pub struct Scorers<'a> {
    /// Embeds sentences.
    pub embedder: &'a EmbedderService,
    /// Scores sentences by likelihood. `None` if there is no generator.
    pub generator: Option<&'a GeneratorService>,
    /// The weights of the features.
    pub weights: &'a SentenceWeights,
}

/// Scores the sentences of the best passages by the features that need no generator.
pub async fn select<'p>(
    question: &AnalyzedQuestion,
    passages: &'p [RetrievedPassage],
    scorers: &Scorers<'_>,
) -> Result<Selection<'p>, AnswerError> {
    let mut candidates = collect_sentences(passages);
    let texts: Vec<String> = candidates
        .iter()
        .map(SentenceCandidate::text_in_context)
        .collect();
    let vectors = scorers.embedder.embed_sentences(texts.clone()).await?;
    let corrections = Corrections::detect(&question.stems, passages);
    let terms = TermWeights::new(&corrections.apply(&question.stems), passages);
    for ((candidate, text), vector) in candidates.iter_mut().zip(&texts).zip(&vectors) {
        candidate.dense_similarity = dot(vector, &question.vector);
        candidate.term_overlap = terms.overlap(text);
        candidate.answer_type = question.answer_type.match_score(candidate.text);
        candidate.update_score(scorers.weights);
    }
    sort_by_score(&mut candidates);
    candidates.truncate(MAX_CANDIDATES);
    Ok(Selection {
        candidates,
        corrections,
    })
}

/// The sentences of the best passages, without titles and fragments.
fn collect_sentences(passages: &[RetrievedPassage]) -> Vec<SentenceCandidate<'_>> {
    let mut candidates = Vec::new();
    for hit in passages.iter().take(MAX_PASSAGES) {
        let draft = &hit.passage.draft;
        for range in &draft.sentences {
            let Some(text) = range.slice(&draft.text) else {
                continue;
            };
            if text.split_whitespace().count() < MIN_WORDS || is_title(text, hit) {
                continue;
            }
            candidates.push(SentenceCandidate::new(hit, *range, text));
            if candidates.len() == MAX_SENTENCES {
                return candidates;
            }
        }
    }
    candidates
}

/// Whether a sentence is the title or a heading. A title answers nothing.
fn is_title(text: &str, hit: &RetrievedPassage) -> bool {
    std::iter::once(&hit.source.title)
        .chain(&hit.passage.draft.headings)
        .any(|title| title.trim().eq_ignore_ascii_case(text.trim()))
}

/// Scores the selected sentences by the generator. Returns whether a generator was ready.
pub async fn score_by_likelihood(
    question: &AnalyzedQuestion,
    selection: &mut Selection<'_>,
    scorers: &Scorers<'_>,
) -> Result<bool, AnswerError> {
    let Some(generator) = scorers.generator else {
        return Ok(false);
    };
    if !matches!(generator.state(), GeneratorState::Ready { .. }) {
        return Ok(false);
    }
    let continuation = format!(" {}", question.text);
    let mut pairs = vec![("Question:".to_owned(), continuation.clone())];
    for text in likelihood_texts(question, &selection.candidates) {
        let context = format!("Passage: {text}\nQuestion:");
        pairs.push((context, continuation.clone()));
    }
    let likelihoods = generator.log_likelihoods(pairs).await?;
    let Some((unconditional, conditional)) = likelihoods.split_first() else {
        return Ok(false);
    };
    for (candidate, likelihood) in selection.candidates.iter_mut().zip(conditional) {
        candidate.likelihood = Some(likelihood - unconditional);
        candidate.update_score(scorers.weights);
    }
    sort_by_score(&mut selection.candidates);
    Ok(true)
}

/// The texts of the best sentences, as many as fit into [`MAX_LIKELIHOOD_BYTES`] and at least one.
fn likelihood_texts(
    question: &AnalyzedQuestion,
    candidates: &[SentenceCandidate<'_>],
) -> Vec<String> {
    let mut bytes = 0;
    let mut texts = Vec::new();
    for candidate in candidates {
        let text = candidate.text_in_context();
        bytes += text.len() + question.text.len();
        if bytes > MAX_LIKELIHOOD_BYTES && !texts.is_empty() {
            break;
        }
        texts.push(text);
    }
    texts
}

fn sort_by_score(candidates: &mut [SentenceCandidate<'_>]) {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
}

impl<'p> Selection<'p> {
    /// The spans to quote: the best sentence, and others within `max_score_gap` that add something,
    /// each with what must be quoted with it.
    pub fn quotes(&self, max_score_gap: f32) -> Vec<QuoteSpan<'p>> {
        let Some(best) = self.candidates.first() else {
            return Vec::new();
        };
        let mut quoted: Vec<AnalyzedSentence> = Vec::new();
        let mut spans: Vec<QuoteSpan<'p>> = Vec::new();
        for candidate in &self.candidates {
            if quoted.len() == MAX_QUOTES {
                break;
            }
            if best.score - candidate.score > max_score_gap || is_covered(candidate, &spans) {
                continue;
            }
            let sentence = AnalyzedSentence::new(candidate.text);
            if quoted.iter().any(|other| sentence.repeats(other)) {
                continue;
            }
            add_span(candidate, &mut spans);
            quoted.push(sentence);
        }
        spans
    }
}

/// Whether a span already contains a sentence.
fn is_covered(candidate: &SentenceCandidate<'_>, spans: &[QuoteSpan<'_>]) -> bool {
    spans
        .iter()
        .any(|span| is_same_passage(span, candidate) && span.range.contains(candidate.range))
}

fn is_same_passage(span: &QuoteSpan<'_>, candidate: &SentenceCandidate<'_>) -> bool {
    std::ptr::eq(span.hit, candidate.hit)
}

/// Adds the expanded span of a sentence. If it overlaps an earlier span, that span is extended.
fn add_span<'p>(candidate: &SentenceCandidate<'p>, spans: &mut Vec<QuoteSpan<'p>>) {
    let draft = &candidate.hit.passage.draft;
    let range = expand(draft, candidate.range);
    let overlapping = spans
        .iter_mut()
        .find(|span| is_same_passage(span, candidate) && span.range.overlaps(range));
    match overlapping {
        Some(span) => {
            span.range = merge_ranges(draft, span.range, range).unwrap_or(span.range);
        }
        None => spans.push(QuoteSpan {
            hit: candidate.hit,
            range,
        }),
    }
}

/// What a sentence says, to detect repetitions.
struct AnalyzedSentence {
    stems: BTreeSet<String>,
    values: BTreeSet<String>,
}

impl AnalyzedSentence {
    fn new(text: &str) -> Self {
        Self {
            stems: content_stems(text),
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

/// The IDF weights of the question's terms among the retrieved passages.
struct TermWeights(BTreeMap<String, f32>);

impl TermWeights {
    fn new(terms: &BTreeSet<String>, passages: &[RetrievedPassage]) -> Self {
        let stems: Vec<BTreeSet<String>> = passages
            .iter()
            .map(|hit| content_stems(&hit.passage.draft.text))
            .collect();
        let mut weights = BTreeMap::new();
        for term in terms {
            let frequency = stems.iter().filter(|stems| stems.contains(term)).count() as f32;
            let idf = (1.0 + stems.len() as f32 / (1.0 + frequency)).ln();
            weights.insert(term.clone(), idf);
        }
        Self(weights)
    }

    /// The weighted share of the terms that a text has, from 0 to 1.
    fn overlap(&self, text: &str) -> f32 {
        let stems = content_stems(text);
        let (mut total, mut shared) = (0.0, 0.0);
        for (term, weight) in &self.0 {
            total += weight;
            if stems.contains(term) {
                shared += weight;
            }
        }
        if total > 0.0 { shared / total } else { 0.0 }
    }
}

/// The dot product. For vectors of length 1, it is the cosine.
pub(crate) fn dot(one: &[f32], other: &[f32]) -> f32 {
    one.iter().zip(other).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved_lines;

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
            let spans = selection.quotes(0.5);
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
}

//! Selects the sentences that may answer a question.
//!
//! The score of a sentence is a weighted sum of features: dense similarity, term overlap, the
//! expected answer type, and the log-likelihood gain log P(question | sentence) − log P(question),
//! which even a small generator estimates well. The generator scores only the few best sentences,
//! and only if the other features leave a doubt.

use crate::extraction::sentence_reranker::SentenceReranker;
use crate::extraction::span_expansion::context_line;
use crate::extraction::table::{cell_match, describe_row, range_match, row_at};
use crate::model::error::AnswerError;
use crate::model::hit::RetrievedPassage;
use crate::model::weights::SentenceWeights;
use crate::question::AnalyzedQuestion;
use crate::question::metadata_lines::is_metadata;
use crate::retrieval::word_matches::WordMatches;
use cloister_domain::ByteRange;
use cloister_inference::{EmbedderService, GeneratorService, GeneratorState};
use cloister_text::Language;
use cloister_text::ranges::Amount;
use std::collections::{BTreeMap, BTreeSet};

/// Sentences are taken from this many of the best passages.
const MAX_PASSAGES: usize = 12;
/// The maximum number of sentences that are scored.
const MAX_SENTENCES: usize = 128;
/// The number of best sentences that are kept, and that the generator scores.
const MAX_CANDIDATES: usize = 8;
/// The number of best sentences that the cross-encoder scores.
const RERANKED_SENTENCES: usize = 12;
/// The generator reads at most this many bytes, counting the question once a sentence. Eight of the
/// longest sentences of a report and a long question would take two seconds.
const MAX_LIKELIHOOD_BYTES: usize = 2_800;
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
    /// Relevance by the cross-encoder, from 0 to 1. `None` without one.
    pub relevance: Option<f32>,
    /// Whether it is a row for the amounts of the question: 1, or -1 if it is for others.
    pub range_match: f32,
    /// Whether the question has the words of a cell of the row, and those of a column, from 0 to 1.
    pub cell_match: f32,
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
            relevance: None,
            range_match: 0.0,
            cell_match: 0.0,
            score: 0.0,
        }
    }

    /// The text after the headings that say what it is about. `Antibiotics are given within one
    /// hour` answers a question about sepsis only in the guideline on sepsis.
    fn text_in_context(&self) -> String {
        let draft = &self.hit.passage.draft;
        let mut context: Vec<String> = Vec::new();
        if let Some((first, others)) = draft.headings.split_first() {
            context.push(first.clone());
            context.extend(others.last().cloned());
        }
        let row = row_at(draft, self.range).and_then(|row| describe_row(draft, row));
        if row.is_none() {
            let line = context_line(draft, self.range);
            context.extend(line.filter(|line| line.len() <= MAX_CONTEXT_BYTES));
        }
        let text = row.as_deref().unwrap_or(self.text);
        if context.is_empty() {
            return text.to_owned();
        }
        format!("{}: {text}", context.join(", "))
    }

    fn match_ranges(&self, amounts: &[Amount]) -> f32 {
        let draft = &self.hit.passage.draft;
        row_at(draft, self.range).map_or(0.0, |row| range_match(draft, row, amounts))
    }

    fn match_cells(&self, question: &BTreeSet<String>, language: Language) -> f32 {
        let draft = &self.hit.passage.draft;
        row_at(draft, self.range).map_or(0.0, |row| cell_match(draft, row, question, language))
    }

    fn update_score(&mut self, weights: &SentenceWeights) {
        self.score = weights.dense_similarity * self.dense_similarity
            + weights.term_overlap * self.term_overlap
            + weights.answer_type * self.answer_type
            + weights.likelihood * self.likelihood.unwrap_or(0.0)
            + weights.relevance * self.relevance.unwrap_or(0.0)
            + weights.range_match * self.range_match
            + weights.cell_match * self.cell_match;
    }
}

/// The best sentences, best first.
#[derive(Clone, Debug, Default)]
pub struct Selection<'p> {
    /// The sentences.
    pub candidates: Vec<SentenceCandidate<'p>>,
    /// How the words of the question relate to those of the documents.
    pub words: WordMatches,
}

/// The models and weights that score sentences.
pub struct Scorers<'a> {
    /// Embeds sentences.
    pub embedder: &'a EmbedderService,
    /// Scores sentences by likelihood. `None` if there is no generator.
    pub generator: Option<&'a GeneratorService>,
    /// Judges sentences together with the question. `None` if there is no cross-encoder.
    pub reranker: Option<&'a SentenceReranker>,
    /// The weights of the features.
    pub weights: &'a SentenceWeights,
}

/// Scores the sentences of the best passages by the features that need no generator.
pub async fn select<'p>(
    question: &AnalyzedQuestion,
    passages: &'p [RetrievedPassage],
    words: WordMatches,
    scorers: &Scorers<'_>,
) -> Result<Selection<'p>, AnswerError> {
    let mut candidates = collect_sentences(passages);
    if !question.asks_for_metadata {
        candidates.retain(|candidate| !is_metadata(candidate.text));
    }
    let texts: Vec<String> = candidates
        .iter()
        .map(SentenceCandidate::text_in_context)
        .collect();
    let vectors = scorers.embedder.embed_sentences(texts.clone()).await?;
    let question_stems = words.substitutions.apply(&question.stems);
    let terms = TermWeights::new(&question_stems, passages, question.language);
    for ((candidate, text), vector) in candidates.iter_mut().zip(&texts).zip(&vectors) {
        candidate.dense_similarity = dot(vector, &question.vector);
        candidate.term_overlap = terms.overlap(text);
        candidate.answer_type = question
            .answer_type
            .match_score(candidate.text, question.language);
        candidate.range_match = candidate.match_ranges(&question.amounts);
        candidate.cell_match = candidate.match_cells(&question_stems, question.language);
        candidate.update_score(scorers.weights);
    }
    sort_by_score(&mut candidates);
    candidates.truncate(if scorers.reranker.is_some() {
        RERANKED_SENTENCES
    } else {
        MAX_CANDIDATES
    });
    Ok(Selection { candidates, words })
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
            let names_columns = row_at(draft, *range).is_some_and(|row| row.row.is_header);
            let is_short = text.split_whitespace().count() < MIN_WORDS;
            if names_columns || is_short || is_title(text, hit) || is_caption(text, *range, hit) {
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

/// Whether a line names a table: it is short, has no full stop, and is not a row with values.
fn is_caption(text: &str, range: ByteRange, hit: &RetrievedPassage) -> bool {
    const MAX_WORDS: usize = 8;
    let draft = &hit.passage.draft;
    let is_row = row_at(draft, range).is_some_and(|row| row.row.cells.len() > 1);
    !draft.rows.is_empty()
        && !is_row
        && text.split_whitespace().count() <= MAX_WORDS
        && !text.trim_end().ends_with(['.', '!', '?', ';', ':'])
}

/// Scores the selected sentences by the cross-encoder. Returns whether there is one that was free.
pub async fn score_by_relevance(
    question: &AnalyzedQuestion,
    selection: &mut Selection<'_>,
    scorers: &Scorers<'_>,
) -> Result<bool, AnswerError> {
    let Some(reranker) = scorers.reranker else {
        return Ok(false);
    };
    let texts: Vec<String> = selection
        .candidates
        .iter()
        .map(SentenceCandidate::text_in_context)
        .collect();
    let text = selection.words.substitutions.apply_to_text(&question.text);
    let Some(scores) = reranker.relevance(&text, texts).await? else {
        return Ok(false);
    };
    for (candidate, relevance) in selection.candidates.iter_mut().zip(scores) {
        candidate.relevance = Some(relevance);
        candidate.update_score(scorers.weights);
    }
    sort_by_score(&mut selection.candidates);
    Ok(true)
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

/// The IDF weights of the question's terms among the retrieved passages.
struct TermWeights {
    language: Language,
    weights: BTreeMap<String, f32>,
}

impl TermWeights {
    fn new(terms: &BTreeSet<String>, passages: &[RetrievedPassage], language: Language) -> Self {
        let stems: Vec<BTreeSet<String>> = passages
            .iter()
            .map(|hit| language.content_stems(&hit.passage.draft.text))
            .collect();
        let mut weights = BTreeMap::new();
        for term in terms {
            let frequency = stems.iter().filter(|stems| stems.contains(term)).count() as f32;
            let idf = (1.0 + stems.len() as f32 / (1.0 + frequency)).ln();
            weights.insert(term.clone(), idf);
        }
        Self { language, weights }
    }

    /// The weighted share of the terms that a text has, from 0 to 1.
    fn overlap(&self, text: &str) -> f32 {
        let stems = self.language.content_stems(text);
        let (mut total, mut shared) = (0.0, 0.0);
        for (term, weight) in &self.weights {
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

//! `cloister-eval calibrate`: fits the answer weights and thresholds to questions with known
//! answers.

use crate::answers_report::Answerability;
use crate::console;
use anyhow::{Context, bail};
use clap::Args;
use cloister_answer::AnswerWeights;
use cloister_answer::evaluation::{DecisionWeights, SentenceWeights};
use cloister_config::{Config, components};
use serde::Deserialize;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The arguments of the command.
#[derive(Clone, Debug, Args)]
pub struct Calibrate {
    /// Files written by `cloister-eval answers --signals`. All files have the same weight.
    #[arg(required = true)]
    signals: Vec<PathBuf>,
    /// The percentage of answerable questions that may be refused.
    #[arg(long, default_value_t = 3.0)]
    refuse: f64,
    /// Fit only the thresholds, to the weights in use.
    #[arg(long)]
    keep_weights: bool,
    /// Write the result to this file, for the setting `paths.answer_weights`. Without it, the
    /// result is printed.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// The maximum number of quotes of an answer.
const QUOTES: usize = 3;
/// The generator is also asked this far outside the band in which it changes decisions.
const BAND_MARGIN: f32 = 0.14;
/// The generator may change one decision in this many outside the band.
const MAX_CHANGES_OUTSIDE_BAND: usize = 200;
/// The weight of a right first quote against a right quote at any position.
const FIRST_QUOTE_WEIGHT: f64 = 0.1;

// The grid of weights.
const TERM_OVERLAP: [f32; 7] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7];
const ANSWER_TYPE: [f32; 5] = [0.0, 0.05, 0.1, 0.15, 0.2];
const LIKELIHOOD: [f32; 7] = [0.0, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16];
const RELEVANCE: [f32; 7] = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.3];
const COVERAGE: [f32; 7] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6];
const UNMATCHED_ENTITIES: [f32; 7] = COVERAGE;
const PASSAGE_SIMILARITY: [f32; 5] = [0.0, 0.1, 0.2, 0.3, 0.5];
const DENSE_RANK: [f32; 6] = [0.0, 0.02, 0.04, 0.06, 0.08, 0.1];

/// The features of one question.
#[derive(Debug, Deserialize)]
struct QuestionSignals {
    case: Answerability,
    passage_similarity: f32,
    candidates: Vec<SentenceSignals>,
}

/// The features of one sentence.
#[derive(Debug, Deserialize)]
struct SentenceSignals {
    dense_similarity: f32,
    term_overlap: f32,
    answer_type: f32,
    likelihood: Option<f32>,
    #[serde(default)]
    relevance: Option<f32>,
    coverage: f32,
    unmatched_entities: f32,
    dense_rank: u16,
    right: bool,
}

/// A point of the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct GridPoint {
    term_overlap: f32,
    answer_type: f32,
    likelihood: f32,
    relevance: f32,
    coverage: f32,
    unmatched_entities: f32,
    passage_similarity: f32,
    dense_rank: f32,
}

impl From<&AnswerWeights> for GridPoint {
    fn from(weights: &AnswerWeights) -> Self {
        let AnswerWeights {
            sentence, decision, ..
        } = weights;
        Self {
            term_overlap: sentence.term_overlap,
            answer_type: sentence.answer_type,
            likelihood: sentence.likelihood,
            relevance: sentence.relevance,
            coverage: decision.coverage,
            unmatched_entities: decision.unmatched_entities,
            passage_similarity: decision.passage_similarity,
            dense_rank: decision.dense_rank,
        }
    }
}

impl GridPoint {
    fn sentence_score(self, sentence: &SentenceSignals) -> f32 {
        sentence.dense_similarity
            + self.term_overlap * sentence.term_overlap
            + self.answer_type * sentence.answer_type
            + self.likelihood * sentence.likelihood.unwrap_or(0.0)
            + self.relevance * sentence.relevance.unwrap_or(0.0)
    }

    /// Only the fast features.
    fn without_models(self) -> Self {
        Self {
            likelihood: 0.0,
            relevance: 0.0,
            ..self
        }
    }

    /// The sentences of a question, best first.
    fn ranked(self, question: &QuestionSignals) -> Vec<&SentenceSignals> {
        let mut ranked: Vec<&SentenceSignals> = question.candidates.iter().collect();
        ranked.sort_by(|a, b| self.sentence_score(b).total_cmp(&self.sentence_score(a)));
        ranked
    }

    /// The decision score, as the product computes it.
    fn decision_score(self, question: &QuestionSignals) -> f32 {
        let ranked = self.ranked(question);
        let Some(best) = ranked.first() else {
            return 0.0;
        };
        self.sentence_score(best) + self.coverage * best.coverage
            - self.unmatched_entities * best.unmatched_entities
            + self.passage_similarity * question.passage_similarity
            - self.dense_rank * f32::from(best.dense_rank).ln_1p()
    }

    /// The shares of answerable questions with an answer in any quote, and in the first.
    fn accuracy(self, set: &[QuestionSignals]) -> (f64, f64) {
        let (mut any, mut first, mut total) = (0_u32, 0_u32, 0_u32);
        for question in set.iter().filter(|q| q.case.is_answerable()) {
            let ranked = self.ranked(question);
            any += u32::from(ranked.iter().take(QUOTES).any(|sentence| sentence.right));
            first += u32::from(ranked.first().is_some_and(|sentence| sentence.right));
            total += 1;
        }
        let total = f64::from(total.max(1));
        (f64::from(any) / total, f64::from(first) / total)
    }

    /// The probability that an answerable question scores higher than another (AUC).
    fn separation(self, set: &[QuestionSignals]) -> f64 {
        let (mut answerable, mut others) = (Vec::new(), Vec::new());
        for question in set {
            let score = self.decision_score(question);
            if question.case.is_answerable() {
                answerable.push(score);
            } else {
                others.push(score);
            }
        }
        others.sort_by(f32::total_cmp);
        let wins: usize = answerable
            .iter()
            .map(|score| others.partition_point(|other| other < score))
            .sum();
        wins as f64 / (answerable.len() * others.len()).max(1) as f64
    }
}

/// Fits the weights, and prints or writes them.
pub fn run(arguments: &Calibrate, config: &Config) -> anyhow::Result<()> {
    let mut sets = Vec::new();
    for path in &arguments.signals {
        sets.push(load_signals(path)?);
    }
    let current = components::load_answer_weights(config)?;
    let point = if arguments.keep_weights {
        GridPoint::from(&current)
    } else {
        fit(&sets)
    };
    let text = weights_file(arguments, &current, &sets, point)?;
    match &arguments.write {
        Some(path) => {
            std::fs::write(path, text)
                .with_context(|| format!("could not write `{}`", path.display()))?;
            console::note(&format!("written to {}", path.display()));
        }
        None => console::line(&text),
    }
    Ok(())
}

fn load_signals(path: &Path) -> anyhow::Result<Vec<QuestionSignals>> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("could not read `{name}`"))?;
    let mut set: Vec<QuestionSignals> = Vec::new();
    for line in text.lines() {
        set.push(serde_json::from_str(line).with_context(|| {
            format!("`{name}` was not written by `cloister-eval answers --signals`")
        })?);
    }
    let answerable = set.iter().filter(|q| q.case.is_answerable()).count();
    if answerable == 0 || answerable == set.len() {
        bail!("`{name}` needs questions with an answer and questions without");
    }
    Ok(set)
}

/// Fits the sentence weights by the quotes that they select, then the decision weights by how well
/// they separate answerable questions from others.
fn fit(sets: &[Vec<QuestionSignals>]) -> GridPoint {
    // A question is scored either by the cross-encoder or by the generator.
    let is_reranked = has_relevance(sets);
    let model_weights: &[f32] = if is_reranked { &RELEVANCE } else { &LIKELIHOOD };
    let sentence_points = product(&TERM_OVERLAP, &ANSWER_TYPE, model_weights).map(
        |(term_overlap, answer_type, weight)| GridPoint {
            term_overlap,
            answer_type,
            likelihood: if is_reranked { 0.0 } else { weight },
            relevance: if is_reranked { weight } else { 0.0 },
            ..GridPoint::default()
        },
    );
    let best = best_point(sentence_points, sets, |point, set| {
        let (any, first) = point.accuracy(set);
        any + FIRST_QUOTE_WEIGHT * first
    });
    let decision_points = product(&COVERAGE, &UNMATCHED_ENTITIES, &PASSAGE_SIMILARITY).flat_map(
        |(coverage, unmatched_entities, passage_similarity)| {
            DENSE_RANK.map(|dense_rank| GridPoint {
                coverage,
                unmatched_entities,
                passage_similarity,
                dense_rank,
                ..best
            })
        },
    );
    best_point(decision_points, sets, GridPoint::separation)
}

/// Whether the cross-encoder scored the sentences.
fn has_relevance(sets: &[Vec<QuestionSignals>]) -> bool {
    let mut candidates = sets
        .iter()
        .flatten()
        .flat_map(|question| &question.candidates);
    candidates.any(|candidate| candidate.relevance.is_some())
}

/// All combinations of three lists.
fn product<'a>(
    first: &'a [f32],
    second: &'a [f32],
    third: &'a [f32],
) -> impl Iterator<Item = (f32, f32, f32)> + 'a {
    first.iter().flat_map(move |a| {
        second
            .iter()
            .flat_map(move |b| third.iter().map(move |c| (*a, *b, *c)))
    })
}

/// The point with the highest mean objective over the sets. The last one wins among equals.
fn best_point(
    points: impl Iterator<Item = GridPoint>,
    sets: &[Vec<QuestionSignals>],
    objective: impl Fn(GridPoint, &[QuestionSignals]) -> f64,
) -> GridPoint {
    let mut best = (f64::NEG_INFINITY, GridPoint::default());
    for point in points {
        let total: f64 = sets.iter().map(|set| objective(point, set)).sum();
        let mean = total / sets.len() as f64;
        if mean >= best.0 {
            best = (mean, point);
        }
    }
    best.1
}

/// The decision score below which this percentage of the answerable questions is. All sets have the
/// same weight.
fn threshold_for_refusals(percent: f64, sets: &[Vec<QuestionSignals>], point: GridPoint) -> f32 {
    let mut scores: Vec<(f32, f64)> = Vec::new();
    for set in sets {
        let answerable: Vec<f32> = set
            .iter()
            .filter(|question| question.case.is_answerable())
            .map(|question| point.decision_score(question))
            .collect();
        let weight = 1.0 / (answerable.len() * sets.len()) as f64;
        scores.extend(answerable.into_iter().map(|score| (score, weight)));
    }
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut refused = 0.0;
    for (score, weight) in scores {
        if refused + weight > percent / 100.0 {
            return score;
        }
        refused += weight;
    }
    f32::MAX
}

/// The band of fast scores in which the generator is asked: where it changes decisions, and
/// [`BAND_MARGIN`] around, where it improves the order of the quotes.
fn generator_band(sets: &[Vec<QuestionSignals>], point: GridPoint, threshold: f32) -> (f32, f32) {
    let mut decisions: Vec<(f32, bool)> = sets
        .iter()
        .flatten()
        .map(|question| {
            let fast_score = point.without_models().decision_score(question);
            (fast_score, point.decision_score(question) >= threshold)
        })
        .collect();
    decisions.sort_by(|a, b| a.0.total_cmp(&b.0));
    let skipped = decisions.len() / MAX_CHANGES_OUTSIDE_BAND;
    let lowest_answered = decisions
        .iter()
        .filter(|(_, is_answered)| *is_answered)
        .nth(skipped)
        .map_or(f32::MAX, |(score, _)| *score);
    let highest_refused = decisions
        .iter()
        .rev()
        .filter(|(_, is_answered)| !is_answered)
        .nth(skipped)
        .map_or(f32::MIN, |(score, _)| *score);
    (lowest_answered - BAND_MARGIN, highest_refused + BAND_MARGIN)
}

fn weights_file(
    arguments: &Calibrate,
    current: &AnswerWeights,
    sets: &[Vec<QuestionSignals>],
    point: GridPoint,
) -> anyhow::Result<String> {
    let threshold = threshold_for_refusals(arguments.refuse, sets, point);
    let fast_threshold = threshold_for_refusals(arguments.refuse, sets, point.without_models());
    let is_reranked = has_relevance(sets);
    let (threshold_with_model, threshold_with_cross_encoder) = if is_reranked {
        (current.decision.threshold_with_model, round(threshold))
    } else {
        (
            round(threshold),
            current.decision.threshold_with_cross_encoder,
        )
    };
    let (refuse_below, answer_above) = generator_band(sets, point, threshold);
    let sentence = sentence_weights(current, point, is_reranked);
    let decision = DecisionWeights {
        coverage: point.coverage,
        unmatched_entities: point.unmatched_entities,
        passage_similarity: point.passage_similarity,
        dense_rank: point.dense_rank,
        missing_subject: current.decision.missing_subject,
        sibling: current.decision.sibling,
        threshold_with_model,
        threshold_with_cross_encoder,
        threshold_without_model: round(fast_threshold),
        perhaps_margin: current.decision.perhaps_margin,
        min_passage_similarity: current.decision.min_passage_similarity,
        min_search_similarity: current.decision.min_search_similarity,
        answer_above: round(answer_above),
        refuse_below: round(refuse_below),
        min_margin: current.decision.min_margin,
    };
    let mut text = AnswerWeights::to_toml(&sentence, &decision)?;
    writeln!(text, "\n# Fitted by `cloister-eval calibrate` to:")?;
    for (path, set) in arguments.signals.iter().zip(sets) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let (any, first) = point.accuracy(set);
        writeln!(
            text,
            "# {name}: {} questions; {} % of the answerable refused, {} % of the others; an answer \
             in the three best sentences of {:.1} %, in the first of {:.1} %",
            set.len(),
            percent_refused(set, point, threshold, true),
            percent_refused(set, point, threshold, false),
            100.0 * any,
            100.0 * first,
        )?;
    }
    Ok(text)
}

/// The weights of the features that the sets have, and the current ones of the others.
fn sentence_weights(
    current: &AnswerWeights,
    point: GridPoint,
    is_reranked: bool,
) -> SentenceWeights {
    SentenceWeights {
        dense_similarity: 1.0,
        term_overlap: point.term_overlap,
        answer_type: point.answer_type,
        likelihood: if is_reranked {
            current.sentence.likelihood
        } else {
            point.likelihood
        },
        relevance: if is_reranked {
            point.relevance
        } else {
            current.sentence.relevance
        },
        min_relevance: current.sentence.min_relevance,
        range_match: current.sentence.range_match,
        cell_match: current.sentence.cell_match,
        max_part_gap: current.sentence.max_part_gap,
        max_score_gap: current.sentence.max_score_gap,
    }
}

/// The percentage of the answerable questions, or of the others, that the threshold refuses.
fn percent_refused(
    set: &[QuestionSignals],
    point: GridPoint,
    threshold: f32,
    is_answerable: bool,
) -> usize {
    let (mut refused, mut total) = (0, 0_usize);
    for question in set {
        if question.case.is_answerable() == is_answerable {
            refused += usize::from(point.decision_score(question) < threshold);
            total += 1;
        }
    }
    100 * refused / total.max(1)
}

fn round(value: f32) -> f32 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests;

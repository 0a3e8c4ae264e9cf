//! Reranking: a model reads question and passage together and reorders the best passages.
//!
//! Its scores are blended with those of the search and never used alone, because a reranker that
//! was trained on other texts lowers quality. A self-test on the site's own passages
//! ([`Answerer::test_reranker`](crate::Answerer::test_reranker)) disables a reranker that does.

use crate::model::error::AnswerError;
use crate::model::hit::RetrievedPassage;
use cloister_domain::{ByteRange, PassageId};
use cloister_inference::{GeneratorService, GeneratorState};
use cloister_text::Language;
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// The model of a reranker.
#[derive(Clone)]
pub enum RerankModel {
    /// A cross-encoder.
    CrossEncoder(Arc<dyn cloister_inference::Reranker>),
    /// The generator: the log-likelihood of the question given the passage.
    Likelihood(GeneratorService),
}

/// The best passages that are reranked. The others stay behind them. A model reads about two
/// passages a second.
const RERANKED: usize = 24;

/// Whether a reranker is enabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RerankerStatus {
    /// Disabled until the self-test.
    #[default]
    Untested,
    /// Enabled by the self-test.
    Enabled,
    /// Disabled by the self-test.
    Disabled,
}

impl fmt::Display for RerankerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untested => "disabled until it has been tested",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled: it lowers the quality of the search",
        })
    }
}

/// A model, its weight and its status.
#[derive(Clone)]
pub struct Reranker {
    model: RerankModel,
    weight: f32,
    status: Arc<Mutex<RerankerStatus>>,
}

impl Reranker {
    /// A reranker whose scores have this weight, from 0 to 1, against those of the search.
    pub fn new(model: RerankModel, weight: f32) -> Self {
        Self {
            model,
            weight: weight.clamp(0.0, 1.0),
            status: Arc::default(),
        }
    }

    /// The model, weight and status, for a receipt.
    pub(crate) fn describe(&self) -> String {
        let model = match &self.model {
            RerankModel::CrossEncoder(model) => model.identity().sha256,
            RerankModel::Likelihood(_) => "the likelihood of the generator".to_owned(),
        };
        format!("{model}, weight {}: {}", self.weight, self.status())
    }

    /// Whether it is enabled.
    pub fn status(&self) -> RerankerStatus {
        *self.status.lock()
    }

    pub(crate) fn set_status(&self, status: RerankerStatus) {
        *self.status.lock() = status;
    }

    /// Reranks the passages if the reranker is enabled.
    pub(crate) async fn rerank_if_enabled(
        &self,
        question: &str,
        passages: Vec<RetrievedPassage>,
    ) -> Result<Vec<RetrievedPassage>, AnswerError> {
        match self.status() {
            RerankerStatus::Enabled => self.rerank(question, passages).await,
            RerankerStatus::Untested | RerankerStatus::Disabled => Ok(passages),
        }
    }

    /// Reranks the passages, whatever the status. Leaves their order if the model is not ready.
    pub async fn rerank(
        &self,
        question: &str,
        mut passages: Vec<RetrievedPassage>,
    ) -> Result<Vec<RetrievedPassage>, AnswerError> {
        let rest = passages.split_off(passages.len().min(RERANKED));
        let texts: Vec<String> = passages.iter().map(model_input).collect();
        if let Some(scores) = self.scores(question, texts).await? {
            passages = blend(passages, &scores, self.weight);
        }
        let lowest = passages.last().map_or(0.0, |last| last.score);
        passages.extend(rest.into_iter().map(|hit| RetrievedPassage {
            score: hit.score.min(lowest),
            ..hit
        }));
        Ok(passages)
    }

    /// One score a text. `None` if the model is not ready.
    async fn scores(
        &self,
        question: &str,
        texts: Vec<String>,
    ) -> Result<Option<Vec<f32>>, AnswerError> {
        match &self.model {
            RerankModel::CrossEncoder(model) => {
                let (model, question) = (Arc::clone(model), question.to_owned());
                let score = move || {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    model.scores(&question, &texts)
                };
                Ok(Some(tokio::task::spawn_blocking(score).await??))
            }
            RerankModel::Likelihood(generator) => {
                if !matches!(generator.state(), GeneratorState::Ready { .. }) {
                    return Ok(None);
                }
                let pairs = texts
                    .iter()
                    .map(|text| {
                        let context = format!("Passage: {text}\nQuestion:");
                        (context, format!(" {question}"))
                    })
                    .collect();
                Ok(Some(generator.log_likelihoods(pairs).await?))
            }
        }
    }
}

/// A passage as the model reads it.
fn model_input(hit: &RetrievedPassage) -> String {
    format!("{}. {}", hit.source.title, hit.passage.draft.text)
}

/// Adds the scores of the model to those of the search, both scaled to 0..1 over these passages.
fn blend(
    mut passages: Vec<RetrievedPassage>,
    model_scores: &[f32],
    weight: f32,
) -> Vec<RetrievedPassage> {
    let search_scores: Vec<f32> = passages.iter().map(|hit| hit.score).collect();
    let (search_scores, model_scores) = (min_max(&search_scores), min_max(model_scores));
    for ((hit, search), model) in passages.iter_mut().zip(search_scores).zip(model_scores) {
        hit.score = (1.0 - weight) * search + weight * model;
    }
    passages.sort_by(|a, b| b.score.total_cmp(&a.score));
    passages
}

/// Min-max normalisation to 0..1.
fn min_max(scores: &[f32]) -> Vec<f32> {
    let min = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = (max - min).max(f32::EPSILON);
    scores.iter().map(|score| (score - min) / range).collect()
}

/// The result of the self-test of a reranker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RerankTest {
    /// Questions asked.
    pub questions: usize,
    /// Mean reciprocal rank without the reranker.
    pub mrr_without: f64,
    /// Mean reciprocal rank with the reranker.
    pub mrr_with: f64,
}

impl RerankTest {
    /// Whether the reranker does not lower the mean reciprocal rank.
    pub fn passed(&self) -> bool {
        self.mrr_with >= self.mrr_without
    }
}

/// 1 / rank of a passage, or 0 if it was not retrieved.
pub(crate) fn reciprocal_rank(passages: &[RetrievedPassage], expected: PassageId) -> f64 {
    passages
        .iter()
        .position(|hit| hit.passage.id == expected)
        .map_or(0.0, |position| 1.0 / (position + 1) as f64)
}

/// A question made from a passage: its longest sentence without every third content word. `None`
/// if less than eight words are left.
pub fn cloze_question(text: &str, sentences: &[ByteRange]) -> Option<String> {
    const MIN_WORDS: usize = 8;
    const MAX_WORDS: usize = 24;
    let longest = sentences
        .iter()
        .filter_map(|range| range.slice(text))
        .max_by_key(|sentence| sentence.len())?;
    let mut content_words = 0;
    let mut words: Vec<&str> = Vec::new();
    for word in longest.split_whitespace() {
        if !Language::ENGLISH.content_stems(word).is_empty() {
            content_words += 1;
            if content_words % 3 == 0 {
                continue;
            }
        }
        words.push(word);
        if words.len() == MAX_WORDS {
            break;
        }
    }
    (words.len() >= MIN_WORDS).then(|| words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::retrieved;

    #[test]
    fn neither_score_is_used_alone() {
        let passages = || {
            let mut passages = vec![
                retrieved(1, 1, "a"),
                retrieved(2, 2, "b"),
                retrieved(3, 3, "c"),
            ];
            for (hit, score) in passages.iter_mut().zip([0.9, 0.8, 0.1]) {
                hit.score = score;
            }
            passages
        };
        let order = |weight: f32| -> Vec<i64> {
            let blended = blend(passages(), &[-3.0, -1.0, -2.0], weight);
            blended.iter().map(|hit| hit.passage.id.0).collect()
        };
        assert_eq!(order(0.0), [1, 2, 3]);
        assert_eq!(order(0.3), [2, 1, 3]);
        assert_eq!(order(1.0), [2, 3, 1]);
    }

    #[test]
    fn a_question_is_made_from_the_longest_sentence_of_a_passage() {
        let text =
            "Wait. The privacy officer tells the authority of every breach within three days.";
        let sentences = [ByteRange::new(0, 5), ByteRange::new(6, text.len())];
        let question = cloze_question(text, &sentences).unwrap();
        assert!(
            question.contains("privacy") && question.len() < text.len() - 10,
            "{question}"
        );
        assert_eq!(cloze_question("Wait.", &[ByteRange::new(0, 5)]), None);
    }
}

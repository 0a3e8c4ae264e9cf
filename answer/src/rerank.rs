//! A second look at what was found: a model reads question and passage together.
//!
//! Its opinion is blended with the search's and never stands alone, since a reranker that was made
//! for other texts makes a search worse. Whether it does so here is tested on the collection's own
//! passages ([`Answerer::test_reranking`](crate::Answerer::test_reranking)), and one that does is
//! switched off.

use crate::error::AnswerError;
use crate::retrieve::FoundPassage;
use crate::words::content_stems;
use cloister_inference::{GeneratorService, GeneratorState, Reranker};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Who looks again.
#[derive(Clone)]
pub enum Judge {
    /// A cross-encoder.
    CrossEncoder(Arc<dyn Reranker>),
    /// The generator: how much likelier the passage makes the question.
    Likelihood(GeneratorService),
}

/// A judge, and how much its word weighs.
#[derive(Clone)]
pub struct Reranking {
    judge: Judge,
    weight: f32,
    active: Arc<AtomicBool>,
}

impl Reranking {
    /// A judge whose opinion weighs `weight`, from 0 to 1, against the search's.
    pub fn new(judge: Judge, weight: f32) -> Self {
        Self {
            judge,
            weight: weight.clamp(0.0, 1.0),
            active: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Who looks again and what its word weighs, for a receipt.
    pub(crate) fn told(&self) -> String {
        let judge = match &self.judge {
            Judge::CrossEncoder(model) => model.identity().sha256,
            Judge::Likelihood(_) => "the generator's likelihood".to_owned(),
        };
        let away = if self.is_active() {
            ""
        } else {
            ", switched off"
        };
        format!("{judge}, weight {}{away}", self.weight)
    }

    /// Whether it takes part.
    pub fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Lets it take part, or keeps it away.
    pub fn set_active(&self, active: bool) {
        self.active.store(active, Ordering::Relaxed);
    }

    /// The passages in their new order; as they are where the judge is away or not ready.
    pub async fn apply(
        &self,
        question: &str,
        passages: Vec<FoundPassage>,
    ) -> Result<Vec<FoundPassage>, AnswerError> {
        if !self.is_active() || passages.len() < 2 {
            return Ok(passages);
        }
        let texts: Vec<String> = passages.iter().map(as_read).collect();
        Ok(match self.scores(question, texts).await? {
            Some(scores) => blend(passages, &scores, self.weight),
            None => passages,
        })
    }

    async fn scores(
        &self,
        question: &str,
        texts: Vec<String>,
    ) -> Result<Option<Vec<f32>>, AnswerError> {
        match &self.judge {
            Judge::CrossEncoder(model) => {
                let (model, question) = (Arc::clone(model), question.to_owned());
                let judged = tokio::task::spawn_blocking(move || {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    model.scores(&question, &texts)
                });
                Ok(Some(judged.await??))
            }
            Judge::Likelihood(generator) => {
                if !matches!(generator.state(), GeneratorState::Ready { .. }) {
                    return Ok(None);
                }
                let pair = |text: &String| {
                    (
                        format!("Passage: {text}\nQuestion:"),
                        format!(" {question}"),
                    )
                };
                Ok(Some(
                    generator
                        .log_likelihoods(texts.iter().map(pair).collect())
                        .await?,
                ))
            }
        }
    }
}

/// A passage as the judge reads it.
fn as_read(found: &FoundPassage) -> String {
    format!("{}. {}", found.source.title, found.passage.draft.text)
}

/// Both opinions, each brought to 0 to 1 over these passages, and added.
fn blend(mut passages: Vec<FoundPassage>, scores: &[f32], weight: f32) -> Vec<FoundPassage> {
    let searched: Vec<f32> = passages.iter().map(|found| found.score).collect();
    let (searched, judged) = (normalised(&searched), normalised(scores));
    for ((found, searched), judged) in passages.iter_mut().zip(searched).zip(judged) {
        found.score = (1.0 - weight) * searched + weight * judged;
    }
    passages.sort_by(|a, b| b.score.total_cmp(&a.score));
    passages
}

fn normalised(scores: &[f32]) -> Vec<f32> {
    let least = scores.iter().copied().fold(f32::INFINITY, f32::min);
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let range = (most - least).max(f32::EPSILON);
    scores.iter().map(|score| (score - least) / range).collect()
}

/// A question made of a passage: its longest sentence, with every third of the words left out that
/// say something. Who finds a passage by this finds it by what it means.
pub fn question_of(text: &str, sentences: &[cloister_domain::ByteRange]) -> Option<String> {
    const SHORTEST: usize = 8;
    let sentences = sentences.iter().filter_map(|range| range.of(text));
    let longest = sentences.max_by_key(|sentence| sentence.len())?;
    let mut telling = 0;
    let kept: Vec<&str> = longest
        .split_whitespace()
        .filter(|word| {
            let tells = !content_stems(word).is_empty();
            telling += usize::from(tells);
            !tells || telling % 3 != 0
        })
        .take(24)
        .collect();
    (kept.len() >= SHORTEST).then(|| kept.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retrieve::sample;
    use cloister_domain::ByteRange;

    #[test]
    fn neither_opinion_stands_alone() {
        let passages = || {
            let mut passages = vec![sample(1, 1, "a"), sample(2, 2, "b"), sample(3, 3, "c")];
            for (found, score) in passages.iter_mut().zip([0.9, 0.8, 0.1]) {
                found.score = score;
            }
            passages
        };
        let order = |weight: f32| -> Vec<i64> {
            let blended = blend(passages(), &[-3.0, -1.0, -2.0], weight);
            blended.iter().map(|found| found.passage.id.0).collect()
        };
        assert_eq!(order(0.0), [1, 2, 3]);
        assert_eq!(order(0.3), [2, 1, 3]);
        assert_eq!(order(1.0), [2, 3, 1]);
    }

    #[test]
    fn a_question_is_made_of_what_a_passage_says() {
        let text =
            "Wait. The privacy officer tells the authority of every breach within three days.";
        let sentences = [ByteRange::new(0, 5), ByteRange::new(6, text.len())];
        let question = question_of(text, &sentences).unwrap();
        assert!(
            question.contains("privacy") && question.len() < text.len() - 10,
            "{question}"
        );
        assert_eq!(question_of("Wait.", &[ByteRange::new(0, 5)]), None);
    }
}

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
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// Who looks again.
#[derive(Clone)]
pub enum Judge {
    /// A cross-encoder.
    CrossEncoder(Arc<dyn Reranker>),
    /// The generator: how much likelier the passage makes the question.
    Likelihood(GeneratorService),
}

/// The best passages that are looked at again; the rest stay behind them. A judge reads some two a
/// second, and it is on so many that it is tested.
const LOOKED_AT: usize = 24;

/// Whether a judge takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// It was not tested on the collection's passages yet, and keeps away until it is.
    #[default]
    Untested,
    /// It was, and takes part.
    TakesPart,
    /// It was found to make the search worse, and is switched off.
    Worse,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Untested => "not tested yet, and away until then",
            Self::TakesPart => "takes part",
            Self::Worse => "switched off: it makes the search worse",
        })
    }
}

/// A judge, and how much its word weighs.
#[derive(Clone)]
pub struct Reranking {
    judge: Judge,
    weight: f32,
    standing: Arc<Mutex<Standing>>,
}

impl Reranking {
    /// A judge whose opinion weighs `weight`, from 0 to 1, against the search's.
    pub fn new(judge: Judge, weight: f32) -> Self {
        Self {
            judge,
            weight: weight.clamp(0.0, 1.0),
            standing: Arc::default(),
        }
    }

    /// Who looks again and what its word weighs, for a receipt.
    pub(crate) fn told(&self) -> String {
        let judge = match &self.judge {
            Judge::CrossEncoder(model) => model.identity().sha256,
            Judge::Likelihood(_) => "the generator's likelihood".to_owned(),
        };
        format!("{judge}, weight {}: {}", self.weight, self.standing())
    }

    /// Whether it takes part.
    pub fn standing(&self) -> Standing {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets it take part, or keeps it away.
    pub(crate) fn stand(&self, standing: Standing) {
        *self.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
    }

    /// The passages in their new order; as they are where the judge does not take part.
    pub(crate) async fn apply(
        &self,
        question: &str,
        passages: Vec<FoundPassage>,
    ) -> Result<Vec<FoundPassage>, AnswerError> {
        match self.standing() {
            Standing::TakesPart => self.look_again(question, passages).await,
            Standing::Untested | Standing::Worse => Ok(passages),
        }
    }

    /// The passages in their new order, whether the judge takes part or is tested; as they are where it
    /// is not ready.
    pub async fn look_again(
        &self,
        question: &str,
        mut passages: Vec<FoundPassage>,
    ) -> Result<Vec<FoundPassage>, AnswerError> {
        let rest = passages.split_off(passages.len().min(LOOKED_AT));
        let texts: Vec<String> = passages.iter().map(as_read).collect();
        if let Some(scores) = self.scores(question, texts).await? {
            passages = blend(passages, &scores, self.weight);
        }
        let least = passages.last().map_or(0.0, |last| last.score);
        passages.extend(rest.into_iter().map(|found| FoundPassage {
            score: found.score.min(least),
            ..found
        }));
        Ok(passages)
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

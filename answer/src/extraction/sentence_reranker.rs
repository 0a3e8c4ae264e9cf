//! Judges sentences by a cross-encoder, which reads the question and a sentence together.

use crate::model::error::AnswerError;
use cloister_inference::Reranker;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// A question waits at most this long for the model. Under load, the other features decide alone,
/// so that quotes are not delayed.
const MAX_WAIT: Duration = Duration::from_millis(150);
/// Logits are divided by this before the logistic function. Those of models that were trained on
/// MS MARCO are between -12 and 12.
const LOGIT_SCALE: f32 = 4.0;

/// A cross-encoder that one question at a time uses. Cheap to clone.
#[derive(Clone)]
pub struct SentenceReranker {
    model: Arc<dyn Reranker>,
    permits: Arc<Semaphore>,
}

impl SentenceReranker {
    /// Judges by this model, which uses all cores for one question.
    pub fn new(model: Arc<dyn Reranker>) -> Self {
        Self {
            model,
            permits: Arc::new(Semaphore::new(1)),
        }
    }

    /// SHA-256 of the weights.
    pub(crate) fn sha256(&self) -> String {
        self.model.identity().sha256
    }

    /// The relevance of each text to the question, from 0 to 1. `None` if the model is busy.
    pub(crate) async fn relevance(
        &self,
        question: &str,
        texts: Vec<String>,
    ) -> Result<Option<Vec<f32>>, AnswerError> {
        let permits = Arc::clone(&self.permits);
        let Ok(Ok(permit)) = timeout(MAX_WAIT, permits.acquire_owned()).await else {
            return Ok(None);
        };
        let (model, question) = (Arc::clone(&self.model), question.to_owned());
        let score = move || {
            let _permit = permit;
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            model.scores(&question, &texts)
        };
        let logits = tokio::task::spawn_blocking(score).await??;
        Ok(Some(logits.into_iter().map(logistic).collect()))
    }
}

fn logistic(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit / LOGIT_SCALE).exp())
}

//! The contracts of the four kinds of model.

use crate::error::Result;
use crate::manifest::Prefixes;
use crate::request::GenerateRequest;
use serde::{Deserialize, Serialize};
use std::ops::ControlFlow;

/// Identifies a model, for receipts and to know which vectors can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// The manifest's name.
    pub name: String,
    /// SHA-256 of the weights.
    pub sha256: String,
    /// SHA-256 of the tokenizer, if it is a separate file.
    #[serde(default)]
    pub tokenizer: Option<String>,
}

/// Turns texts into vectors whose dot product measures similarity in meaning.
///
/// A text's vector does not depend on the other texts of the batch, except for the last bits of the
/// arithmetic.
pub trait Embedder: Send + Sync {
    /// Which model this is.
    fn identity(&self) -> ModelIdentity;

    /// The length of every vector.
    fn dimensions(&self) -> usize;

    /// The tokens that the model sees. The rest of a longer text is ignored.
    fn max_tokens(&self) -> usize;

    /// The tokens of a text without truncation, special tokens included. The model sees all of the
    /// text if this is at most [`max_tokens`](Self::max_tokens).
    fn count_tokens(&self, text: &str) -> usize;

    /// The prefixes that the model expects before a question and before a passage.
    fn prefixes(&self) -> Prefixes {
        Prefixes::default()
    }

    /// One vector of length 1 per text, in the same order: `[texts, dimensions]`.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>>;
}

/// Natural language inference: estimates whether a text entails a sentence.
pub trait NliModel: Send + Sync {
    /// Which model this is.
    fn identity(&self) -> ModelIdentity;

    /// The probability, from 0 to 1, that `text` entails `sentence`. If the pair is too long, the
    /// longer of the two is truncated first.
    fn entailment_probability(&self, text: &str, sentence: &str) -> Result<f32>;
}

/// Scores how well a passage answers a question, with both in one input.
pub trait Reranker: Send + Sync {
    /// Which model this is.
    fn identity(&self) -> ModelIdentity;

    /// The tokens of question and passage together that the model sees. The passage is truncated.
    fn max_tokens(&self) -> usize;

    /// One score per passage. Only the order of the scores is comparable between models.
    fn scores(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>>;
}

/// Why the model stopped writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinishReason {
    /// The model ended the text. If the request has a constraint, the text satisfies it.
    Complete,
    /// The text reached the requested maximum of tokens.
    Length,
    /// The receiver of the text stopped it.
    Stopped,
}

/// A text that the model wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// The full text: the pieces that were handed out, joined.
    pub text: String,
    /// Tokens written.
    pub tokens: usize,
    /// Why it ended.
    pub finish: FinishReason,
}

/// Writes text, and computes how likely a text is.
pub trait Generator: Send + Sync {
    /// Which model this is.
    fn identity(&self) -> ModelIdentity;

    /// How many parameters the model has. Small models get simpler tasks.
    fn parameters(&self) -> u64;

    /// The most tokens that a prompt and its answer can have together.
    fn context(&self) -> usize;

    /// For each pair `(context, continuation)`, the mean over the continuation's tokens of
    /// `log P(token | everything before it)`, natural logarithm. It is 0 for an empty continuation.
    fn log_likelihoods(&self, pairs: &[(&str, &str)]) -> Result<Vec<f32>>;

    /// Writes an answer and hands each piece of text to `piece` as soon as its characters are
    /// complete. `Break` ends the text. Special tokens that occur in the request's text are removed,
    /// so that a document cannot speak in another role.
    fn generate(
        &self,
        request: &GenerateRequest,
        piece: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<Generated>;

    /// Serves requests until none is queued and all texts are finished. Texts may be written in one
    /// batch. Each equals the text that [`generate`](Self::generate) writes alone.
    fn serve(&self, source: &mut dyn RequestSource) {
        while let Some((id, request)) = source.next(0) {
            let outcome = self.generate(&request, &mut |text| source.send_text(id, text));
            source.finish(id, outcome);
        }
    }
}

/// Identifies a request between a [`RequestSource`] and a [`Generator`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub usize);

/// Supplies a generator with requests and receives their texts. The generator calls it between steps.
pub trait RequestSource {
    /// The next request and its id; `None` if nothing is queued, or if the batch, which has `active`
    /// texts, is full. Pass `usize::MAX` to accept no request.
    fn next(&mut self, active: usize) -> Option<(RequestId, GenerateRequest)>;

    /// Whether the receiver still wants this text.
    fn is_wanted(&self, id: RequestId) -> bool;

    /// Receives a piece of a text. `Break` ends the text.
    fn send_text(&mut self, id: RequestId, text: &str) -> ControlFlow<()>;

    /// Receives the outcome of a request.
    fn finish(&mut self, id: RequestId, outcome: Result<Generated>);
}

//! What an embedder promises.

use crate::error::Result;
use crate::manifest::Prefixes;
use serde::{Deserialize, Serialize};

/// Which model it was, for receipts and for knowing which vectors belong together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// The manifest's name.
    pub name: String,
    /// SHA-256 of the weights.
    pub sha256: String,
    /// SHA-256 of the tokenizer, where it is a file of its own.
    #[serde(default)]
    pub tokenizer: Option<String>,
}

/// Turns texts into vectors whose dot product is their nearness in meaning.
///
/// A text's vector does not depend on the texts beside it, up to the last bits of the arithmetic.
pub trait Embedder: Send + Sync {
    /// Which model this is.
    fn identity(&self) -> ModelIdentity;

    /// The length of every vector.
    fn dimensions(&self) -> usize;

    /// The tokens that count; what follows them in a text is not seen.
    fn max_tokens(&self) -> usize;

    /// The tokens of a text, the special ones included and uncut: at most
    /// [`max_tokens`](Self::max_tokens) means that all of it is seen.
    fn count_tokens(&self, text: &str) -> usize;

    /// What has to stand before a question and before a passage.
    fn prefixes(&self) -> Prefixes {
        Prefixes::default()
    }

    /// One vector of length 1 for each text, in the same order: `[texts, dimensions]`.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>>;
}

/// Judges whether a sentence follows from a text, reading both together.
pub trait Entailment: Send + Sync {
    /// Which model this is.
    fn identity(&self) -> ModelIdentity;

    /// How likely it is that `sentence` follows from `text`, from 0 to 1. What is too long is cut, the
    /// longer of the two first.
    fn follows(&self, text: &str, sentence: &str) -> Result<f32>;
}

/// Judges how well a passage answers a question, reading both together.
pub trait Reranker: Send + Sync {
    /// Which model this is.
    fn identity(&self) -> ModelIdentity;

    /// The tokens of question and passage together that count; a passage is cut to the rest.
    fn max_tokens(&self) -> usize;

    /// One score for each passage, whose order means something and whose size is the model's own.
    fn scores(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>>;
}

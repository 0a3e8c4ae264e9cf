//! What an embedder promises.

use crate::error::Result;
use serde::{Deserialize, Serialize};

/// Which model it was, for receipts and for knowing which vectors belong together.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ModelIdentity {
    /// The manifest's name.
    pub name: String,
    /// SHA-256 of the weights.
    pub sha256: String,
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

    /// One vector of length 1 for each text, in the same order: `[texts, dimensions]`.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>>;
}

//! Embeddings of texts that are not documents, for other programs.

use super::App;
use super::error::{ErrorCode, Result};
use cloister_answer::AnswerError;
use cloister_domain::Principal;

/// The maximum number of texts of one request.
const MAX_TEXTS: usize = 256;
/// The maximum length of all texts of one request, in bytes.
const MAX_BYTES: usize = 200 * 1024;

/// The vectors of texts, and how many tokens were embedded.
pub struct EmbeddedTexts {
    /// The vectors, in the order of the texts.
    pub vectors: Vec<Vec<f32>>,
    /// The number of tokens.
    pub tokens: usize,
}

impl App {
    /// The name of the embedder in use.
    pub fn embedder_name(&self) -> String {
        self.active_index.current().embedder.identity().name
    }

    /// The number of tokens of a text, as the embedder counts them.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.active_index.current().embedder.count_tokens(text)
    }

    /// Embeds texts as passages. One person waits for their turn, so that they do not keep the
    /// others waiting.
    pub async fn embed_texts(
        &self,
        person: &Principal,
        texts: Vec<String>,
    ) -> Result<EmbeddedTexts> {
        let bytes: usize = texts.iter().map(String::len).sum();
        if texts.is_empty() || texts.len() > MAX_TEXTS || bytes > MAX_BYTES {
            let detail = format!(
                "Send 1 to {MAX_TEXTS} texts of at most {} KB together",
                MAX_BYTES / 1024
            );
            return Err(ErrorCode::Invalid.with_detail(detail));
        }
        let _turn = self.expensive.embedding.take(person.user).await?;
        let embedder = self.active_index.current().embedder;
        let tokens = texts.iter().map(|text| embedder.count_tokens(text)).sum();
        let vectors = embedder.embed_passages(texts).await;
        let vectors = vectors.map_err(AnswerError::from)?;
        Ok(EmbeddedTexts { vectors, tokens })
    }
}

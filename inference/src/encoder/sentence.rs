//! Embedders: one vector per text.

use super::loaded::{LoadedEncoder, compute_error, run_in_batches};
use super::network::TokenSequence;
use crate::error::{InferenceError, Result};
use crate::manifest::{ModelKind, ModelManifest, Pooling, Prefixes, WeightFormat};
use crate::traits::{Embedder, ModelIdentity};
use cloister_kernels::float;
use rayon::prelude::*;
use std::path::Path;

/// A sentence-transformers model of the BERT family, run on the CPU.
pub struct SentenceEncoder {
    loaded: LoadedEncoder,
    pooling: Pooling,
    prefixes: Prefixes,
}

impl SentenceEncoder {
    /// Opens the model in the folder `dir`: `model.toml`, the weights it names, `config.json`
    /// and `tokenizer.json`.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_as(dir, None)
    }

    /// [`Self::open`] with this weight format instead of the manifest's.
    pub fn open_with(dir: &Path, weights: WeightFormat) -> Result<Self> {
        Self::open_as(dir, Some(weights))
    }

    fn open_as(dir: &Path, weights: Option<WeightFormat>) -> Result<Self> {
        let manifest = ModelManifest::load(dir)?;
        refuse_dense_modules(dir)?;
        let (loaded, _) = LoadedEncoder::load(dir, ModelKind::Embedder, weights)?;
        Ok(Self {
            loaded,
            pooling: manifest.pooling,
            prefixes: manifest.prefixes,
        })
    }

    /// The token ids of a text, truncated to what the model sees. The closing special token is kept.
    fn tokenize(&self, text: &str) -> Result<TokenSequence> {
        let encoding = self.loaded.tokenizer.encode_fast(text, true);
        let mut ids = encoding.map_err(compute_error)?.get_ids().to_vec();
        if let Some(last) = ids.last().copied()
            && ids.len() > self.loaded.max_tokens
        {
            ids.truncate(self.loaded.max_tokens - 1);
            ids.push(last);
        }
        Ok(TokenSequence {
            second: ids.len(),
            ids,
        })
    }
}

impl Embedder for SentenceEncoder {
    fn identity(&self) -> ModelIdentity {
        self.loaded.identity.clone()
    }

    fn dimensions(&self) -> usize {
        self.loaded.encoder.hidden_size
    }

    fn max_tokens(&self) -> usize {
        self.loaded.max_tokens
    }

    fn count_tokens(&self, text: &str) -> usize {
        let encoding = self.loaded.tokenizer.encode_fast(text, true);
        encoding.map_or(usize::MAX, |encoding| encoding.len())
    }

    fn prefixes(&self) -> Prefixes {
        self.prefixes.clone()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let sequences: Vec<TokenSequence> = texts
            .par_iter()
            .map(|text| self.tokenize(text))
            .collect::<Result<_>>()?;
        let mut vectors = run_in_batches(&sequences, |batch| {
            self.loaded.encoder.encode(batch, self.pooling)
        });
        for vector in &mut vectors {
            float::normalize(vector);
        }
        Ok(vectors)
    }
}

/// Refuses a model with a dense layer after the pooling. Without that layer, the vectors would not be
/// the model's own.
fn refuse_dense_modules(dir: &Path) -> Result<()> {
    let path = dir.join("modules.json");
    if path.exists() && std::fs::read_to_string(&path).is_ok_and(|text| text.contains("Dense")) {
        let reason = "it has a dense layer after its pooling".into();
        return Err(InferenceError::Unsupported { path, reason });
    }
    Ok(())
}

//! The all-MiniLM family: a BERT encoder, the mean of its token vectors, length 1.

mod encoder;
mod weights;

use crate::embedder::{Embedder, ModelIdentity};
use crate::error::{InferenceError, Result};
use crate::kernels;
use crate::manifest::{ModelKind, ModelManifest, Weights};
use encoder::Encoder;
use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use tokenizers::Tokenizer;

/// Tokens that one thread takes through the layers together: enough to make the matrix products
/// efficient, few enough to stay near the cache.
const TOKENS_A_BATCH: usize = 768;

/// A sentence-transformers model of the BERT family, run on the processor.
pub struct MiniLm {
    identity: ModelIdentity,
    tokenizer: Tokenizer,
    encoder: Encoder,
    max_tokens: usize,
}

/// `sentence_bert_config.json`: where sentence-transformers keeps the length it was trained at.
#[derive(Deserialize)]
struct SentenceConfig {
    max_seq_length: usize,
}

impl MiniLm {
    /// Opens the model in the folder `dir`: `model.toml`, the weights it names, `config.json`
    /// and `tokenizer.json`.
    pub fn open(dir: &Path) -> Result<Self> {
        let manifest = ModelManifest::read(dir)?;
        Self::open_manifest(dir, &manifest)
    }

    /// [`Self::open`] with these weights, whatever the manifest says.
    pub fn open_with(dir: &Path, weights: Weights) -> Result<Self> {
        let manifest = ModelManifest::read(dir)?;
        Self::open_manifest(
            dir,
            &ModelManifest {
                weights,
                ..manifest
            },
        )
    }

    fn open_manifest(dir: &Path, manifest: &ModelManifest) -> Result<Self> {
        let path = dir.join(&manifest.file);
        if manifest.kind != ModelKind::Embedder || manifest.architecture != "bert" {
            return Err(InferenceError::Unsupported {
                path,
                reason: format!(
                    "its architecture is `{}`, and the embedder runs `bert`",
                    manifest.architecture
                ),
            });
        }
        let mut file = manifest.open_verified(dir)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|source| InferenceError::File {
                path: path.clone(),
                source,
            })?;
        let config: weights::BertConfig = read_json(&dir.join("config.json"))?;
        let trained = read_json::<SentenceConfig>(&dir.join("sentence_bert_config.json"))
            .map_or(manifest.context as usize, |config| config.max_seq_length);
        let max_tokens = trained.min(config.max_position_embeddings);
        Ok(Self {
            identity: identity(manifest),
            tokenizer: read_tokenizer(&dir.join("tokenizer.json"))?,
            encoder: weights::encoder(&bytes, &config, manifest.weights, &path)?,
            max_tokens,
        })
    }

    /// The ids of a text, cut to what the model sees, the closing special token kept.
    fn tokens(&self, text: &str) -> Result<Vec<u32>> {
        let encoding = self
            .tokenizer
            .encode_fast(text, true)
            .map_err(|error| InferenceError::Compute(error.to_string()))?;
        let mut ids = encoding.get_ids().to_vec();
        if let Some(last) = ids.last().copied()
            && ids.len() > self.max_tokens
        {
            ids.truncate(self.max_tokens - 1);
            ids.push(last);
        }
        Ok(ids)
    }
}

impl Embedder for MiniLm {
    fn identity(&self) -> ModelIdentity {
        self.identity.clone()
    }

    fn dimensions(&self) -> usize {
        self.encoder.width()
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn count_tokens(&self, text: &str) -> usize {
        self.tokenizer
            .encode_fast(text, true)
            .map_or(usize::MAX, |encoding| encoding.len())
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let tokens: Vec<Vec<u32>> = texts
            .par_iter()
            .map(|text| self.tokens(text))
            .collect::<Result<_>>()?;
        let mut vectors: Vec<(usize, Vec<f32>)> = batches(&tokens, rayon::current_num_threads())
            .into_par_iter()
            .flat_map_iter(|batch| {
                let sequences: Vec<&[u32]> = batch.iter().map(|(_, ids)| *ids).collect();
                let pooled = self.encoder.pooled(&sequences);
                batch.into_iter().map(|(place, _)| place).zip(pooled)
            })
            .collect();
        vectors.sort_unstable_by_key(|(place, _)| *place);
        Ok(vectors
            .into_iter()
            .map(|(_, mut vector)| {
                kernels::normalise(&mut vector);
                vector
            })
            .collect())
    }
}

/// Vectors of rounded weights are others than those of the file's own, and must not be compared
/// with them: so it is another model, with a hash of its own.
fn identity(manifest: &ModelManifest) -> ModelIdentity {
    let name = &manifest.name;
    match manifest.weights {
        Weights::F32 => ModelIdentity {
            name: name.clone(),
            sha256: manifest.sha256.clone(),
        },
        Weights::Int8 => ModelIdentity {
            name: format!("{name} (int8)"),
            sha256: hex::encode(Sha256::digest(format!("int8 of {}", manifest.sha256))),
        },
    }
}

/// Cuts the texts into batches of about [`TOKENS_A_BATCH`], or less where that would leave a
/// thread idle. No batch is padded, so lengths may mix.
fn batches(tokens: &[Vec<u32>], threads: usize) -> Vec<Vec<(usize, &[u32])>> {
    let total: usize = tokens.iter().map(Vec::len).sum();
    let budget = TOKENS_A_BATCH.min(total.div_ceil(threads.max(1)));
    let mut batches: Vec<Vec<(usize, &[u32])>> = Vec::new();
    let mut room = 0;
    for (place, ids) in tokens.iter().enumerate() {
        match batches.last_mut() {
            Some(batch) if room >= ids.len() => {
                batch.push((place, ids));
                room -= ids.len();
            }
            _ => {
                batches.push(vec![(place, ids)]);
                room = budget.saturating_sub(ids.len());
            }
        }
    }
    batches
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|source| InferenceError::File {
        path: path.to_owned(),
        source,
    })?;
    serde_json::from_str(&text).map_err(|error| InferenceError::Damaged {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

/// The model's tokenizer, without the padding and the cut that its file asks for.
fn read_tokenizer(path: &PathBuf) -> Result<Tokenizer> {
    let mut tokenizer = Tokenizer::from_file(path).map_err(|error| InferenceError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    tokenizer
        .with_padding(None)
        .with_truncation(None)
        .map_err(|error| InferenceError::Compute(error.to_string()))?;
    Ok(tokenizer)
}

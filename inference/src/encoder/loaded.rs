//! What sentence encoders and pair encoders have in common: the loaded model, and batching.

use super::classification_head::ClassificationHead;
use super::config::EncoderConfig;
use super::layers::Dense;
use super::network::{Encoder, TokenSequence};
use super::weights::EncoderTensors;
use crate::error::{InferenceError, Result};
use crate::json_file::read_json;
use crate::manifest::{ModelKind, ModelManifest, Pooling, Prefixes, WeightFormat};
use crate::traits::ModelIdentity;
use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tokenizers::{Tokenizer, TruncationParams, TruncationStrategy};

/// Tokens per batch of one thread: enough for efficient matrix products, few enough for the cache.
const BATCH_TOKENS: usize = 768;

/// An encoder with its tokenizer.
pub(super) struct LoadedEncoder {
    pub identity: ModelIdentity,
    pub tokenizer: Tokenizer,
    pub encoder: Encoder,
    pub classifier_pooling: Option<String>,
    /// The index of the label `entailment`.
    pub entailment_label: Option<usize>,
    /// The labels of the head, in the order of its logits.
    pub labels: Vec<String>,
    pub max_tokens: usize,
}

/// What a model has after its encoder.
pub(super) enum EncoderHead {
    None,
    /// Logits of a text, or of a pair of texts.
    OfText(ClassificationHead),
    /// Logits of each token.
    OfTokens(Dense),
}

/// `sentence_bert_config.json`, which has the length that the model was trained on.
#[derive(Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
}

impl LoadedEncoder {
    /// Loads a model of this kind, and its head.
    pub(super) fn load(
        dir: &Path,
        kind: ModelKind,
        weights: Option<WeightFormat>,
    ) -> Result<(Self, EncoderHead)> {
        let mut manifest = ModelManifest::load(dir)?;
        manifest.weights = weights.unwrap_or(manifest.weights);
        let path = dir.join(&manifest.file);
        if manifest.kind != kind {
            let reason = format!("its manifest does not say that it is of kind `{kind}`");
            return Err(InferenceError::Unsupported { path, reason });
        }
        let file = manifest.open_verified(dir)?;
        let config = EncoderConfig::read(dir)?;
        let tensors = EncoderTensors::open(file, &config, manifest.weights, &path)?;
        let max_tokens = trained_length(dir)
            .unwrap_or(manifest.context as usize)
            .min(config.max_tokens());
        let labels = config.labels();
        let head = match kind {
            ModelKind::Embedder | ModelKind::Generator => EncoderHead::None,
            ModelKind::Reranker => EncoderHead::OfText(tensors.build_head(1)?),
            ModelKind::Nli => EncoderHead::OfText(tensors.build_head(labels.len())?),
            ModelKind::TokenClassifier => {
                EncoderHead::OfTokens(tensors.build_token_head(labels.len())?)
            }
        };
        let loaded = Self {
            identity: identity(&manifest),
            tokenizer: read_tokenizer(&dir.join("tokenizer.json"))?,
            encoder: tensors.build_encoder(max_tokens)?,
            classifier_pooling: config.classifier_pooling.clone(),
            entailment_label: config.entailment_label(),
            labels,
            max_tokens,
        };
        Ok((loaded, head))
    }

    /// Lets the tokenizer truncate pairs to what the model sees, the longer text first.
    pub(super) fn truncate_pairs(&mut self) -> Result<()> {
        let truncation = TruncationParams {
            max_length: self.max_tokens,
            strategy: TruncationStrategy::LongestFirst,
            ..TruncationParams::default()
        };
        let tokenizer = self.tokenizer.with_truncation(Some(truncation));
        tokenizer.map(drop).map_err(compute_error)
    }
}

/// The length that the folder's sentence-transformers configuration states.
pub(super) fn trained_length(dir: &Path) -> Option<usize> {
    let config = read_json::<SentenceConfig>(&dir.join("sentence_bert_config.json"));
    config.ok().and_then(|config| config.max_seq_length)
}

/// Vectors of quantised weights, of another pooling or with other prefixes differ from those of the
/// plain model and must not be compared with them. So each combination is a model of its own, with
/// its own hash.
fn identity(manifest: &ModelManifest) -> ModelIdentity {
    let mut name = manifest.name.clone();
    let mut sha256 = manifest.sha256.clone();
    if manifest.pooling == Pooling::Cls {
        sha256 = derived_hash("first", &sha256);
    }
    if manifest.prefixes != Prefixes::default() {
        let Prefixes { question, passage } = &manifest.prefixes;
        sha256 = derived_hash(&format!("{question:?} {passage:?}"), &sha256);
    }
    if manifest.weights == WeightFormat::Int8 {
        sha256 = derived_hash("int8", &sha256);
        name.push_str(" (int8)");
    }
    ModelIdentity {
        name,
        sha256,
        tokenizer: manifest.companions.get("tokenizer.json").cloned(),
    }
}

/// The hash of a variant of a model. Stored vectors carry it, so the text must not change.
fn derived_hash(variant: &str, sha256: &str) -> String {
    hex::encode(Sha256::digest(format!("{variant} of {sha256}")))
}

/// Runs `work` on batches of about [`BATCH_TOKENS`] tokens, on all threads. The values are in the
/// order of the sequences.
pub(super) fn run_in_batches<T: Send>(
    sequences: &[TokenSequence],
    work: impl Fn(&[&TokenSequence]) -> Vec<T> + Sync,
) -> Vec<T> {
    let mut values: Vec<(usize, T)> = batches(sequences, rayon::current_num_threads())
        .into_par_iter()
        .flat_map_iter(|batch| {
            let own: Vec<&TokenSequence> = batch.iter().map(|(_, sequence)| *sequence).collect();
            let indices = batch.into_iter().map(|(index, _)| index);
            indices.zip(work(&own)).collect::<Vec<_>>()
        })
        .collect();
    values.sort_unstable_by_key(|(index, _)| *index);
    values.into_iter().map(|(_, value)| value).collect()
}

/// Divides the sequences into batches of about [`BATCH_TOKENS`] tokens, or fewer if a thread would
/// otherwise be idle. No batch is padded, so lengths may mix.
fn batches(sequences: &[TokenSequence], threads: usize) -> Vec<Vec<(usize, &TokenSequence)>> {
    let total: usize = sequences.iter().map(|sequence| sequence.ids.len()).sum();
    let budget = BATCH_TOKENS.min(total.div_ceil(threads.max(1)));
    let mut batches: Vec<Vec<(usize, &TokenSequence)>> = Vec::new();
    let mut available = 0;
    for (index, sequence) in sequences.iter().enumerate() {
        let tokens = sequence.ids.len();
        match batches.last_mut() {
            Some(batch) if available >= tokens => {
                batch.push((index, sequence));
                available -= tokens;
            }
            _ => {
                batches.push(vec![(index, sequence)]);
                available = budget.saturating_sub(tokens);
            }
        }
    }
    batches
}

pub(super) fn compute_error(error: impl std::fmt::Display) -> InferenceError {
    InferenceError::Compute(error.to_string())
}

/// The model's tokenizer, without the padding and truncation that its file configures.
fn read_tokenizer(path: &PathBuf) -> Result<Tokenizer> {
    let mut tokenizer = Tokenizer::from_file(path).map_err(|error| InferenceError::Damaged {
        path: path.clone(),
        reason: error.to_string(),
    })?;
    tokenizer
        .with_padding(None)
        .with_truncation(None)
        .map_err(compute_error)?;
    Ok(tokenizer)
}

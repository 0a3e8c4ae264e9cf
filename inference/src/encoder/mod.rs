//! Encoders of the BERT family, from safetensors: BERT (`MiniLM`, bge, e5, gte), XLM-R and
//! ModernBERT, for sentences or, with a head, for pairs.

mod config;
mod describe;
mod head;
mod network;
mod weights;

pub use describe::describe_encoder;
pub use head::{CrossEncoder, EntailmentEncoder};

use crate::embedder::{Embedder, ModelIdentity};
use crate::error::{InferenceError, Result};
use crate::kernels;
use crate::manifest::{ModelKind, ModelManifest, Pooling, Prefixes, Weights};
use config::{Config, Family};
use head::Head;
use network::{Encoder, Sequence};
use rayon::prelude::*;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use tokenizers::{Tokenizer, TruncationParams, TruncationStrategy};
use weights::Source;

/// Tokens that one thread takes through the layers together: enough to make the matrix products
/// efficient, few enough to stay near the cache.
const TOKENS_A_BATCH: usize = 768;

/// A sentence-transformers model of the BERT family, run on the processor.
pub struct SentenceEncoder {
    opened: Opened,
    pooling: Pooling,
    prefixes: Prefixes,
}

/// What sentence encoders and cross-encoders have in common.
struct Opened {
    identity: ModelIdentity,
    tokenizer: Tokenizer,
    encoder: Encoder,
    family: Family,
    classifier_pooling: Option<String>,
    /// Which label of a head says that a text follows from another.
    entailed: Option<usize>,
    max_tokens: usize,
}

/// `sentence_bert_config.json`: where sentence-transformers keeps the length it was trained at.
#[derive(Deserialize)]
struct SentenceConfig {
    max_seq_length: Option<usize>,
}

impl SentenceEncoder {
    /// Opens the model in the folder `dir`: `model.toml`, the weights it names, `config.json`
    /// and `tokenizer.json`.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_as(dir, None)
    }

    /// [`Self::open`] with these weights, whatever the manifest says.
    pub fn open_with(dir: &Path, weights: Weights) -> Result<Self> {
        Self::open_as(dir, Some(weights))
    }

    fn open_as(dir: &Path, weights: Option<Weights>) -> Result<Self> {
        let manifest = ModelManifest::read(dir)?;
        refuse_dense_modules(dir)?;
        let (opened, _) = Opened::open(dir, ModelKind::Embedder, weights)?;
        Ok(Self {
            opened,
            pooling: manifest.pooling,
            prefixes: manifest.prefixes,
        })
    }

    /// The ids of a text, cut to what the model sees, the closing special token kept.
    fn tokens(&self, text: &str) -> Result<Sequence> {
        let encoding = self.opened.tokenizer.encode_fast(text, true);
        let mut ids = encoding.map_err(compute)?.get_ids().to_vec();
        if let Some(last) = ids.last().copied()
            && ids.len() > self.opened.max_tokens
        {
            ids.truncate(self.opened.max_tokens - 1);
            ids.push(last);
        }
        Ok(Sequence {
            second: ids.len(),
            ids,
        })
    }
}

impl Embedder for SentenceEncoder {
    fn identity(&self) -> ModelIdentity {
        self.opened.identity.clone()
    }

    fn dimensions(&self) -> usize {
        self.opened.encoder.width()
    }

    fn max_tokens(&self) -> usize {
        self.opened.max_tokens
    }

    fn count_tokens(&self, text: &str) -> usize {
        let encoding = self.opened.tokenizer.encode_fast(text, true);
        encoding.map_or(usize::MAX, |encoding| encoding.len())
    }

    fn prefixes(&self) -> Prefixes {
        self.prefixes.clone()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let sequences: Vec<Sequence> = texts
            .par_iter()
            .map(|text| self.tokens(text))
            .collect::<Result<_>>()?;
        let mut vectors = evenly(&sequences, |batch| {
            self.opened.encoder.pooled(batch, self.pooling)
        });
        for vector in &mut vectors {
            kernels::normalise(vector);
        }
        Ok(vectors)
    }
}

impl Opened {
    /// Opens a model of this kind; the second value is the head of one that reads pairs.
    fn open(dir: &Path, kind: ModelKind, weights: Option<Weights>) -> Result<(Self, Option<Head>)> {
        let mut manifest = ModelManifest::read(dir)?;
        manifest.weights = weights.unwrap_or(manifest.weights);
        let path = dir.join(&manifest.file);
        if manifest.kind != kind {
            let reason = format!("its manifest says that it is no {kind:?}").to_lowercase();
            return Err(InferenceError::Unsupported { path, reason });
        }
        let mut file = manifest.open_verified(dir)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|source| InferenceError::File {
                path: path.clone(),
                source,
            })?;
        let config: Config = read_json(&dir.join("config.json"))?;
        let source = Source::of(&bytes, &config, manifest.weights, &path)?;
        let trained = read_json::<SentenceConfig>(&dir.join("sentence_bert_config.json"));
        let trained = trained.ok().and_then(|config| config.max_seq_length);
        let max_tokens = trained
            .unwrap_or(manifest.context as usize)
            .min(config.most_tokens());
        let head = match kind {
            ModelKind::Embedder | ModelKind::Generator => None,
            ModelKind::Reranker => Some(source.head(1)),
            ModelKind::Entailment => Some(source.head(config.labels())),
        };
        let family = config.family();
        let family = family.map_err(|reason| InferenceError::Unsupported {
            path: path.clone(),
            reason,
        })?;
        let opened = Self {
            identity: identity(&manifest),
            tokenizer: read_tokenizer(&dir.join("tokenizer.json"))?,
            encoder: source.encoder(max_tokens)?,
            family,
            classifier_pooling: config.classifier_pooling.clone(),
            entailed: config.entailed(),
            max_tokens,
        };
        Ok((opened, head.transpose()?))
    }

    /// Has the tokenizer cut pairs to what the model sees, the longer text first.
    fn cut_pairs(&mut self) -> Result<()> {
        let cut = TruncationParams {
            max_length: self.max_tokens,
            strategy: TruncationStrategy::LongestFirst,
            ..TruncationParams::default()
        };
        let cut = self.tokenizer.with_truncation(Some(cut));
        cut.map(drop).map_err(compute)
    }
}

/// Vectors of rounded weights are others than those of the file's own, and must not be compared
/// with them; nor are those of another pooling or prefix. So each is another model to whoever
/// stores them, with a hash of its own.
fn identity(manifest: &ModelManifest) -> ModelIdentity {
    let mut name = manifest.name.clone();
    let mut sha256 = manifest.sha256.clone();
    let mut differs =
        |how: &str| sha256 = hex::encode(Sha256::digest(format!("{how} of {sha256}")));
    if manifest.pooling == Pooling::First {
        differs("first");
    }
    if manifest.prefixes != Prefixes::default() {
        let Prefixes { question, passage } = &manifest.prefixes;
        differs(&format!("{question:?} {passage:?}"));
    }
    if manifest.weights == Weights::Int8 {
        differs("int8");
        name.push_str(" (int8)");
    }
    ModelIdentity {
        name,
        sha256,
        tokenizer: manifest.companions.get("tokenizer.json").cloned(),
    }
}

/// Runs `work` on batches of about [`TOKENS_A_BATCH`] tokens, on all threads, and puts its values
/// in the order of the sequences.
fn evenly<T: Send>(sequences: &[Sequence], work: impl Fn(&[&Sequence]) -> Vec<T> + Sync) -> Vec<T> {
    let mut values: Vec<(usize, T)> = batches(sequences, rayon::current_num_threads())
        .into_par_iter()
        .flat_map_iter(|batch| {
            let own: Vec<&Sequence> = batch.iter().map(|(_, sequence)| *sequence).collect();
            let places = batch.into_iter().map(|(place, _)| place);
            places.zip(work(&own)).collect::<Vec<_>>()
        })
        .collect();
    values.sort_unstable_by_key(|(place, _)| *place);
    values.into_iter().map(|(_, value)| value).collect()
}

/// Cuts the texts into batches of about [`TOKENS_A_BATCH`], or less where that would leave a
/// thread idle. No batch is padded, so lengths may mix.
fn batches(sequences: &[Sequence], threads: usize) -> Vec<Vec<(usize, &Sequence)>> {
    let total: usize = sequences.iter().map(|sequence| sequence.ids.len()).sum();
    let budget = TOKENS_A_BATCH.min(total.div_ceil(threads.max(1)));
    let mut batches: Vec<Vec<(usize, &Sequence)>> = Vec::new();
    let mut room = 0;
    for (place, sequence) in sequences.iter().enumerate() {
        let tokens = sequence.ids.len();
        match batches.last_mut() {
            Some(batch) if room >= tokens => {
                batch.push((place, sequence));
                room -= tokens;
            }
            _ => {
                batches.push(vec![(place, sequence)]);
                room = budget.saturating_sub(tokens);
            }
        }
    }
    batches
}

/// A layer of sentence-transformers behind the pooling would be left out: its vectors would be
/// others than the model's own.
fn refuse_dense_modules(dir: &Path) -> Result<()> {
    let path = dir.join("modules.json");
    if path.exists() && std::fs::read_to_string(&path).is_ok_and(|text| text.contains("Dense")) {
        let reason = "it has a dense layer behind its pooling".into();
        return Err(InferenceError::Unsupported { path, reason });
    }
    Ok(())
}

fn compute(error: impl std::fmt::Display) -> InferenceError {
    InferenceError::Compute(error.to_string())
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
        .map_err(compute)?;
    Ok(tokenizer)
}

//! Models that classify a pair of texts: cross-encoders and NLI models.

use super::layers::{Dense, EncoderActivation, EncoderNorm};
use super::loaded::{EncoderHead, LoadedEncoder, compute_error, run_in_batches};
use super::network::TokenSequence;
use crate::error::Result;
use crate::manifest::{ModelKind, Pooling};
use crate::traits::{ModelIdentity, NliModel, Reranker};
use cloister_kernels::ActivationsQ8;
use rayon::prelude::*;
use std::path::Path;

/// The layers that turn a pooled vector into logits.
pub(super) struct ClassificationHead {
    pub dense: Dense,
    pub activation: EncoderActivation,
    /// Only ModernBERT has it.
    pub norm: Option<EncoderNorm>,
    pub score: Dense,
}

impl ClassificationHead {
    /// One logit per label.
    fn logits(&self, pooled: &[f32]) -> Vec<f32> {
        let mut unused = ActivationsQ8::default();
        let states = self.dense.forward(pooled, &mut unused);
        let mut states = self.activation.apply(states, pooled.len());
        if let Some(norm) = &self.norm {
            norm.apply(&mut states);
        }
        self.score.forward(&states, &mut unused)
    }
}

/// An encoder with a classification head, which reads two texts together.
struct PairEncoder {
    loaded: LoadedEncoder,
    pooling: Pooling,
    head: ClassificationHead,
}

impl PairEncoder {
    fn open(dir: &Path, kind: ModelKind) -> Result<Self> {
        let (mut loaded, head) = LoadedEncoder::load(dir, kind, None)?;
        loaded.truncate_pairs()?;
        let pooling = match loaded.classifier_pooling.as_deref() {
            Some("mean") => Pooling::Mean,
            Some(_) | None => Pooling::Cls,
        };
        let EncoderHead::OfText(head) = head else {
            return Err(compute_error("a pair encoder was opened without a head"));
        };
        Ok(Self {
            loaded,
            pooling,
            head,
        })
    }

    /// Both texts as one sequence, which the tokenizer truncates if it is too long.
    fn tokenize(&self, first: &str, second: &str) -> Result<TokenSequence> {
        let encoding = self
            .loaded
            .tokenizer
            .encode_fast((first, second), true)
            .map_err(compute_error)?;
        let types = encoding.get_type_ids();
        let second = types.iter().position(|kind| *kind > 0);
        Ok(TokenSequence {
            ids: encoding.get_ids().to_vec(),
            second: second.unwrap_or(types.len()),
        })
    }

    /// The logits of each pair: `[pairs, labels]`.
    fn logits(&self, pairs: &[TokenSequence]) -> Vec<Vec<f32>> {
        run_in_batches(pairs, |sequences| {
            let pooled = self.loaded.encoder.encode(sequences, self.pooling);
            pooled
                .iter()
                .map(|vector| self.head.logits(vector))
                .collect()
        })
    }
}

/// A cross-encoder of the BERT family, run on the CPU.
pub struct CrossEncoder(PairEncoder);

impl CrossEncoder {
    /// Opens the model in the folder `dir`, as [`SentenceEncoder`](super::SentenceEncoder) does.
    pub fn open(dir: &Path) -> Result<Self> {
        PairEncoder::open(dir, ModelKind::Reranker).map(Self)
    }
}

impl Reranker for CrossEncoder {
    fn identity(&self) -> ModelIdentity {
        self.0.loaded.identity.clone()
    }

    fn max_tokens(&self) -> usize {
        self.0.loaded.max_tokens
    }

    fn scores(&self, question: &str, passages: &[&str]) -> Result<Vec<f32>> {
        let pairs: Vec<TokenSequence> = passages
            .par_iter()
            .map(|passage| self.0.tokenize(question, passage))
            .collect::<Result<_>>()?;
        let logits = self.0.logits(&pairs).into_iter();
        logits
            .map(|logits| {
                let logit = logits.first().copied();
                logit.ok_or_else(|| compute_error("a reranker gave no score"))
            })
            .collect()
    }
}

/// An NLI model of the BERT family, run on the CPU.
pub struct NliEncoder {
    pairs: PairEncoder,
    /// The index of the label `entailment`.
    entailment_label: usize,
}

impl NliEncoder {
    /// Opens the model in the folder `dir`, as [`SentenceEncoder`](super::SentenceEncoder) does.
    pub fn open(dir: &Path) -> Result<Self> {
        let pairs = PairEncoder::open(dir, ModelKind::Nli)?;
        let label = pairs.loaded.entailment_label;
        let label = label.ok_or_else(|| compute_error("none of its labels is `entailment`"))?;
        Ok(Self {
            pairs,
            entailment_label: label,
        })
    }
}

impl NliModel for NliEncoder {
    fn identity(&self) -> ModelIdentity {
        self.pairs.loaded.identity.clone()
    }

    fn entailment_probability(&self, text: &str, sentence: &str) -> Result<f32> {
        let logits = self.pairs.logits(&[self.pairs.tokenize(text, sentence)?]);
        let logits = logits.first().map_or(&[][..], Vec::as_slice);
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let weights: Vec<f32> = logits.iter().map(|logit| (logit - top).exp()).collect();
        let total: f32 = weights.iter().sum();
        let entailment = weights.get(self.entailment_label);
        Ok(entailment.copied().unwrap_or(0.0) / total)
    }
}
